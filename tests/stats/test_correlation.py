from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inoc.stats.correlation import Correlation, fit_line, mean_ranks, pearson, spearman

NAN = float("nan")
Measure = Callable[[np.ndarray, np.ndarray], Correlation]
PAIRS = arrays(np.float64, st.tuples(st.integers(6, 25), st.just(2)), elements=st.integers(-20, 20).map(float))


@given(PAIRS)
def test_pearson_is_that_of_scipy(pairs: np.ndarray) -> None:
    x, y = pairs.T
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    found, oracle = pearson(x, y), scipy.stats.pearsonr(x, y)
    assume(abs(oracle.statistic) < 0.999999)
    bounds = oracle.confidence_interval(0.95)
    ours = [found.value, found.lo, found.hi, found.p]
    assert np.allclose(ours, [oracle.statistic, bounds.low, bounds.high, oracle.pvalue], atol=1e-7)


@given(PAIRS)
def test_spearman_is_that_of_scipy(pairs: np.ndarray) -> None:
    x, y = pairs.T
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    found, oracle = spearman(x, y), scipy.stats.spearmanr(x, y)
    assert found.value == pytest.approx(oracle.statistic)
    assert -1 <= found.lo <= found.value <= found.hi <= 1


@given(arrays(np.float64, st.integers(1, 30), elements=st.integers(-5, 5).map(float)))
def test_ties_share_their_mean_rank(values: np.ndarray) -> None:
    assert (mean_ranks(values) == scipy.stats.rankdata(values)).all()


@given(PAIRS, st.floats(0.1, 10), st.floats(-5, 5))
def test_correlation_knows_no_units(pairs: np.ndarray, scale: float, shift: float) -> None:
    x, y = pairs.T
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    assert np.allclose(pearson(x, y)[:3], pearson(scale * x + shift, y)[:3], atol=1e-7)


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_pairs_with_nan_are_dropped_and_counted(correlation) -> None:
    x, y = np.array([1, 2, NAN, 4, 5, 7.0]), np.array([2, 1, 5, NAN, 6, 8.0])
    known = ~np.isnan(x + y)
    found, clean = correlation(x, y), correlation(x[known], y[known])
    assert found[:5] == clean[:5]
    assert (found.n, found.n_nan) == (4, 2)


@pytest.mark.parametrize("x", [np.full(5, 0.1) * 3, np.array([1.0, 2, 3, NAN, NAN])[[0, 1, 3, 4, 3]]])
def test_a_constant_side_or_two_pairs_have_no_correlation(x: np.ndarray) -> None:
    assert np.isnan(pearson(x, np.arange(5.0))[:4]).all()


def test_three_pairs_have_a_correlation_and_no_interval() -> None:
    found = pearson(np.array([1, 2, 3.0]), np.array([1, 3, 2.0]))
    assert found.value == pytest.approx(0.5)
    assert np.isnan([found.lo, found.hi]).all()


def test_line_and_band_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 8, 20)
    y = 4 - 2 * x + rng.normal(0, 3, 20)
    fitted = sm.OLS(y, sm.add_constant(x)).fit()
    at = np.linspace(-5, 10, 7)
    oracle = fitted.get_prediction(sm.add_constant(at)).summary_frame(alpha=0.05)
    line = fit_line(np.append(x, NAN), np.append(y, 1.0))
    band = line.band(at)
    assert [line.intercept, line.slope] == pytest.approx(fitted.params)
    assert line.residual_sd**2 == pytest.approx(fitted.mse_resid)
    assert np.allclose(band.y, oracle["mean"])
    assert np.allclose(band.lo, oracle["mean_ci_lower"])
    assert np.allclose(band.hi, oracle["mean_ci_upper"])
    assert (line.n, line.n_nan) == (20, 1)


def test_two_points_have_a_line_and_no_band() -> None:
    line = fit_line(np.array([0.0, 2.0]), np.array([1.0, 5.0]))
    assert (line.slope, line.intercept) == (2, 1)
    assert np.isnan(line.band(np.array([1.0])).lo).all()


def test_a_constant_predictor_has_no_line() -> None:
    assert np.isnan(fit_line(np.full(6, 0.1), np.arange(6.0)).slope)


def test_an_empty_sample_has_no_line() -> None:
    assert fit_line(np.array([NAN]), np.array([1.0])).n == 0


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_fewer_than_six_pairs_have_an_exact_p_and_no_interval(correlation: Measure) -> None:
    x, y = np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 7])
    found = correlation(x, y)
    oracle = scipy.stats.pearsonr(scipy.stats.rankdata(x), scipy.stats.rankdata(y)).statistic if found.value == 1 else 0
    assert oracle in (0, pytest.approx(1))
    assert np.isnan([found.lo, found.hi]).all()
    assert found.p == pytest.approx(2 / 24)


def test_exact_p_is_that_of_all_orders() -> None:
    x, y = np.array([0.3, 1.1, 2.0, 2.2, 5.0]), np.array([2.0, 1.5, 3.0, 9.0, 4.0])
    every = [abs(np.corrcoef(x, np.array(order))[0, 1]) for order in itertools.permutations(y)]
    assert pearson(x, y).p == pytest.approx(np.mean([one >= abs(np.corrcoef(x, y)[0, 1]) - 1e-12 for one in every]))


@given(arrays(np.float64, st.integers(3, 200), elements=st.integers(-20, 20).map(float)))
def test_p_is_never_0(x: np.ndarray) -> None:
    assume(np.ptp(x) > 0)
    for y in (x, x**3):
        for found in (pearson(x, y), spearman(x, y)):
            assert 0 < found.p <= 1
