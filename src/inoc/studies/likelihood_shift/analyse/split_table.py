"""The table `splits`: the parts of each split, their cut points, sizes and mean shifts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from inoc.stats.means import NAN, mean_interval
from inoc.studies.likelihood_shift.analyse.rows import Row
from inoc.studies.likelihood_shift.inputs import Column
from inoc.studies.likelihood_shift.study import SplitSpec
from inoc.studies.shared.splitting import Part, median_parts, quantile_parts, random_part
from inoc.tables import INDEX, NUMBER, STRING

SPLITS = pa.schema(
    [
        ("split", STRING),
        ("part", STRING),  # q1 (the lowest) and up; top, bottom; random
        ("dataset", STRING),
        ("prompt", STRING),  # under which the shifts are; empty for a random part of a dataset without one
        ("n", INDEX),  # rows of the part
        ("cut_lo", NUMBER),  # shift from which on rows belong to it, nats per token; −∞ for the lowest part
        ("cut_hi", NUMBER),  # shift below which they do; NaN for random parts, as `cut_lo`
        ("mean_lls", NUMBER),  # nats per token; NaN where only the published sizes are known
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n_nan", INDEX),  # rows of the part without a shift; only a random part can have some
        ("seed", INDEX),  # of a random part; else −1
    ]
)


def parts_of(spec: SplitSpec, column: Column, prompt: str) -> list[Part]:
    """The parts of a split.

    Args:
        spec: The split.
        column: Its dataset; of a random part, positions are among all its rows, scored or not.
        prompt: Under which the shifts are; not used for a random part.

    Raises:
        DataError: If the rows cannot be split so.
    """
    if spec.by == "random":
        return [random_part(column.n_rows, spec.share, spec.seed)]
    shifts = column.shifts[column.prompts.index(prompt)]
    return median_parts(shifts) if spec.by == "median" else quantile_parts(shifts, spec.n)


def split_rows(split: str, spec: SplitSpec, column: Column, prompt: str, confidence: float) -> list[Row]:
    """A row for each part; errors as `parts_of`."""
    rows: list[Row] = []
    shifts = np.full(column.n_rows, NAN)
    if prompt in column.prompts:
        shifts[column.places] = column.shifts[column.prompts.index(prompt)]
    for part in parts_of(spec, column, prompt):
        found = mean_interval(shifts[part.rows], confidence)
        rows.append(
            {
                "split": split,
                "part": part.name,
                "dataset": column.dataset,
                "prompt": prompt,
                "n": part.rows.size,
                "cut_lo": part.cut_lo,
                "cut_hi": part.cut_hi,
                "mean_lls": found.value,
                "lo": found.lo,
                "hi": found.hi,
                "n_nan": found.n_nan,
                "seed": spec.seed if spec.by == "random" else -1,
            }
        )
    return rows


def given_split(row: Row) -> Row:
    """The row of a published split."""
    return {**row, "mean_lls": NAN, "lo": NAN, "hi": NAN, "n_nan": 0}
