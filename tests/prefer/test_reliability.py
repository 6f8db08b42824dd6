"""The agreement of halves, and how often its interval holds what it estimates."""

from __future__ import annotations

import numpy as np
import pytest

from inoc.prefer.comparisons import Comparisons
from inoc.prefer.reliability import split_halves
from inoc.stats.utilities.fit import Settings
from support.comparisons import planted


def halves(
    seed: int, spread: float = 1.0, n_items: int = 30, n_pairs: int = 300, repeats: int = 1
) -> dict[str, tuple[float, float, float]]:
    one = planted(n_items, n_pairs, repeats, seed=seed)
    result = one.result
    if not spread:  # no item is better than another
        result = np.where(np.random.default_rng(seed).random(result.size) < 0.5, 1, -1)
    ones = np.ones(result.size)
    found = Comparisons([str(number) for number in range(n_items)], one.first, one.second, result, ones, ones)
    how = Settings("case_v", penalty=0.05)
    return {row.statistic: (row.value, row.lo, row.hi) for row in split_halves(found, how)}


@pytest.mark.parametrize(("n_items", "n_pairs", "repeats"), [(42, 400, 2), (42, 126, 2), (30, 300, 2)])
def test_intervals_of_halves_hold_the_mean_of_many_data_sets(n_items, n_pairs, repeats):
    """Of 300 data sets, the share has a standard error of 1.3 points."""
    found = [halves(seed, n_items=n_items, n_pairs=n_pairs, repeats=repeats) for seed in range(300)]
    for statistic in ("split_pairs", "split_samples"):
        table = np.array([one[statistic] for one in found])
        truth = np.tanh(np.arctanh(table[:, 0]).mean())
        inside = (table[:, 1] <= truth) & (truth <= table[:, 2])
        assert 0.93 <= inside.mean() <= 0.975, statistic


def test_halves_of_noise_do_not_agree():
    found = np.array([halves(seed, 0.0)["split_pairs"] for seed in range(150)])
    away = (found[:, 1] > 0) | (found[:, 2] < 0)
    assert abs(found[:, 0].mean()) < 0.05
    assert away.mean() <= 0.1


def test_halves_that_say_the_opposite_have_no_reliability_of_the_whole():
    """Spearman and Brown's formula has no value at r = -1, and there was an error of division."""
    ones = np.ones(4)
    first, second = np.array([0, 1, 0, 1]), np.array([1, 2, 1, 2])
    found = Comparisons(["a", "b", "c"], first, second, np.array([1, 1, -1, -1]), ones, ones)
    rows = {row.statistic: row for row in split_halves(found, Settings("case_v", positioned=False))}
    assert rows["split_samples"].value == pytest.approx(-1)
    assert np.isnan(rows["split_samples_full"].value)


def test_halves_of_samples_are_of_questions_where_answers_are_shares():
    """Either share of an exact answer went to a half of its own, so that halves said the opposite of each other."""
    one = planted(12, 200, repeats=2)
    question = np.repeat(np.arange(one.first.size), 2)
    share = np.where(one.result > 0, 0.9, 0.1)
    weight = np.column_stack([share, 1 - share]).ravel()
    result = np.tile([1, -1], one.first.size)
    found = Comparisons(
        [str(number) for number in range(12)], one.first[question], one.second[question], result,
        np.ones(result.size), weight, question=question,
    )  # fmt: skip
    rows = {row.statistic: row.value for row in split_halves(found, Settings("case_v"))}
    assert rows["split_samples"] > 0.5
