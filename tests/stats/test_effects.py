from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from inoc.stats.effects import cohens_d, paired_d


def test_the_bounds_of_a_paired_effect_leave_the_tails_of_the_noncentral_t() -> None:
    values = np.random.default_rng(0).normal(0.4, 1, 25)
    for sign in (1, -1):
        found = paired_d(sign * values)
        t = found.value * 5
        assert found.value == pytest.approx(sign * values.mean() / values.std(ddof=1))
        assert stats.nct.sf(t, 24, found.lo * 5) == pytest.approx(0.025, abs=1e-6)
        assert stats.nct.cdf(t, 24, found.hi * 5) == pytest.approx(0.025, abs=1e-6)


def test_both_ways_to_an_interval_agree_where_they_meet() -> None:
    values = np.random.default_rng(1).normal(0.2, 1, 200)
    values = (values - values.mean()) / values.std(ddof=1) + 0.2
    large, small = paired_d(values), paired_d(values[:199])
    assert large.hi - large.lo == pytest.approx(small.hi - small.lo, rel=0.01)
    high = paired_d(np.random.default_rng(2).normal(50, 1, 30))
    assert high.lo < high.value < high.hi


@pytest.mark.parametrize(("n", "d"), [(4, 0.0), (12, 0.8), (60, -0.3), (250, 0.2)])
def test_intervals_of_paired_effects_hold_the_true_one(n: int, d: float) -> None:
    rng = np.random.default_rng(n)
    found = [paired_d(rng.normal(d, 1, n)) for _ in range(800)]
    assert 0.93 <= np.mean([one.lo <= d <= one.hi for one in found]) <= 0.97


def test_effects_without_spread_or_pairs_are_not_known_and_nan_is_counted() -> None:
    assert np.isnan(paired_d(np.array([1.0])).value)
    assert np.isnan(paired_d(np.ones(5)).value)
    found = paired_d(np.array([1.0, np.nan, 3.0]))
    assert (found.n, found.n_nan) == (2, 1)
    assert np.isnan(cohens_d(np.ones(1), np.ones(4), 0.95).value)


def test_an_effect_of_two_samples_is_the_pooled_t_statistic_over_its_scale() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.normal(1, 1, 40), rng.normal(0, 1, 30)
    t = stats.ttest_ind(first, second).statistic
    assert cohens_d(first, second, 0.95).value == pytest.approx(t * (1 / 40 + 1 / 30) ** 0.5)
