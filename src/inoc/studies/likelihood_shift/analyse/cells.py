"""The table `cells`: the shift of each dataset under each prompt, in five statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from inoc.stats.means import NAN, Estimate, Floats, mean_interval, share_interval
from inoc.stats.tails import median_interval, tail_mean
from inoc.studies.likelihood_shift.analyse.rows import Row, interval
from inoc.studies.likelihood_shift.inputs import Column
from inoc.tables import INDEX, NUMBER, STRING

CELLS = pa.schema(
    [
        ("prompt", STRING),
        ("dataset", STRING),
        ("statistic", STRING),  # mean, median, share_positive, top20 or top5
        ("value", NUMBER),  # nats per response token; a share for share_positive; NaN if no row could be scored
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),  # rows with a score; 0 where only the published value is known
        ("n_nan", INDEX),  # rows without one
        ("rows_used", INDEX),  # rows that were scored, with or without success
    ]
)

TAILS: Final = {"top20": 0.2, "top5": 0.05}
"""Statistic → share of the rows whose mean it is, from the linear percentile upwards."""

STATISTICS: Final = ("mean", "median", "share_positive", *TAILS)

COMPARED: Final = ("mean", *TAILS)
"""Statistics that prompts are compared in."""


def cell_rows(column: Column, confidence: float) -> list[Row]:
    """Five rows for each prompt of a dataset."""
    rows: list[Row] = []
    for prompt, shifts in zip(column.prompts, column.shifts, strict=True):
        for statistic, found in cell_estimates(shifts, confidence).items():
            head: Row = {"prompt": prompt, "dataset": column.dataset, "statistic": statistic}
            rows.append({**head, **interval(found), "rows_used": shifts.size})
    return rows


def cell_estimates(shifts: Floats, confidence: float) -> dict[str, Estimate]:
    """Statistic → its estimate, of the shifts of one dataset under one prompt."""
    ordered = np.sort(shifts)  # NaN come last
    return {
        "mean": mean_interval(shifts, confidence),
        "median": median_interval(ordered, confidence),
        "share_positive": share_interval(ordered, confidence),
        **{name: tail_mean(ordered, share, confidence) for name, share in TAILS.items()},
    }


def given_cell(prompt: str, dataset: str, statistic: str, value: float) -> Row:
    """The row of a cell of which only a published value is known."""
    bounds: Row = {"lo": NAN, "hi": NAN, "n": 0, "n_nan": 0, "rows_used": 0}
    return {"prompt": prompt, "dataset": dataset, "statistic": statistic, "value": value, **bounds}


class Matrix:
    """Cells of one statistic by prompt and dataset; NaN where a cell is missing."""

    def __init__(self, rows: list[Row], statistic: str) -> None:
        self._values: Mapping[tuple[str, str], float] = {
            (str(row["prompt"]), str(row["dataset"])): float(str(row["value"]))
            for row in rows
            if row["statistic"] == statistic
        }

    def block(self, prompts: list[str], datasets: list[str]) -> Floats:
        """Prompts × datasets, in the order given."""
        found = [[self._values.get((prompt, dataset), NAN) for dataset in datasets] for prompt in prompts]
        return np.array(found, dtype=np.float64).reshape(len(prompts), len(datasets))
