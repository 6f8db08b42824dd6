"""The agreement of halves, and how often its interval holds what it estimates."""

from __future__ import annotations

import numpy as np

from inoc.prefer.comparisons import Comparisons
from inoc.prefer.reliability import split_halves
from inoc.stats.utilities.fit import Settings
from support.comparisons import planted


def halves(seed: int, spread: float = 1.0) -> dict[str, tuple[float, float, float]]:
    one = planted(30, 300, seed=seed)
    result = one.result
    if not spread:  # no item is better than another
        result = np.where(np.random.default_rng(seed).random(result.size) < 0.5, 1, -1)
    ones = np.ones(result.size)
    found = Comparisons([str(number) for number in range(30)], one.first, one.second, result, ones, ones)
    how = Settings("case_v", penalty=0.05)
    return {row.statistic: (row.value, row.lo, row.hi) for row in split_halves(found, how)}


def test_intervals_of_halves_of_pairs_hold_the_mean_of_many_data_sets():
    found = np.array([halves(seed)["split_pairs"] for seed in range(150)])
    truth = np.tanh(np.arctanh(found[:, 0]).mean())
    assert 0.91 <= np.mean((found[:, 1] <= truth) & (truth <= found[:, 2])) <= 0.99  # 150 data sets


def test_halves_of_noise_do_not_agree():
    found = np.array([halves(seed, 0.0)["split_pairs"] for seed in range(150)])
    away = (found[:, 1] > 0) | (found[:, 2] < 0)
    assert abs(found[:, 0].mean()) < 0.05
    assert away.mean() <= 0.1
