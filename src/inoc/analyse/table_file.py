"""Judges the heuristics of a table file, without a study."""

from __future__ import annotations

from pathlib import Path

from inoc.analyse.heuristics import Protocol, judge_heuristics, read_values
from inoc.analyse.rows import frame
from inoc.analyse.schemas import HEURISTIC_TESTS
from inoc.stats.bootstrap import Resampler
from inoc.tables import replace_file

RESAMPLES, SEED = 2_000, 0


def judge_table_file(table: Path, protocol: Protocol, out: Path) -> str:
    """Read a table file and write the table `heuristics` of it.

    Args:
        table: CSV with a row for each prompt, trait role and prefix.
        protocol: `fair` or `published`.
        out: CSV to write.

    Returns:
        One line for the log.

    Raises:
        DataError: If the table cannot be read or contradicts itself; nothing is written then.
    """
    values = read_values(table)
    rows, skipped = judge_heuristics(values, protocol, Resampler(RESAMPLES, SEED))
    judged = frame(rows, HEURISTIC_TESTS)
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(out, lambda temporary: judged.to_csv(temporary, index=False, na_rep="NaN"))
    left_out = "".join(f"\n  left out: {skip.what}: {skip.why}" for skip in skipped)
    return f"{out}: {len(judged)} rows from {len(values.frame)} by the protocol {protocol!r}{left_out}"
