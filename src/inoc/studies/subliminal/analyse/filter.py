"""The table `filter`: rows of each teacher by reason, and what was lost with them."""

from __future__ import annotations

import pyarrow as pa

from inoc.numbers.filtered import combination_counts, duplicates, lost, reason_counts
from inoc.numbers.rules import REASONS
from inoc.stats.means import NAN
from inoc.studies.subliminal.data import TeacherRows
from inoc.tables import INDEX, NUMBER, STRING

FILTER = pa.schema(
    [
        ("teacher", STRING),
        ("kind", STRING),  # total, reason, combination, duplicates or lost
        ("reason", STRING),  # reasons of a combination are joined by +
        ("n", INDEX),  # rows; a row counts for each of its reasons, and in one combination
        ("share", NUMBER),  # of all rows; of kept ones for duplicates; of characters or tokens for `lost`
    ]
)

Row = dict[str, object]


def filter_table_rows(teacher: str, found: TeacherRows) -> list[Row]:
    """Rows of one teacher: totals, every reason (also those that apply to no row), combinations, repetitions, losses.

    Args:
        teacher: Its key.
        found: Its rows.
    """
    total, kept = len(found.filtered.rows), len(found.filtered.kept)
    counts = reason_counts(found.filtered)
    rows = [("total", "written", total), ("total", "kept", kept), ("total", "trained_on", len(found.kept))]
    rows += [("reason", name, counts.get(name, 0)) for name in REASONS]
    rows += [("combination", "+".join(names), n) for names, n in combination_counts(found.filtered).items()]
    table: list[Row] = [_row(teacher, kind, name, n, n / total) for kind, name, n in rows]
    again = duplicates(found.filtered.kept)
    table += [_row(teacher, "duplicates", name, n, n / kept if kept else NAN) for name, n in again._asdict().items()]
    gone = lost(found.filtered)
    table += [_row(teacher, "lost", name, total - kept, share) for name, share in gone._asdict().items()]
    return table


def _row(teacher: str, kind: str, reason: str, n: int, share: float) -> Row:
    return {"teacher": teacher, "kind": kind, "reason": reason, "n": n, "share": share}
