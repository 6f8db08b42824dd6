"""Plackett and Luce's model against choix, laws and what was planted."""

from __future__ import annotations

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.errors import DataError
from inoc.stats.rankings.plackett_luce import plackett_luce
from inoc.stats.utilities.fit import Settings, fit
from support.comparisons import planted
from support.rankings import ranked


def test_it_is_that_of_choix():
    one = ranked(20, appearances=10)
    expected = choix.opt_rankings(20, one.rankings.tolist(), alpha=1e-3)
    found = plackett_luce(one.rankings, 20)
    assert found.converged
    np.testing.assert_allclose(found.mu, expected - expected.mean(), atol=1e-6)


def test_of_two_items_it_is_bradley_and_terrys():
    one = planted(8, 200)
    winner = np.where(one.result > 0, one.first, one.second)
    loser = np.where(one.result > 0, one.second, one.first)
    found = plackett_luce(np.column_stack([winner, loser]), 8)
    expected = fit(one.outcomes, Settings("bradley_terry", positioned=False))
    np.testing.assert_allclose(found.mu, expected.mu, atol=1e-6)
    assert found.loss == pytest.approx(expected.loss)
    assert found.null_loss == pytest.approx(200 * np.log(2))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_the_order_of_items_and_rankings_does_not_matter(seed):
    one, rng = ranked(10, appearances=6, seed=seed), np.random.default_rng(seed)
    names = rng.permutation(10)
    again = plackett_luce(names[one.rankings][rng.permutation(len(one.rankings))], 10)
    found = plackett_luce(one.rankings, 10)
    np.testing.assert_allclose(again.mu[names], found.mu, atol=1e-6)
    np.testing.assert_allclose(again.hi[names], found.hi, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "appearances", "repeats", "alike"),
    [(5, 12, 1, False), (5, 12, 3, False), (5, 12, 3, True), (3, 6, 1, False), (3, 6, 4, False), (3, 6, 4, True)],
)
def test_intervals_hold_what_was_planted(size, appearances, repeats, alike):
    """Of 200 data sets of 20 items, the share has a standard error of 0.4 to 0.5 points."""
    inside = []
    for seed in range(200):
        one = ranked(20, size, appearances, repeats, alike=alike, seed=seed)
        found = plackett_luce(one.rankings, 20, one.groups)
        inside.append(np.mean((found.lo <= one.mu) & (one.mu <= found.hi)))
    assert 0.93 <= np.mean(inside) <= 0.97


def test_repeats_that_say_the_same_are_not_taken_for_more():
    one = ranked(20, appearances=12, repeats=3, alike=True)
    apart, together = plackett_luce(one.rankings, 20), plackett_luce(one.rankings, 20, one.groups)
    assert np.mean(together.hi - together.lo) > 1.4 * np.mean(apart.hi - apart.lo)


def test_nothing_to_fit_and_nonsense_are_refused():
    with pytest.raises(DataError, match="two items or more"):
        plackett_luce(np.zeros((0, 3), dtype=int), 3)
    with pytest.raises(DataError, match="ranking 2 ranks an item twice"):
        plackett_luce(np.array([[0, 1, 2], [1, 1, 0]]), 3)
    assert np.isnan(plackett_luce(np.array([[0, 1]]), 3).lo[2])  # in no ranking
