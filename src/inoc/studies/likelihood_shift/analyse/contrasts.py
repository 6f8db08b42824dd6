"""The table `contrasts`: each dataset's own prompt against every other, paired by row, with and without its format."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from inoc.stats.contrasts import Contrast, against_each, standardised
from inoc.stats.means import NAN, Floats
from inoc.stats.prediction import benjamini_hochberg
from inoc.studies.likelihood_shift.analyse.rows import Row, Scan, contrast_cells
from inoc.studies.likelihood_shift.inputs import Column
from inoc.studies.likelihood_shift.precision import unscored
from inoc.tables import FLAG, INDEX, NUMBER, STRING

CONTRASTS = pa.schema(
    [
        ("dataset", STRING),
        ("prompt", STRING),  # the dataset's own
        ("against", STRING),
        ("value", NUMBER),  # nats per token; positive: the own prompt raises the dataset more
        ("se", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("dataset_lo", NUMBER),  # of the value over all rows of the dataset, scored or not; NaN if `controlled`
        ("dataset_hi", NUMBER),
        ("p", NUMBER),  # two-sided
        ("q", NUMBER),  # false-discovery rate over all rows of the table with the same `controlled`
        ("n", INDEX),
        ("n_nan", INDEX),
        ("controlled", FLAG),  # at the mean format of all datasets' answers
    ]
)


def contrast_rows(column: Column, scan: Scan, features_NF: Floats | None, at_F: Floats) -> list[Row]:
    """Rows of one dataset, without q; none if it was written under no prompt, or was not scored under its own.

    Args:
        column: The dataset.
        scan: The study.
        features_NF: Format of each answer; None if it is not known, and then no row is `controlled`.
        at_F: Mean format over all datasets.
    """
    own = scan.own.get(column.dataset, "")
    if own not in column.prompts:
        return []
    place = column.prompts.index(own)
    rows: list[Row] = []
    plain = against_each(column.shifts, place, scan.confidence)
    for against, found in zip(column.prompts, plain, strict=True):
        if against != own:
            head: Row = {"dataset": column.dataset, "prompt": own, "against": against, "controlled": False}
            rows.append({**head, **contrast_cells(found), **_of_dataset(found, column)})
    if features_NF is None:
        return rows
    for against, shifts in zip(column.prompts, column.shifts, strict=True):
        if against != own:
            found = standardised(column.shifts[place] - shifts, features_NF, at_F, scan.confidence)
            head = {"dataset": column.dataset, "prompt": own, "against": against, "controlled": True}
            rows.append({**head, **contrast_cells(found), "dataset_lo": NAN, "dataset_hi": NAN})
    return rows


def _of_dataset(found: Contrast, column: Column) -> Row:
    """The interval of a contrast over all rows of the dataset, of which the scored ones are a random sample."""
    narrower = unscored(column.shifts.shape[1], column.n_rows) ** 0.5
    half = (found.hi - found.lo) / 2 * narrower
    return {"dataset_lo": found.value - half, "dataset_hi": found.value + half}


def with_q(rows: list[Row], within: str, p: str = "p", q: str = "q") -> list[Row]:
    """Rows with their false-discovery rates.

    Args:
        rows: With a column of p values.
        within: Column; tests that share its value count as made together.
        p: Name of the column of p values.
        q: Name of the column to add.
    """
    values = np.array([float(str(row[p])) for row in rows])
    groups = [row[within] for row in rows]
    rates = np.full(len(rows), np.nan)
    for group in dict.fromkeys(groups):
        members = np.array([one == group for one in groups])
        rates[members] = benjamini_hochberg(values[members])
    return [{**row, q: float(rate)} for row, rate in zip(rows, rates, strict=True)]
