"""The difference of two estimates from their intervals, held against other methods and against simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.stats.means import Estimate, mean_interval, share_interval
from inoc.stats.two_estimates import difference_of_estimates

NUMBERS = st.floats(-100, 100)
WIDTHS = st.floats(1e-3, 50)


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    value, below, above = draw(NUMBERS), draw(WIDTHS), draw(WIDTHS)
    return Estimate(value, value - below, value + above, draw(st.integers(2, 99)), 0)


@given(estimates(), estimates())
def test_the_other_way_round_it_is_the_mirror_image(first: Estimate, second: Estimate) -> None:
    one, other = difference_of_estimates(first, second), difference_of_estimates(second, first)
    assert (one.value, one.lo, one.hi) == pytest.approx((-other.value, -other.hi, -other.lo))
    assert one.p == pytest.approx(other.p)


@given(estimates(), estimates())
def test_p_is_small_exactly_where_the_interval_leaves_zero_out(first: Estimate, second: Estimate) -> None:
    found = difference_of_estimates(first, second)
    if min(abs(found.lo), abs(found.hi)) > 1e-6:
        assert (found.p < 0.05) == (found.lo > 0 or found.hi < 0)


def test_for_two_shares_it_is_newcombe_s_hybrid_score_interval() -> None:
    """Newcombe (1998), example (a) of his table II: 56/70 and 48/80, method 10."""
    first, second = (share_interval(np.repeat([1.0, 0.0], [k, n - k])) for k, n in ((48, 80), (56, 70)))
    found = difference_of_estimates(first, second)
    assert (found.value, found.lo, found.hi) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_without_an_interval_there_is_none_of_the_difference() -> None:
    found = difference_of_estimates(Estimate(1, math.nan, math.nan, 1, 0), Estimate(3, 2, 4, 9, 2))
    assert found.value == 2
    assert all(math.isnan(one) for one in (found.lo, found.hi, found.p))
    assert (found.n, found.n_nan) == (1, 2)


@pytest.mark.parametrize("kind", ["means", "shares"])
def test_it_covers_the_truth_and_rarely_rejects_what_is_true(kind: str) -> None:
    rng = np.random.default_rng(11)
    covered = rejected = 0
    rounds = 1_000
    for _ in range(rounds):
        if kind == "means":
            found = difference_of_estimates(mean_interval(rng.normal(2, 3, 40)), mean_interval(rng.normal(2, 1, 80)))
        else:
            first, second = (share_interval((rng.random(n) < 0.3).astype(float)) for n in (60, 90))
            found = difference_of_estimates(first, second)
        covered += found.lo <= 0 <= found.hi
        rejected += found.p < 0.05
    assert 0.93 <= covered / rounds <= 0.97
    assert 0.03 <= rejected / rounds <= 0.07
