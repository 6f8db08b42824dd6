from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from inoc.errors import DataError
from inoc.stats.means import (
    interaction,
    mean_interval,
    paired_difference,
    share_interval,
    welch_difference,
)

NAN = float("nan")
VALUES = arrays(np.float64, st.integers(3, 40), elements=st.floats(-100, 100).map(lambda value: round(value, 3)))


@given(VALUES, st.sampled_from([0.8, 0.95, 0.99]))
def test_mean_interval_is_that_of_statsmodels(values: np.ndarray, confidence: float) -> None:
    found = mean_interval(values, confidence)
    lo, hi = DescrStatsW(values).tconfint_mean(1 - confidence)
    assert np.allclose([found.value, found.lo, found.hi], [values.mean(), lo, hi], atol=1e-9)
    assert (found.n, found.n_nan) == (values.size, 0)


@given(VALUES, st.integers(0, 5))
def test_nan_changes_only_its_count(values: np.ndarray, n_nan: int) -> None:
    mixed = np.concatenate([values, np.full(n_nan, NAN)])
    np.random.default_rng(n_nan).shuffle(mixed)
    ours, clean = mean_interval(mixed), mean_interval(values)
    assert np.allclose(ours[:3], clean[:3], atol=1e-9)
    assert (ours.n, ours.n_nan) == (values.size, n_nan)


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = mean_interval(np.array([NAN, 7.0]))
    assert found.value == 7
    assert np.isnan([found.lo, found.hi]).all()
    assert (found.n, found.n_nan) == (1, 1)


def test_nothing_measured_is_nan_and_not_zero() -> None:
    for found in (mean_interval(np.array([NAN, NAN])), share_interval(np.array([NAN, NAN]))):
        assert np.isnan(found[:3]).all()
        assert (found.n, found.n_nan) == (0, 2)


def test_paired_difference_is_that_of_scipy_on_complete_pairs() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(50, 10, 30), rng.normal(40, 10, 30)
    first[3], second[7], second[3] = NAN, NAN, NAN
    found = paired_difference(first, second)
    known = ~np.isnan(first - second)
    oracle = scipy.stats.ttest_rel(first[known], second[known])
    bounds = oracle.confidence_interval(0.95)
    assert found.value == pytest.approx((first[known] - second[known]).mean())
    assert (found.lo, found.hi) == pytest.approx((bounds.low, bounds.high))
    assert (found.n, found.n_nan) == (28, 2)


@given(VALUES)
def test_difference_changes_sign_with_its_sides(values: np.ndarray) -> None:
    other = values[::-1] * 0.5
    ours, swapped = paired_difference(values, other), paired_difference(other, values)
    assert np.allclose([ours.value, ours.lo, ours.hi], [-swapped.value, -swapped.hi, -swapped.lo])


def test_values_that_are_not_pairs_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(3,\) and \(4,\)"):
        paired_difference(np.zeros(3), np.zeros(4))


def test_welch_difference_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(1, 1, 20), rng.normal(0, 3, 9)
    oracle = CompareMeans(DescrStatsW(first), DescrStatsW(second)).tconfint_diff(usevar="unequal")
    found = welch_difference(np.append(first, NAN), second)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert (found.lo, found.hi) == pytest.approx(oracle)
    assert (found.n, found.n_nan) == (29, 1)


@given(st.integers(0, 30), st.integers(1, 30))
def test_share_interval_is_wilsons(above: int, below: int) -> None:
    values = np.array([1.0] * above + [-1.0] * below)
    found = share_interval(values)
    oracle = proportion_confint(above, above + below, method="wilson")
    assert np.allclose(found[:3], [above / (above + below), *oracle], atol=1e-12)


def test_zero_is_not_above_zero() -> None:
    assert share_interval(np.array([0.0, 0.0, 1.0, -1.0])).value == 0.25


def test_interaction_is_the_difference_of_differences() -> None:
    ones = np.ones(5)
    noise = np.arange(5.0)
    found = interaction(ones * 80 + noise, ones * 10, ones * 85, ones * 82)
    assert found.value == pytest.approx((82 - 10) - (85 - 82))
    oracle = mean_interval(70 + noise - 3)
    assert found == pytest.approx(oracle)


def test_interaction_drops_an_instruction_that_lacks_one_of_four() -> None:
    holes = np.ones((4, 6))
    holes[0, 0], holes[3, 5] = NAN, NAN
    found = interaction(*holes)
    assert (found.n, found.n_nan, found.value) == (4, 2, 0)


def test_without_gating_there_is_no_interaction() -> None:
    rng = np.random.default_rng(2)
    trained, asked = rng.normal(size=50), rng.normal(size=50)
    found = interaction(trained + asked, trained, asked, np.zeros(50))
    assert found.value == pytest.approx(0, abs=1e-12)
