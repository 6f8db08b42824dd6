"""Equivalence: a mean is shown to be near 0 only where the data say so, and rarely where it lies at the bound."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from inoc.stats.crossed import crossed_interval
from inoc.stats.equivalence import equivalence

BOUND = 0.05


def test_the_tests_agree_with_those_of_scipy_for_one_row():
    values = np.random.default_rng(0).normal(0.01, 0.1, 40)
    above = stats.ttest_1samp(values, -BOUND, alternative="greater").pvalue
    below = stats.ttest_1samp(values, BOUND, alternative="less").pvalue
    assert equivalence(values[None, :], BOUND).p == pytest.approx(max(above, below), rel=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_p_is_at_most_alpha_just_if_the_interval_is_inside_the_bounds(seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(0.02, 0.05, (6, 1)) + rng.normal(0, 0.05, (6, 20))
    found = equivalence(table, BOUND)
    inside = found.lo > -BOUND and found.hi < BOUND
    assert inside == (found.p <= 0.05)
    interval = crossed_interval(table, 0.9)
    assert (found.lo, found.hi) == pytest.approx((interval.lo, interval.hi))


def test_few_or_noisy_values_show_nothing_though_their_mean_is_near_zero():
    table = np.random.default_rng(1).normal(0, 0.5, (3, 4))
    table -= table.mean()
    assert equivalence(table, BOUND).p > 0.05
    assert np.isnan(equivalence(np.array([[0.01]]), BOUND).p)


def test_values_without_spread_are_inside_or_outside():
    assert equivalence(np.full((3, 4), 0.0), BOUND).p < 1e-300
    assert equivalence(np.full((3, 4), 0.06), BOUND).p > 0.999


@pytest.mark.parametrize("mean", [BOUND, -BOUND])
def test_a_mean_at_the_bound_is_called_negligible_in_at_most_five_percent(mean):
    """Ten students and twenty questions, both of which are drawn anew; students and questions differ."""
    rng, found = np.random.default_rng(3), []
    for _ in range(400):
        table = mean + rng.normal(0, 0.03, (10, 1)) + rng.normal(0, 0.02, (1, 20)) + rng.normal(0, 0.05, (10, 20))
        found.append(equivalence(table, BOUND).p <= 0.05)
    assert 0.01 <= np.mean(found) <= 0.07


def test_a_mean_of_zero_is_called_negligible_mostly():
    rng, found = np.random.default_rng(4), []
    for _ in range(200):
        table = rng.normal(0, 0.03, (10, 1)) + rng.normal(0, 0.02, (1, 20)) + rng.normal(0, 0.05, (10, 20))
        found.append(equivalence(table, BOUND).p <= 0.05)
    assert np.mean(found) > 0.9
