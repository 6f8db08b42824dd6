"""The reduced major axis, and correlations with weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import DescrStatsW

from inoc.errors import DataError
from inoc.stats.structural import reduced_major_axis, weighted_pearson


def drawn(seed: int, n: int = 30, slope: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.normal(size=n)
    return true + 0.6 * rng.normal(size=n), slope * (true + 0.6 * rng.normal(size=n))


@given(seed=st.integers(0, 10**6))
def test_the_other_way_round_is_the_inverse(seed):
    x, y = drawn(seed)
    found, back = reduced_major_axis(x, y), reduced_major_axis(y, x)
    assert found.value * back.value == pytest.approx(1)
    assert (found.lo * back.hi, found.hi * back.lo) == pytest.approx((1, 1))
    assert reduced_major_axis(-x, y).value == pytest.approx(-found.value)


def test_intervals_hold_the_truth():
    found = [reduced_major_axis(*drawn(seed)) for seed in range(1000)]
    assert 0.93 <= np.mean([one.lo <= 2 <= one.hi for one in found]) <= 0.97


def test_weights_are_those_of_statsmodels_and_frequencies():
    x, y = drawn(1)
    weight = np.random.default_rng(1).integers(1, 5, x.size).astype(float)
    expected = DescrStatsW(np.column_stack([x, y]), weight).corrcoef[0, 1]
    assert weighted_pearson(x, y, weight) == pytest.approx(expected)
    often = weight.astype(int)
    assert weighted_pearson(x, y, weight) == pytest.approx(np.corrcoef(np.repeat(x, often), np.repeat(y, often))[0, 1])


def test_no_line_where_there_is_none():
    assert np.isnan(reduced_major_axis(np.ones(5), np.arange(5.0)).value)
    assert np.isnan(weighted_pearson(np.ones(5), np.arange(5.0), np.ones(5)))
    with pytest.raises(DataError, match="0 or more"):
        weighted_pearson(np.arange(3.0), np.arange(3.0), np.array([1.0, -1, 1]))
