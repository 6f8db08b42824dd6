"""Intervals from the scatter of pairs: what they hold, against brute force, and where nothing is to be found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import pinv, sqrtm
from scipy.special import expit, logit
from scipy.stats import t as student_t

from inoc.stats.utilities.fit import Fit, Settings, fit
from inoc.stats.utilities.intervals import information_intervals
from inoc.stats.utilities.pairs import pair_intervals
from support.comparisons import Probable, probable, shared_out

CASE_V = Settings("case_v")


def share_inside(n: int, how: Settings, **planted) -> tuple[float, float]:
    """Shares of the intervals that hold what many pairs tend to: of the utilities, and of the position term."""
    inside, positions = [], []
    for seed in range(n):
        one = probable(seed=seed, logistic=how.model == "bradley_terry", **planted)
        truth, bounds = fit(one.expected, how), pair_intervals(fit(one.outcomes, how))
        shown = ~np.isnan(bounds.lo)
        inside.append(((bounds.lo <= truth.mu) & (truth.mu <= bounds.hi))[shown])
        positions.append(bounds.position_lo <= truth.position <= bounds.position_hi)
    return float(np.mean(np.concatenate(inside))), float(np.mean(positions))


def test_intervals_hold_what_many_pairs_tend_to():
    utilities, positions = share_inside(100, CASE_V, n_items=20, degree=6)
    assert 0.93 <= utilities <= 0.97
    assert 0.88 <= positions <= 0.995  # 100 data sets: 0.95 within 3 standard errors


@pytest.mark.long
@pytest.mark.parametrize(
    ("how", "planted"),
    [
        (CASE_V, {"degree": 6}),
        (CASE_V, {"degree": 3}),
        (CASE_V, {"degree": 4}),
        (CASE_V, {"degree": 6, "pair": 1.0, "order": 0.5}),
        (CASE_V, {"degree": 6, "pair": 0.1, "order": 0.3}),
        (CASE_V, {"degree": 6, "unequal": "item"}),
        (CASE_V, {"degree": 6, "unequal": "pair"}),
        (CASE_V, {"degree": 6, "spread": 2.0}),
        (CASE_V, {"n_items": 42, "degree": 11}),
        (Settings("bradley_terry"), {"degree": 6}),
        (Settings(starts=1), {"degree": 6}),
        (Settings(starts=1), {"n_items": 42, "degree": 11}),
    ],
)
def test_intervals_hold_what_many_pairs_tend_to_in_every_design(how, planted):
    """200 data sets; the share of utilities is known to about 0.5 points, that of the position terms to 1.6."""
    utilities, positions = share_inside(200, how, **{"n_items": 20, **planted})
    print(f"{how.model} {planted}: {100 * utilities:.1f} % of utilities, {100 * positions:.1f} % of positions")
    assert 0.93 <= utilities <= 0.97
    assert 0.89 <= positions <= 0.995


def test_a_position_term_is_rarely_found_where_there_is_none():
    found = []
    for seed in range(600):
        bounds = pair_intervals(fit(probable(20, 6, position=0.0, seed=seed).outcomes, CASE_V))
        found.append(not bounds.position_lo <= 0 <= bounds.position_hi)
    assert 0.03 <= np.mean(found) <= 0.07


def brute_force(one: Probable, found: Fit) -> np.ndarray:
    """Half widths of the utilities by matrices of questions × parameters, for Bradley and Terry's model."""
    n, pairs = len(one.mu), one.pairs
    first, second = np.concatenate([pairs[:, 0], pairs[:, 1]]), np.concatenate([pairs[:, 1], pairs[:, 0]])
    moves = np.zeros((first.size, n + 1))
    moves[np.arange(first.size), first], moves[np.arange(first.size), second], moves[:, n] = 1, -1, 1
    p = expit(moves @ found.at)
    root = np.sqrt(p * (1 - p))
    inputs, residual = moves * root[:, None], (one.p_first - p) / root
    ridge = 2e-3 * np.diag([1.0] * n + [0.0])
    basis = np.linalg.svd(np.eye(n + 1) - _mean_of(n))[0][:, :n]  # all directions but that of the mean utility
    inverse = basis @ np.linalg.inv(basis.T @ (inputs.T @ inputs + ridge) @ basis) @ basis.T
    left = np.eye(first.size) - inputs @ inverse @ inputs.T
    clusters = [np.array([at, at + len(pairs)]) for at in range(len(pairs))]
    widened = np.zeros_like(left)
    for own in clusters:
        widened[np.ix_(own, own)] = pinv(sqrtm(left[np.ix_(own, own)]).real)
    weights = widened @ inputs @ inverse
    halves = []
    for item in range(n):
        parts = np.zeros((first.size, len(clusters)))
        for number, own in enumerate(clusters):
            parts[own, number] = weights[own, item]
        shared = parts.T @ left @ parts
        degrees = np.trace(shared) ** 2 / np.square(shared).sum()
        halves.append(student_t.ppf(0.975, degrees) * np.linalg.norm(parts.T @ residual))
    return np.array(halves)


