"""Online ratings against trueskill, and where nothing is better than anything."""

from __future__ import annotations

import numpy as np
import trueskill

from inoc.stats.rankings.online import online_ratings
from support.rankings import ranked


def by_trueskill(rankings: np.ndarray, n_items: int) -> np.ndarray:
    model = trueskill.TrueSkill(draw_probability=0.1)
    ratings = [model.create_rating() for _ in range(n_items)]
    for ranking in rankings.tolist():
        for item, (after,) in zip(ranking, model.rate([(ratings[item],) for item in ranking]), strict=True):
            ratings[item] = after
    return np.array([one.mu for one in ratings])


def test_ratings_are_about_those_of_trueskill():
    one = ranked(40, appearances=20)
    found = online_ratings(one.rankings, 40, resamples=2)
    assert np.corrcoef(found.mu, by_trueskill(one.rankings, 40))[0, 1] > 0.97
    assert np.corrcoef(found.mu, one.mu)[0, 1] > 0.9


def test_the_same_seed_gives_the_same_and_groups_are_drawn_whole():
    one = ranked(10, appearances=6, repeats=3, alike=True)
    found = online_ratings(one.rankings, 10, one.groups, resamples=20, seed=3)
    again = online_ratings(one.rankings, 10, one.groups, resamples=20, seed=3)
    np.testing.assert_array_equal(found.lo, again.lo)
    apart = online_ratings(one.rankings, 10, resamples=20, seed=3)
    assert np.mean(found.hi - found.lo) > 1.2 * np.mean(apart.hi - apart.lo)


def test_equal_items_are_rarely_found_to_differ():
    inside = []
    for seed in range(40):
        one = ranked(20, appearances=10, spread=0.0, seed=seed)
        found = online_ratings(one.rankings, 20, seed=seed)
        inside.append(np.mean((found.lo <= 25) & (found.hi >= 25)))
    assert 0.92 <= np.mean(inside) <= 0.97
