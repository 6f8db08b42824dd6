"""Shares of the order against brute force, and how often their intervals hold what they estimate."""

from __future__ import annotations

import numpy as np
import pytest

from inoc.prefer.comparisons import Comparisons
from inoc.prefer.order import Statistic, order_statistics


def statistics(seed: int, repeats: int = 1, position: float = 0.4, *, exact: bool = False) -> dict[str, Statistic]:
    """Of random pairs of 20 items, always the same ones, each pair in both orders."""
    rng, mu = np.random.default_rng([seed, repeats]), np.random.default_rng(0).normal(size=20)
    a = np.repeat(rng.integers(0, 20, 150), repeats)
    b = (a + np.repeat(rng.integers(1, 20, 150), repeats)) % 20
    first, second = np.concatenate([a, b]), np.concatenate([b, a])
    x = (mu[first] - mu[second] + position) / np.sqrt(2)
    drawn = rng.normal(size=x.size) < x
    result, weight, question = np.where(drawn, 1, -1), np.ones(x.size), None
    if exact:
        share = 1 / (1 + np.exp(-1.7 * x))
        question = np.repeat(np.arange(x.size), 2)
        first, second, result = first[question], second[question], np.tile([1, -1], x.size)
        weight = np.column_stack([share, 1 - share]).ravel()
    names = [str(number) for number in range(20)]
    found = Comparisons(names, first, second, result, np.ones(result.size), weight, question=question)
    return {row.statistic: row for row in order_statistics(found)}


def test_shares_of_exact_answers_are_not_rounded():
    """A share of 0.4 of an answer counted as none of it."""
    names, weight = ["a", "b"], np.array([0.6, 0.4, 0.7, 0.3])
    found = Comparisons(
        names, np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), np.array([1, -1, 1, -1]), np.ones(4), weight
    )
    rows = {row.statistic: row for row in order_statistics(found)}
    assert rows["first_chosen"].value == pytest.approx(0.65)
    assert rows["first_chosen"].n == 2
    assert "a_by_order" not in rows  # item a was always shown first


@pytest.mark.parametrize("repeats", [1, 4])
def test_intervals_hold_the_mean_of_many_data_sets(repeats):
    """Of 600 data sets, a share has a standard error of 0.9 points. Repeats of a question are not independent."""
    found = [statistics(seed, repeats) for seed in range(600)]
    for name in ("first_chosen", "position_effect", "position_exceeds_content"):
        assert 0.93 <= inside(found, name) <= 0.97, name


def test_exact_answers_leave_only_the_choice_of_pairs():
    """Nearly every pair of the 20 items is among those that were drawn, so the interval errs to the wide side."""
    found = [statistics(seed, exact=True) for seed in range(200)]
    assert inside(found, "first_chosen") >= 0.95


def inside(found: list[dict[str, Statistic]], name: str) -> float:
    table = np.array([one[name][1:4] for one in found])
    truth = table[:, 0].mean()
    return float(np.mean((table[:, 1] <= truth) & (truth <= table[:, 2])))


def test_no_effect_is_rarely_found_where_there_is_none():
    found = [statistics(seed, position=0.0) for seed in range(400)]
    for name, null in (("first_chosen", 0.5), ("position_effect", 0.0)):
        assert 0.03 <= np.mean([not one[name].lo <= null <= one[name].hi for one in found]) <= 0.07