def _mean_of(n: int) -> np.ndarray:
    mean = np.append(np.full(n, n**-0.5), 0.0)
    return np.outer(mean, mean)


def test_they_are_those_of_brute_force():
    one = probable(12, 4, logistic=True, seed=3)
    found = fit(one.outcomes, Settings("bradley_terry"))
    bounds = pair_intervals(found)
    np.testing.assert_allclose((bounds.hi - bounds.lo) / 2, brute_force(one, found), rtol=1e-3)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_the_order_of_items_does_not_matter(seed):
    one, names = probable(10, 4, seed=seed), np.random.default_rng(seed).permutation(10)
    first = names[np.concatenate([one.pairs[:, 0], one.pairs[:, 1]])]
    second = names[np.concatenate([one.pairs[:, 1], one.pairs[:, 0]])]
    again = pair_intervals(fit(shared_out(10, first, second, one.p_first), CASE_V))
    found = pair_intervals(fit(one.outcomes, CASE_V))
    np.testing.assert_allclose(again.hi[names], found.hi, rtol=1e-4)
    np.testing.assert_allclose(again.position_hi, found.position_hi, rtol=1e-4)


def test_probabilities_that_follow_the_model_leave_no_doubt_and_drawn_ones_much():
    one = probable(12, 4, pair=0.0, order=0.0)
    found = fit(one.outcomes, CASE_V)
    bounds, drawn = pair_intervals(found), information_intervals(found)
    assert np.max(bounds.hi - bounds.lo) < 0.02
    assert np.min(drawn.hi - drawn.lo) > 1


def test_asking_a_pair_again_tells_nothing_new():
    one = probable(12, 4)
    once = pair_intervals(fit(one.outcomes, CASE_V))
    tenfold = pair_intervals(fit(one.outcomes.weighted(one.outcomes.weight * 10), CASE_V))
    np.testing.assert_allclose(tenfold.hi - tenfold.lo, once.hi - once.lo, rtol=0.03)


def test_an_item_of_a_single_pair_has_no_interval():
    one = probable(12, 4)
    first = np.append(np.concatenate([one.pairs[:, 0], one.pairs[:, 1]]), [0, 12])
    second = np.append(np.concatenate([one.pairs[:, 1], one.pairs[:, 0]]), [12, 0])
    bounds = pair_intervals(fit(shared_out(13, first, second, np.append(one.p_first, [0.7, 0.4])), CASE_V))
    assert np.isnan(bounds.lo[12])
    assert np.isfinite(bounds.lo[1:12]).all()


def test_many_pairs_have_about_the_degrees_of_freedom_of_all(monkeypatch):
    found = fit(probable(20, 6).outcomes, CASE_V)
    exact = pair_intervals(found)
    monkeypatch.setattr("inoc.stats.utilities.pairs.FEW", 0)
    own = pair_intervals(found)
    np.testing.assert_allclose(own.hi - own.lo, exact.hi - exact.lo, rtol=0.05)


def test_larger_fits_than_can_be_inverted_have_no_intervals(monkeypatch):
    monkeypatch.setattr("inoc.stats.utilities.pairs.LARGEST_DENSE", 5)
    bounds = pair_intervals(fit(probable(12, 4).outcomes, CASE_V))
    assert np.isnan(bounds.lo).all()
    assert np.isnan(bounds.position_lo)


def test_certain_answers_are_finite():
    one = probable(12, 4, spread=4.0)
    p = expit(3 * logit(np.clip(one.p_first, 1e-9, 1 - 1e-9)))
    first, second = (
        np.concatenate([one.pairs[:, 0], one.pairs[:, 1]]),
        np.concatenate([one.pairs[:, 1], one.pairs[:, 0]]),
    )
    bounds = pair_intervals(fit(shared_out(12, first, second, p), CASE_V))
    assert not np.isinf(bounds.hi).any()
