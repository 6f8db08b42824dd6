from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import Table

from inoc.stats.trend import cochran_armitage, slope_of_counts, slopes


@given(st.lists(st.integers(0, 30), min_size=2, max_size=6))
def test_the_trend_test_is_that_of_ordinal_association(hits: list[int]) -> None:
    found, totals = np.array(hits, float), np.full(len(hits), 30.0)
    z, p = cochran_armitage(found, totals)
    if not 0 < found.sum() < totals.sum():
        assert np.isnan([z, p]).all()
        return
    table = Table(np.stack([totals - found, found]), shift_zeros=False)
    theirs = table.test_ordinal_association(row_scores=np.arange(2), col_scores=np.arange(len(hits)))
    n = totals.sum()
    assert z == pytest.approx(theirs.zscore * np.sqrt(n / (n - 1)), abs=1e-9)  # theirs divides by n − 1
    assert 0 < p <= 1


def test_slopes_are_those_of_a_straight_line() -> None:
    rates = np.random.default_rng(0).random((4, 3, 5))
    theirs = np.polyfit(np.arange(5), rates.reshape(-1, 5).T, 1)[0].reshape(4, 3)
    assert np.allclose(slopes(rates), theirs)


@pytest.mark.parametrize("rates", [[0.2] * 5, [0.0, 0.1, 0.2, 0.3, 0.4], [0.02] * 5])
def test_slopes_of_counts_have_intervals_that_hold_them(rates: list[float]) -> None:
    rng = np.random.default_rng(1)
    truth = float(slopes(np.array(rates)))
    totals = np.full(5, 100.0)
    found = [slope_of_counts(rng.binomial(100, rates).astype(float), totals, 0.95) for _ in range(1500)]
    assert np.mean([one.lo <= truth <= one.hi for one in found]) > 0.93


def test_without_a_trend_5_in_100_tests_find_one() -> None:
    rng = np.random.default_rng(2)
    found = [cochran_armitage(rng.binomial(100, [0.3] * 5).astype(float), np.full(5, 100.0))[1] for _ in range(2000)]
    assert 0.035 < np.mean(np.array(found) < 0.05) < 0.065


def test_a_part_without_answers_leaves_no_slope() -> None:
    assert np.isnan(slope_of_counts(np.array([1.0, 0]), np.array([5.0, 0]), 0.95).value)
