from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from inoc.stats.two_directions import _bounds, held_out, split_half_of_two


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def rows(rng, n, shift):
    return rng.standard_normal((n, 30)) + shift * np.eye(30)[0] + 50.0  # a mean far from 0, as activations have


def test_a_planted_direction_is_found_in_both_halves_and_tells_new_rows_apart(rng):
    first, second = rows(rng, 60, 3.0), rows(rng, 31, 0.0)
    halves = split_half_of_two(first, second, 50, 0)
    assert halves.cosine > 0.7
    assert halves.lo < halves.cosine < halves.hi
    names = [f"t{at}" for at in range(91)]
    apart = held_out(first, second, (names[:60], names[60:]), 0)
    assert apart.auc > 0.9
    assert apart.lo < apart.auc <= apart.hi
    assert apart.p == pytest.approx(1 / 200)
    assert apart.n == 91


def test_nothing_is_found_between_groups_that_do_not_differ(rng):
    names = [f"t{at}" for at in range(40)]
    found = [held_out(rows(rng, 20, 0.0), rows(rng, 20, 0.0), (names[:20], names[20:]), k).auc for k in range(40)]
    assert abs(np.mean(found) - 0.5) < 0.06
    cosines = [split_half_of_two(rows(rng, 20, 0.0), rows(rng, 20, 0.0), 20, k).cosine for k in range(20)]
    assert abs(np.mean(cosines)) < 0.1


def test_a_row_of_a_group_is_never_judged_by_a_direction_that_saw_the_group(rng):
    """Every task has a direction of its own: what a fold learns says nothing about the next."""
    own = 30 * rng.standard_normal((20, 200))
    names = [f"t{at}" for at in range(20)]
    leaking = held_out(np.repeat(own, 2, 0), np.repeat(-own, 2, 0), ([f"u{k}" for k in range(40)],) * 2, 0)
    apart = held_out(np.repeat(own, 2, 0), np.repeat(-own, 2, 0), (np.repeat(names, 2).tolist(),) * 2, 0)
    assert leaking.auc > 0.9 > apart.auc


def test_a_direction_of_too_few_rows_is_not_known(rng):
    assert np.isnan(split_half_of_two(rows(rng, 3, 1.0), rows(rng, 9, 0.0), 10, 0).cosine)
    assert np.isnan(held_out(rows(rng, 1, 1.0), rows(rng, 9, 0.0), (["a"], list("bcdefghij")), 0).auc)


def test_a_row_without_the_read_out_is_left_out(rng):
    first, second = rows(rng, 20, 3.0), rows(rng, 20, 0.0)
    names = [f"t{at}" for at in range(20)]
    whole = held_out(first[1:], second, (names[1:], names), 0)
    first[0, 3] = np.nan
    assert held_out(first, second, (names, names), 0).auc == pytest.approx(whole.auc)


def of_studies(n: int, *, paired: bool, seed: int):
    """Both sides of a study whose sides do not differ, with the groups of their rows."""
    rng = np.random.default_rng([paired, n, seed])
    if paired:
        task = rng.standard_normal((n, 30))
        names = [f"t{at}" for at in range(n)]
        return *(task + rng.standard_normal((n, 30)) for _ in range(2)), (names, names)
    k = n // 3
    sides = rng.standard_normal((k, 30)), rng.standard_normal((n - k, 30))
    return *sides, ([f"a{at}" for at in range(k)], [f"b{at}" for at in range(n - k)])


@pytest.mark.parametrize("paired", [True, False])
def test_sides_that_do_not_differ_are_told_apart_in_5_percent_of_600_studies(paired):
    """Concepts, whose tasks have both sides, and refusal, of which a task has one."""
    positive = 0
    for seed in range(600):
        first, second, names = of_studies(48, paired=paired, seed=seed)
        positive += held_out(first, second, names, seed, shuffles=19).p <= 0.05
    assert 18 <= positive <= 42, positive


def test_the_area_and_its_interval_are_those_of_all_pairs_of_rows(rng):
    """Brute force: DeLong's variance over groups, each with its rows of both sides."""
    names = [[f"t{at % 9}" for at in range(n)] for n in (20, 14)]
    scores, high = rng.standard_normal(34), np.arange(34) < 20
    groups = np.unique([*names[0], *names[1]], return_inverse=True)[1]
    above = (scores[high][:, None] > scores[~high]) + 0.5 * (scores[high][:, None] == scores[~high])
    moved = dict.fromkeys(range(9), 0.0)
    for at, one in enumerate(groups[high]):
        moved[one] += (above[at].mean() - above.mean()) / 20
    for at, one in enumerate(groups[~high]):
        moved[one] += (above[:, at].mean() - above.mean()) / 14
    se = np.sqrt(9 / 8 * sum(value**2 for value in moved.values()))
    lo, hi = _bounds(scores, high, groups, 0.95)
    assert (lo + hi) / 2 == pytest.approx(above.mean())
    assert (hi - lo) / 2 == pytest.approx(stats.t.ppf(0.975, 8) * se)


def test_the_interval_covers_the_area_of_a_given_direction():
    hits = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        own = rng.standard_normal(40)
        scores = np.concatenate([own + rng.standard_normal(40) + 1.0, own + rng.standard_normal(40)])
        groups = np.tile(np.arange(40), 2)
        lo, hi = _bounds(scores, np.arange(80) < 40, groups, 0.95)
        hits.append(lo <= stats.norm.cdf(1.0 / 2.0) <= hi)  # of rows of two tasks, as nearly all pairs of rows are
    assert 0.91 <= np.mean(hits) <= 0.985
