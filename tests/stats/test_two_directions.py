from __future__ import annotations

import numpy as np
import pytest

from inoc.stats.two_directions import held_out, split_half_of_two


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
