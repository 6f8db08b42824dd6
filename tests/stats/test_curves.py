"""Curves through points: the truth comes back, libraries agree, and a bad cloud gets a line with the reason."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from inoc.stats.curves import (
    DIFFERENCE_ENDS,
    FEWEST,
    SUPPRESSION_ENDS,
    _best_shape,
    _draws,
    _finer,
    _lattice,
    linear_curve,
    logistic,
    logistic_curve,
)


def cloud(n: int = 40, noise: float = 6.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, n)
    return x, logistic(x, 1.5, -4.0, 10.0, 75.0) + rng.normal(0, noise, n)


@settings(max_examples=15, deadline=None)
@given(
    slope=st.floats(1, 4),
    turn=st.floats(-0.7, 0.7),
    low=st.floats(-15, 30),
    high=st.floats(50, 110),
    falling=st.booleans(),
    scale=st.floats(1e-3, 1e3),
)
def test_parameters_of_a_logistic_without_noise_come_back(
    slope: float, turn: float, low: float, high: float, falling: bool, scale: float
) -> None:
    z = np.linspace(-3, 3, 50)
    c, d = (high, low) if falling else (low, high)
    found = logistic_curve(z * scale, logistic(z, slope, -slope * turn, c, d), resamples=5)
    assert found.kind == "logistic"
    assert found.note == ""
    expected = {"a": slope / scale, "b": -slope * turn, "c": c, "d": d}
    assert found.parameters == pytest.approx(expected, rel=1e-3, abs=1e-2)
    assert found.r2 == pytest.approx(1)


def test_the_fit_is_that_of_curve_fit_from_the_truth() -> None:
    x, y = cloud()
    found = logistic_curve(x, y)
    bounds = ([0, -np.inf, SUPPRESSION_ENDS[0], SUPPRESSION_ENDS[0]], [np.inf, np.inf, *[SUPPRESSION_ENDS[1]] * 2])
    theirs, _ = curve_fit(logistic, x, y, [1.5, -4, 10, 75], bounds=bounds)
    assert list(found.parameters.values()) == pytest.approx(theirs, rel=1e-3)


def test_refits_of_resamples_are_as_good_as_descents() -> None:
    """The lattices are discrete, but a curve drawn from it is within a few per cent of the best in squared error."""
    x, y = cloud(30)
    z = (x - x.mean()) / x.std()
    a, b, c, d = logistic_curve(x, y, resamples=2).parameters.values()
    lattice = np.concatenate([_lattice(z), _finer(z, a * x.std(), b + a * x.mean())])
    weights = _draws(np.arange(30).astype(str), 25, 1)
    shapes = 1 / (1 + np.exp(-(lattice[:, :1] * z + lattice[:, 1:])))
    best = _best_shape(shapes, y, weights, SUPPRESSION_ENDS)
    for w, index, left, right in zip(weights, *best, strict=True):
        ours = (w * (y - left - (right - left) * shapes[index]) ** 2).sum()
        some = w > 0
        bounds = ([0, -np.inf, -20, -20], [np.inf, np.inf, 120, 120])
        theirs, _ = curve_fit(
            logistic, x[some], y[some], [a, b, c, d], sigma=w[some] ** -0.5, bounds=bounds, max_nfev=20_000
        )
        assert ours <= 1.03 * (w * (y - logistic(x, *theirs)) ** 2).sum()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), ends=st.sampled_from([(-1.0, 3.0), (0.0, 1.0), SUPPRESSION_ENDS]))
def test_bounded_ends_are_those_of_brute_force(seed: int, ends: tuple[float, float]) -> None:
    rng = np.random.default_rng(seed)
    shapes, y = rng.uniform(0, 1, (3, 12)), rng.normal(1, 2, 12)
    weights = rng.integers(0, 3, (2, 12)).astype(float) + 0.1
    best = _best_shape(shapes, y, weights, ends)
    grid = np.linspace(*ends, 81)
    left, right = (part.ravel() for part in np.meshgrid(grid, grid))
    for w, index, one, other in zip(weights, *best, strict=True):
        assert ends[0] <= one <= ends[1]
        assert ends[0] <= other <= ends[1]
        ours = (w * (y - one - (other - one) * shapes[index]) ** 2).sum()
        curves = left[:, None, None] * (1 - shapes) + right[:, None, None] * shapes
        assert ours <= (w * (y - curves) ** 2).sum(axis=-1).min() + 1e-9


def test_the_band_is_the_same_for_one_seed_and_covers_the_curve() -> None:
    x, y = cloud()
    first, again, other = (logistic_curve(x, y, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.band.lo, again.band.lo)
    assert not np.array_equal(first.band.lo, other.band.lo)
    assert ((first.band.lo <= first.band.y + 1.0) & (first.band.y <= first.band.hi + 1.0)).mean() > 0.95


def test_whole_groups_are_drawn() -> None:
    weights = _draws(np.array(["a", "b", "a", "c"]), 50, 0)
    assert np.array_equal(weights[:, 0], weights[:, 2])
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    x, y = cloud(20)
    twice = logistic_curve(np.tile(x, 2), np.tile(y, 2), [str(i) for i in range(20)] * 2)
    once = logistic_curve(x, y)
    assert twice.band.hi - twice.band.lo == pytest.approx(once.band.hi - once.band.lo)


def test_the_line_and_its_band_are_those_of_statsmodels() -> None:
    x, y = cloud(15)
    found = linear_curve(np.append(x, np.nan), np.append(y, 1.0))
    theirs = sm.OLS(y, sm.add_constant(x)).fit()
    assert [found.parameters["intercept"], found.parameters["slope"]] == pytest.approx(theirs.params)
    frame = theirs.get_prediction(sm.add_constant(found.x)).summary_frame(alpha=0.05)
    assert found.band.lo == pytest.approx(frame["mean_ci_lower"])
    assert found.band.hi == pytest.approx(frame["mean_ci_upper"])
    assert (found.r2, found.f, found.p) == pytest.approx((theirs.rsquared, theirs.fvalue, theirs.f_pvalue))
    assert (found.n, found.n_nan) == (15, 1)


def test_the_f_test_of_a_logistic_compares_it_with_the_mean() -> None:
    x, y = cloud(25)
    found = logistic_curve(x, y)
    sse = ((y - logistic(x, *found.parameters.values())) ** 2).sum()
    sst = ((y - y.mean()) ** 2).sum()
    assert found.r2 == pytest.approx(1 - sse / sst)
    assert found.f == pytest.approx(((sst - sse) / 3) / (sse / 21))


@pytest.mark.parametrize(
    ("x", "why"),
    [(np.arange(FEWEST - 1.0), "need 6 prompts, and there are 5"), (np.arange(12.0) % 3, "four different positions")],
)
def test_a_cloud_that_is_too_small_gets_a_line_and_says_why(x: np.ndarray, why: str) -> None:
    found = logistic_curve(x, x * 2 + 1)
    assert found.kind == "linear"
    assert why in found.note
    assert found.parameters["slope"] == pytest.approx(2)


def test_nothing_is_drawn_without_two_positions() -> None:
    found = logistic_curve(np.full(8, 2.0), np.arange(8.0))
    assert found.x.size == 0
    assert np.isnan(found.r2)
    assert found.note


def test_differences_may_be_negative() -> None:
    x = np.linspace(-3, 3, 30)
    y = logistic(x, 2, 0, -60, 40)
    assert logistic_curve(x, y).r2 < 0.99
    assert logistic_curve(x, y, ends=DIFFERENCE_ENDS).r2 == pytest.approx(1)
