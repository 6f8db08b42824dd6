"""The difference of two paired shares: against other formulas, and against simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from inoc.stats.paired_shares import mid_p, paired_share_difference

ANSWERS = st.lists(st.tuples(st.sampled_from([0.0, 1.0, math.nan]), st.sampled_from([0.0, 1.0, math.nan])), max_size=40)


@given(ANSWERS)
def test_the_other_way_round_it_is_the_mirror_image_and_counts_stay(pairs: list[tuple[float, float]]) -> None:
    first, second = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    one, other = paired_share_difference(first, second), paired_share_difference(second, first)
    assert one.n + one.n_nan == len(pairs)
    assert (one.lo, one.hi, one.p) == pytest.approx((-other.hi, -other.lo, other.p), nan_ok=True)
    if one.n:
        known = ~np.isnan(first + second)
        assert one.value == pytest.approx(second[known].mean() - first[known].mean())
        assert one.lo < one.hi  # also where no pair differs


@given(st.integers(0, 60), st.integers(0, 60))
def test_mid_p_is_the_exact_p_less_half_the_chance_of_what_was_seen(up: int, down: int) -> None:
    if up == down:
        assert mid_p(up, down) == pytest.approx(1)
        return
    exact = binomtest(up, up + down).pvalue
    seen = math.comb(up + down, up) / 2 ** (up + down)
    assert mid_p(up, down) == pytest.approx(min(1.0, exact - seen))


def test_it_covers_the_truth_and_rarely_rejects_what_is_true() -> None:
    """120 questions, of which two models answer most alike; then one that lost a tenth of them."""
    rng = np.random.default_rng(3)
    rounds, rejected = 2_000, 0
    covered = {0.0: 0, -0.1: 0}
    for lost, _ in [(one, at) for one in covered for at in range(rounds)]:
        chance = rng.random(120) * 0.6 + 0.4
        first, second = (rng.random((2, 120)) < np.stack([chance, chance + lost])).astype(float)
        found = paired_share_difference(first, second)
        covered[lost] += found.lo <= lost <= found.hi
        rejected += found.p < 0.05 if not lost else 0
    assert 0.03 <= rejected / rounds <= 0.07
    assert all(0.93 <= one / rounds <= 0.97 for one in covered.values())
