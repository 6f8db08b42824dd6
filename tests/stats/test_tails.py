from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inoc.stats.tails import median_interval, tail_mean, tail_parts

NAN = float("nan")
VALUES = arrays(np.float64, st.integers(2, 60), elements=st.floats(-10, 10).map(lambda value: round(value, 2)))
SHARES = st.sampled_from([0.05, 0.2, 0.5])


@given(VALUES, SHARES)
def test_a_tail_is_all_values_at_or_above_the_linear_percentile(values: np.ndarray, share: float) -> None:
    cut = np.percentile(values, 100 * (1 - share))
    near = np.isclose(values, cut, atol=1e-9)
    members = values[(values > cut) | near]
    assert tail_mean(values, share).value == pytest.approx(members.mean(), abs=1e-9)


@given(VALUES, st.integers(0, 4))
def test_nan_changes_only_its_count(values: np.ndarray, n_nan: int) -> None:
    mixed = np.concatenate([np.full(n_nan, NAN), values])
    for measure in (lambda x: tail_mean(x, 0.2), median_interval):
        ours, clean = measure(mixed), measure(values)
        assert np.array_equal(ours[:3], clean[:3], equal_nan=True)
        assert (ours.n, ours.n_nan) == (values.size, n_nan)


@given(VALUES)
def test_the_median_has_the_interval_of_scipys_quantile_test(values: np.ndarray) -> None:
    found = median_interval(values)
    assert found.value == np.median(values)
    try:
        theirs = scipy.stats.quantile_test(values, q=np.median(values), p=0.5).confidence_interval(0.95)
    except ValueError:
        return
    bounds = np.array([theirs.low, theirs.high])
    assert np.array_equal(np.array(found[1:3]), bounds, equal_nan=True) or np.isnan(found.lo)


@pytest.mark.parametrize(("n", "share", "lowest"), [(300, 0.2, 0.92), (300, 0.05, 0.89), (3000, 0.05, 0.92)])
def test_intervals_of_tails_hold_their_means(n: int, share: float, lowest: float) -> None:
    rng = np.random.default_rng(0)
    cut = scipy.stats.norm.isf(share)
    truth = scipy.stats.norm.pdf(cut) / share
    found = [tail_mean(rng.normal(size=n), share) for _ in range(1000)]
    assert lowest < np.mean([one.lo <= truth <= one.hi for one in found]) < 0.975


def test_intervals_of_medians_hold_them() -> None:
    rng = np.random.default_rng(0)
    found = [median_interval(rng.normal(size=300)) for _ in range(1000)]
    assert 0.935 < np.mean([one.lo <= 0 <= one.hi for one in found]) < 0.97


def test_each_row_has_a_tail_of_its_own() -> None:
    values = np.random.default_rng(1).normal(size=(3, 50))
    together = tail_parts(values, 0.2)
    assert all(np.array_equal(together[k], tail_parts(values[k], 0.2)) for k in range(3))


def test_values_of_the_reference_oracle() -> None:
    values = np.random.default_rng(1).normal(0.15, 0.16, 27271)
    assert round(tail_mean(values, 0.2).value, 10) == 0.3710905917
    assert round(tail_mean(values, 0.05).value, 10) == 0.4793381169


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    assert tail_mean(np.array([1.0]), 0.2).value == 1
    assert np.isnan(tail_mean(np.array([1.0]), 0.2).lo)
    assert np.isnan(tail_mean(np.array([]), 0.2).value)
    assert np.isnan(median_interval(np.array([NAN])).value)
