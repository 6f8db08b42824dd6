from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inoc.stats.contrasts import against_each, against_mean, contrast_of, standardised

NAN = float("nan")
TABLES = arrays(
    np.float64, st.tuples(st.integers(2, 5), st.integers(3, 30)), elements=st.floats(-5, 5).map(lambda x: round(x, 3))
)


@given(TABLES)
def test_contrasts_are_paired_t_tests(values: np.ndarray) -> None:
    for other, found in zip(values, against_each(values, 0), strict=True):
        if np.ptp(values[0] - other) < 1e-6:
            continue
        theirs = scipy.stats.ttest_rel(values[0], other)
        interval = theirs.confidence_interval(0.95)
        assert found.p == pytest.approx(theirs.pvalue, rel=1e-6)
        assert np.allclose([found.lo, found.hi], [interval.low, interval.high], atol=1e-9)


@given(TABLES)
def test_the_contrast_with_the_others_mean_is_that_of_row_means(values: np.ndarray) -> None:
    others = list(range(1, len(values)))
    expected = contrast_of(values[0] - values[1:].mean(axis=0))
    assert np.allclose(against_mean(values, 0, others), expected, equal_nan=True)


def test_a_row_without_one_of_the_others_is_dropped_and_counted() -> None:
    values = np.arange(12.0).reshape(3, 4) ** 2
    values[2, 1] = NAN
    found = against_mean(values, 0, [1, 2])
    assert (found.n, found.n_nan) == (3, 1)
    assert found.value == pytest.approx((values[0] - values[1:].mean(axis=0))[[0, 2, 3]].mean())


def test_equal_columns_differ_by_nothing_with_certainty() -> None:
    same, shifted = against_each(np.array([[1.0, 2, 3], [1, 2, 3], [0, 1, 2]]), 0)[1:]
    assert (same.value, same.se, same.p) == (0, 0, 1)
    assert (shifted.value, shifted.se) == (1, 0)
    assert 0 < shifted.p < 1e-100


def test_nothing_is_known_without_rows_or_others() -> None:
    assert np.isnan(contrast_of(np.array([NAN])).value)
    assert np.isnan(contrast_of(np.array([1.0])).se)
    assert np.isnan(against_mean(np.ones((1, 4)), 0, []).value)


@given(st.integers(0, 2**32 - 1))
def test_standardised_contrasts_are_those_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(40, 2))
    differences = 1 + features @ [0.5, -1] + rng.normal(size=40)
    at = rng.normal(size=2)
    found = standardised(differences, features, at)
    theirs = sm.OLS(differences, sm.add_constant(features - at)).fit(cov_type="HC1", use_t=True)
    assert found.value == pytest.approx(theirs.params[0])
    assert found.se == pytest.approx(theirs.bse[0])
    assert np.allclose([found.lo, found.hi], theirs.conf_int()[0])


def test_at_the_mean_format_of_its_own_rows_a_contrast_is_the_plain_one() -> None:
    rng = np.random.default_rng(0)
    features, differences = rng.normal(size=(50, 3)), rng.normal(size=50)
    found = standardised(differences, features, features.mean(axis=0))
    assert found.value == pytest.approx(differences.mean())


def test_a_difference_that_the_format_makes_is_gone_at_one_format() -> None:
    rng = np.random.default_rng(0)
    bracketed = (rng.random(4000) < 0.8).astype(float)
    differences = 0.5 * bracketed + rng.normal(size=4000)
    plain, at_none = contrast_of(differences), standardised(differences, bracketed[:, None], np.zeros(1))
    assert plain.lo > 0.3
    assert at_none.lo < 0 < at_none.hi


def test_a_format_that_no_row_has_cannot_be_evaluated() -> None:
    features = np.zeros((20, 1))
    assert np.isnan(standardised(np.arange(20.0), features, np.ones(1)).value)
    assert standardised(np.arange(20.0), features, np.zeros(1)).value == pytest.approx(9.5)
    assert np.isnan(standardised(np.arange(2.0), np.arange(2.0)[:, None], np.zeros(1)).value)


def test_intervals_hold_the_difference_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(3)
    held = []
    for _ in range(1000):
        rows = rng.normal(size=300)
        table = np.stack([rows + 0.1, rows]) + rng.standard_t(4, size=(2, 300)) * 0.2
        found = against_each(table, 0)[1]
        held.append(found.lo <= 0.1 <= found.hi)
    assert 0.93 <= np.mean(held) <= 0.97
