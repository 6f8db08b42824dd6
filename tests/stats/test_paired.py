"""Paired effects: the mean, and how many went up, stayed and went down."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from inoc.stats.paired import main_effects, paired_effect


def test_the_difference_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    neutral = rng.normal(size=40)
    treated = neutral + rng.normal(0.3, 1, 40)
    found = paired_effect(treated, neutral).difference
    expected = ttest_rel(treated, neutral).confidence_interval()
    assert (found.lo, found.hi) == pytest.approx((expected.low, expected.high))


def test_the_three_shares_add_up_and_ties_are_no_losses():
    treated, neutral = np.array([3.0, 3, 3, 4, np.nan]), np.array([3.0, 3, 2, 5, 1])
    found = paired_effect(treated, neutral)
    assert [found.higher.value, found.tie.value, found.lower.value] == [0.25, 0.5, 0.25]
    assert found.difference[3:] == (4, 1) == found.tie[3:]


def test_repeats_of_a_thing_are_one_unit():
    treated, neutral = np.array([1.0, 3, 2, 2, 5, 4]), np.array([1.0, 1, 1, 1, 1, 1])
    groups = ["a", "b", "c"]
    once = paired_effect(treated[:3], neutral[:3], groups)
    often = paired_effect(np.repeat(treated[:3], 2), np.repeat(neutral[:3], 2), list(np.repeat(groups, 2)))
    assert often.difference[:3] == pytest.approx(once.difference[:3])
    assert often.difference.n == 6


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_intervals_hold_the_truth_and_nothing_is_found_where_nothing_is(shift):
    inside, shares = [], []
    for seed in range(600):
        rng = np.random.default_rng(seed)
        thing = rng.normal(size=40)
        effect = rng.normal(shift, 0.5, 40)
        neutral, treated = (np.repeat(thing + one, 3) + rng.normal(size=120) for one in (np.zeros(40), effect))
        found = paired_effect(treated, neutral, [str(one) for one in np.repeat(np.arange(40), 3)])
        inside.append(found.difference.lo <= shift <= found.difference.hi)
        shares.append(found.higher.lo <= 0.5 <= found.higher.hi)
    assert 0.93 <= np.mean(inside) <= 0.97
    if shift == 0:
        assert 0.93 <= np.mean(shares) <= 0.97


def test_main_effects_use_the_same_things_in_all_cells():
    rng = np.random.default_rng(1)
    cells = rng.normal(size=(3, 3, 200)) * 0.1 + np.array([0, 1, -1])[:, None, None] + np.array([0, 0, 0.5])[:, None]
    cells[0, 0, :50] = np.nan
    completion, measurement = main_effects(cells, 0)
    assert [one.value for one in completion] == pytest.approx([0, 1, -1], abs=0.03)
    assert [one.value for one in measurement] == pytest.approx([0, 0, 0.5], abs=0.03)
    assert completion[1][3:] == (150, 50)
