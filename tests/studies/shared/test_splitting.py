from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inoc.errors import DataError
from inoc.studies.shared.splitting import median_parts, quantile_parts, random_part

SHIFTS = arrays(np.float64, st.integers(20, 80), elements=st.floats(-1, 1), unique=True)
NAN = float("nan")


@given(SHIFTS, st.sampled_from([2, 4, 5]))
def test_quantiles_are_between_linear_percentiles_with_ties_up(shifts: np.ndarray, n: int) -> None:
    cuts = np.percentile(shifts, [100 * k / n for k in range(1, n)])
    expected = np.searchsorted(cuts, shifts, side="right")
    for place, part in enumerate(quantile_parts(shifts, n)):
        assert part.name == f"q{place + 1}"
        assert np.array_equal(part.rows, np.flatnonzero(expected == place))


@given(st.integers(2, 12), st.integers(12, 60), st.randoms(use_true_random=False))
def test_a_row_at_a_cut_point_goes_up_whatever_the_number_of_parts(n: int, n_rows: int, random: Random) -> None:
    ranks = random.sample(range(n_rows), n_rows)
    parts = quantile_parts(np.array(ranks) / 7, n)
    expected = [min(rank * n // (n_rows - 1), n - 1) for rank in ranks]
    for place, part in enumerate(parts):
        assert part.rows.tolist() == [row for row, own in enumerate(expected) if own == place]


@given(SHIFTS)
def test_parts_are_a_partition_in_the_order_of_the_dataset(shifts: np.ndarray) -> None:
    for parts in (quantile_parts(shifts, 5), median_parts(shifts)):
        every = np.concatenate([part.rows for part in parts])
        assert np.array_equal(np.sort(every), np.arange(shifts.size))
        assert all((np.diff(part.rows) > 0).all() for part in parts)


def test_a_row_at_the_median_is_in_the_top_half() -> None:
    top, bottom = median_parts(np.array([3.0, 1, 2]))
    assert (top.name, list(top.rows), list(bottom.rows)) == ("top", [0, 2], [1])
    assert (top.cut_lo, bottom.cut_hi) == (2, 2)


@given(SHIFTS, st.data())
def test_rows_without_a_shift_are_in_no_part_and_move_no_cut(shifts: np.ndarray, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, shifts.size), max_size=5))
    mixed = np.insert(shifts, places, NAN)
    for clean, part in zip(quantile_parts(shifts, 3), quantile_parts(mixed, 3), strict=True):
        assert (part.cut_lo, part.cut_hi) == (clean.cut_lo, clean.cut_hi)
        assert np.array_equal(mixed[part.rows], shifts[clean.rows])


def test_a_random_part_keeps_the_order_of_the_draw() -> None:
    part = random_part(27271, 0.2, 42)
    assert np.array_equal(part.rows, np.random.default_rng(42).choice(27271, 5454, replace=False))
    assert np.isnan([part.cut_lo, part.cut_hi]).all()


def test_splits_without_rows_are_refused() -> None:
    with pytest.raises(DataError, match="none of 2 rows has a shift"):
        median_parts(np.array([NAN, NAN]))
    with pytest.raises(DataError, match="q1, q2, q3, q4 of 5 quantiles would be empty"):
        quantile_parts(np.ones(9), 5)
    with pytest.raises(DataError, match="q2, q4 of 5 quantiles would be empty: 3 rows with a shift, 3 different"):
        quantile_parts(np.array([1.0, NAN, 2, 3]), 5)
    with pytest.raises(DataError, match="none of 3 rows with a shift is below their median, 1"):
        median_parts(np.array([1.0, 1, 2]))
    with pytest.raises(DataError, match="none of 1 row with a shift"):
        median_parts(np.array([1.0]))
    with pytest.raises(DataError, match="no row"):
        random_part(3, 0.2, 1)
