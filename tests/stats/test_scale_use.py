"""Entropy and divergence from uniform on a declared scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from inoc.errors import DataError
from inoc.stats.scale_use import kl_observed_range, scale_use

SCALE = np.arange(1.0, 6)


def test_the_ends_are_nothing_and_ln_k():
    even = scale_use(np.repeat(SCALE, 200), SCALE)
    assert even.kl.value == pytest.approx(0, abs=1e-3)
    one = scale_use(np.full(30, 4.0), SCALE)
    assert (one.kl.value, one.share.value, one.entropy.value) == pytest.approx((np.log(5), 1, 0))
    assert one.most_frequent == 1


def test_it_is_scipys_but_for_the_small_bias():
    rng = np.random.default_rng(0)
    values = rng.choice(SCALE, 50_000, p=[0.1, 0.2, 0.4, 0.2, 0.1])
    found = scale_use(values, SCALE)
    p = np.bincount(values.astype(int))[1:] / values.size
    assert found.entropy.value == pytest.approx(entropy(p), abs=1e-4)
    assert found.kl.value == pytest.approx(entropy(p, np.full(5, 0.2)), abs=1e-4)


@given(st.lists(st.sampled_from(SCALE.tolist()), min_size=10, max_size=40))
def test_the_share_is_a_share_and_order_does_not_matter(values):
    found = scale_use(np.array(values), SCALE)
    assert 0 <= found.share.value <= 1
    assert found.share.lo <= found.share.value <= found.share.hi
    assert scale_use(np.array(values[::-1]), SCALE).kl.value == pytest.approx(found.kl.value, abs=1e-12)


def test_a_stray_answer_is_counted_and_changes_nothing():
    values = np.array([3.0] * 50 + [4.0] * 50)
    with_stray = np.append(values, [470.0, np.nan])
    found = scale_use(with_stray, SCALE)
    assert found.kl.value == scale_use(values, SCALE).kl.value
    assert (found.n_off_scale, found.kl.n, found.kl.n_nan) == (1, 100, 1)
    assert kl_observed_range(with_stray) > np.log(5)  # the earlier rule exceeds its own greatest value


def test_a_scale_may_have_gaps():
    found = scale_use(np.array([1.0, 2.0, 3.0, 5.0] * 20), np.array([1.0, 2.0, 3.0, 5.0]))
    assert found.kl.value == pytest.approx(0, abs=0.02)
    with pytest.raises(DataError, match="two different values"):
        scale_use(SCALE, np.array([1.0, 1.0]))


@pytest.mark.parametrize("p", [(0.02, 0.08, 0.3, 0.4, 0.2), (0.05, 0.1, 0.2, 0.3, 0.35)])
@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_hold_the_truth(p, clustered):
    truth = entropy(np.array(p), np.full(5, 0.2))
    inside = []
    for seed in range(500):
        rng = np.random.default_rng(seed)
        values, groups = rng.choice(SCALE, 150, p=p), None
        if clustered:  # the same answer four times says no more than once
            values, groups = np.repeat(values, 4), np.repeat(np.arange(150), 4).astype(str).tolist()
        found = scale_use(values, SCALE, groups).kl
        inside.append(found.lo <= truth <= found.hi)
    assert 0.93 <= np.mean(inside) <= 0.97
