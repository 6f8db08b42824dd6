"""Parts of a dataset by the shift of its rows: quantiles, halves about the median, random parts.

Cut points are linear percentiles; a row at a cut point belongs to the upper part; rows without a shift belong to no
quantile and no half. Parts keep the order of the dataset, and random parts the order in which their rows were drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inoc.errors import DataError
from inoc.stats.means import NAN, Floats

Rows = NDArray[np.int64]


class Part(NamedTuple):
    """Rows of one part of a dataset."""

    name: str  # q1 (the lowest) to qn; top, bottom; random
    rows: Rows  # indices into the dataset
    cut_lo: float  # shift from which on rows belong to it; −∞ for the lowest, NaN for a random part
    cut_hi: float  # shift below which they do; ∞ for the highest


def quantile_parts(shifts: Floats, n: int) -> list[Part]:
    """Parts of nearly equal size, q1 with the lowest shifts first.

    Args:
        shifts: Shape (rows,), in the dataset's order; NaN rows are in no part.
        n: Number of parts.

    Raises:
        DataError: If fewer rows than parts have a shift, or if so many are equal that a part is empty.
    """
    if n < 2:
        raise DataError(f"{n} quantiles: a split has at least two parts")
    cuts = _cuts(shifts, n)
    parts = [
        _between(f"q{index}", shifts, lo, hi)
        for index, (lo, hi) in enumerate(zip([-np.inf, *cuts], [*cuts, np.inf], strict=True), start=1)
    ]
    empty = [part.name for part in parts if not part.rows.size]
    if empty:
        known = shifts[~np.isnan(shifts)]
        msg = f"{', '.join(empty)} of {n} quantiles would be empty: {_counted(known.size)} with a shift"
        raise DataError(f"{msg}, {np.unique(known).size} different. Split into fewer parts")
    return parts


def median_parts(shifts: Floats) -> list[Part]:
    """The upper and the lower half: `top` has the rows at or above the median, `bottom` those below.

    Raises:
        DataError: If no row has a shift, or none is below the median.
    """
    (median,) = _cuts(shifts, 2)
    top, bottom = _between("top", shifts, median, np.inf), _between("bottom", shifts, -np.inf, median)
    if not bottom.rows.size:
        msg = f"the bottom half would be empty: none of {_counted(top.rows.size)} with a shift is below their median"
        raise DataError(f"{msg}, {median:g}. There is nothing to split")
    return [top, bottom]


def random_part(n_rows: int, share: float, seed: int) -> Part:
    """Rows drawn without replacement, in the order drawn.

    Args:
        n_rows: Rows of the dataset.
        share: Between 0 and 1; the part has the whole number of rows below share × rows.
        seed: Of `numpy.random.default_rng`.

    Raises:
        DataError: If the part would be empty.
    """
    size = int(share * n_rows)
    if not 0 < share <= 1 or not size:
        raise DataError(
            f"a random part of {share:g} of {n_rows} rows has no row. Take a share between 0 and 1 that has"
        )
    drawn = np.random.default_rng(seed).choice(n_rows, size, replace=False)
    return Part("random", drawn.astype(np.int64), NAN, NAN)


def _cuts(shifts: Floats, n: int) -> list[float]:
    known = np.sort(shifts[~np.isnan(shifts)])
    if not known.size:
        raise DataError(f"none of {shifts.size} rows has a shift, so they cannot be split by it")
    return [_percentile(known, step, n) for step in range(1, n)]


def _percentile(ordered: Floats, step: int, n: int) -> float:
    """Linear percentile of 100 · step / n, which is a row wherever it falls on one."""
    place, between = divmod((ordered.size - 1) * step, n)
    # A share such as a third is rounded, so the interpolation could end just above the row and move it down.
    return float(np.percentile(ordered, 100 * step / n) if between else ordered[place])


def _counted(n_rows: int) -> str:
    return "1 row" if n_rows == 1 else f"{n_rows} rows"


def _between(name: str, shifts: Floats, lo: float, hi: float) -> Part:
    return Part(name, np.flatnonzero((shifts >= lo) & (shifts < hi)).astype(np.int64), lo, hi)
