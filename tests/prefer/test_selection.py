"""The choice of the next pairs, and when it ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.errors import DataError
from inoc.prefer.comparisons import REFUSED, Comparisons
from inoc.prefer.graph import all_pairs, regular_pairs
from inoc.prefer.rules import by_information, by_percentile, near_pairs, unmeasured
from inoc.prefer.selection import Choice, Selection, choose, first_pairs
from inoc.stats.utilities.fit import Settings, fit
from inoc.stats.utilities.outcomes import component_of, tally

N = 24
HOW = Settings("case_v")


def answers(pairs: np.ndarray, mu: np.ndarray, seed: int, refused: float = 0.0) -> Comparisons:
    """Both orders of every pair, answered by Case V; the answer to a pair depends on the pair and the seed alone."""
    rows = []
    for low, high in pairs.tolist():
        rng = np.random.default_rng([seed, low, high])
        for a, b in ((low, high), (high, low)):
            won = rng.normal() * 2**0.5 < mu[a] - mu[b]
            rows.append((a, b, REFUSED if rng.random() < refused else 1 if won else -1))
    table = np.array(rows)
    ones = np.ones(len(rows))
    return Comparisons([str(one) for one in range(len(mu))], table[:, 0], table[:, 1], table[:, 2], ones, ones)


def run(selection: Selection, mu: np.ndarray, seed: int = 0, refused: float = 0.0) -> tuple[list, list[Choice]]:
    asked = [first_pairs(len(mu), selection)]
    steps: list[Choice] = []
    while not steps or not steps[-1].row.stop:
        found = answers(np.concatenate(asked), mu, seed, refused)
        steps.append(choose(found, list(asked), selection, HOW, steps[-1].mu if steps else None))
        if len(steps[-1].pairs):
            asked.append(steps[-1].pairs)
    return asked, steps


def planted_mu(n: int = N) -> np.ndarray:
    return np.random.default_rng(7).normal(0, 1.2, n)


@given(n=st.integers(2, 60), degree=st.integers(1, 9), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_the_first_graph_is_regular_linked_and_reproducible(n, degree, seed):
    pairs = regular_pairs(n, degree, seed)
    np.testing.assert_array_equal(pairs, regular_pairs(n, degree, seed))
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    counts = np.bincount(pairs.ravel(), minlength=n)
    wanted = min(degree, n - 1)
    assert counts.min() >= wanted
    assert counts.sum() <= wanted * n + max(2, n // 4)
    if wanted >= 2:
        ones = np.ones(len(pairs))
        assert component_of(tally(n, pairs[:, 0], pairs[:, 1], ones.astype(int), ones, ordered=False)).max() == 0


def test_a_large_first_graph_is_exactly_regular():
    assert set(np.bincount(regular_pairs(500, 5, 0).ravel())) == {5}
    assert len(regular_pairs(500, 5, 0)) == 1250
    assert len(set(map(tuple, regular_pairs(500, 5, 1))) & set(map(tuple, regular_pairs(500, 5, 0)))) < 60
    with pytest.raises(DataError, match="make no pairs"):
        regular_pairs(1, 3, 0)


@pytest.mark.parametrize("rule", ["information", "percentile"])
def test_no_pair_is_asked_twice_and_a_second_run_asks_the_same(rule):
    selection = Selection(rule=rule, degree=3, batch=20, max_rounds=5, reliability=0.999)
    asked, steps = run(selection, planted_mu())
    every = np.concatenate(asked)
    assert len(np.unique(every, axis=0)) == len(every)
    assert [len(one) for one in asked[1:]] == [20] * 4
    again, rows = run(selection, planted_mu())
    np.testing.assert_array_equal(np.concatenate(again), every)
    assert [one.row for one in rows][-1] == steps[-1].row
    assert steps[-1].row.stop == "rounds"


def test_a_resumed_selection_goes_on_as_it_would_have():
    selection = Selection(degree=3, batch=15, max_rounds=6, reliability=0.999)
    asked, steps = run(selection, planted_mu())
    found = answers(np.concatenate(asked[:3]), planted_mu(), 0)
    again = choose(found, list(asked[:3]), selection, HOW, steps[1].mu)
    np.testing.assert_array_equal(again.pairs, asked[3])
    shuffled = found.taken(np.random.default_rng(0).permutation(found.a.size))  # answers may come in any order
    other = choose(shuffled, list(asked[:3]), selection, HOW, steps[1].mu)
    np.testing.assert_array_equal(other.pairs, asked[3])


def test_it_ends_at_the_reliability_of_halves_and_not_of_nested_fits():
    noise = np.zeros(N)  # no item is better than another, so no number of pairs makes a ranking reliable
    selection = Selection(degree=4, batch=30, max_rounds=8, reliability=0.8)
    _, steps = run(selection, noise)
    assert steps[-1].row.rank_correlation > 0.8
    assert steps[-1].row.stop in ("rounds", "pairs")
    _, steps = run(selection, planted_mu() * 3)
    assert steps[-1].row.stop == "reliability"
    assert steps[-1].row.reliability >= 0.8
    assert len(steps) < 8


def test_it_ends_at_a_width_of_intervals_and_when_every_pair_was_asked():
    asked, steps = run(Selection(degree=4, batch=40, target="width", width=1.9), planted_mu())
    assert steps[-1].row.stop == "width"
    assert steps[-1].row.mean_width <= 1.9 < steps[0].row.mean_width
    asked, steps = run(Selection(degree=2, batch=30, reliability=1.0), planted_mu(8))
    assert steps[-1].row.stop == "pairs"
    assert len(np.concatenate(asked)) == 28


def test_refused_pairs_are_not_asked_again_and_nothing_answered_ends_it():
    selection = Selection(degree=3, batch=20, max_rounds=4, reliability=1.0)
    asked, _ = run(selection, planted_mu(), refused=0.3)
    every = np.concatenate(asked)
    assert len(np.unique(every, axis=0)) == len(every)
    _, steps = run(selection, planted_mu(), refused=1.0)
    assert steps[0].row.stop == "pairs"
    assert steps[0].row.n_comparisons == 0
    with pytest.raises(DataError, match="nothing was asked yet"):
        choose(answers(all_pairs(4), np.zeros(4), 0), [], selection, HOW)


def test_pairs_by_information_order_the_items_better_than_random_ones():
    missed: dict[str, list[float]] = {"information": [], "random": []}
    for seed in range(8):
        mu = np.random.default_rng(100 + seed).normal(0, 2, 40)
        for name, sizes in missed.items():
            rng = np.random.default_rng(seed)
            asked = regular_pairs(40, 4, seed)
            for _ in range(3):
                outcomes, left = answers(asked, mu, seed).outcomes(), unmeasured(40, asked, rng)
                picked = left[rng.permutation(len(left))[:40]]
                if name == "information":
                    picked = by_information(outcomes, left, 40, rng)
                asked = np.concatenate([asked, picked])
            found = fit(answers(asked, mu, seed).outcomes(), Settings("case_v", penalty=0.05))
            sizes.append(1 - np.corrcoef(found.mu, mu)[0, 1])
    assert np.mean(missed["information"]) < 0.8 * np.mean(missed["random"])


def test_components_are_joined_first_and_no_item_takes_the_whole_batch():
    apart = np.array([[0, 1], [1, 2], [0, 2], [3, 4], [4, 5], [3, 5]])
    outcomes = answers(apart, planted_mu(6), 0).outcomes()
    rng = np.random.default_rng(0)
    pairs = by_information(outcomes, unmeasured(6, apart, rng), 4, rng)
    assert ((pairs[:, 0] < 3) & (pairs[:, 1] >= 3)).all()
    assert np.bincount(pairs.ravel()).max() <= 3


def test_the_percentile_rule_allows_what_it_says_and_widens_when_it_must():
    mu, degree = planted_mu(), np.full(N, 3)
    left = all_pairs(N)
    near = near_pairs(mu, degree, left)
    apart = np.abs(mu[left[:, 0]] - mu[left[:, 1]])
    assert near.distance == np.percentile(apart, 30)
    assert len(near.pairs) == (apart <= near.distance).sum()
    rng = np.random.default_rng(0)
    assert len(by_percentile(mu, degree, left, 10, rng).pairs) == 10
    wide = by_percentile(mu, degree, left, 10_000, rng)
    assert len(wide.pairs) == len(left)
    assert wide.distance == apart.max()


def test_too_many_pairs_are_considered_in_part(monkeypatch):
    monkeypatch.setattr("inoc.prefer.rules.MOST_CANDIDATES", 50)
    measured = regular_pairs(N, 3, 0)
    left = unmeasured(N, measured, np.random.default_rng(0))
    assert 0 < len(left) <= 50
    assert not {tuple(one) for one in left} & {tuple(one) for one in measured}


def test_items_are_numbered_anew_over_a_list_of_all():
    found = answers(np.array([[0, 1]]), np.zeros(2), 0)
    over = found.over(["1", "x", "0"])
    assert over.a.tolist() == [2, 0]
    assert len(over.outcomes().without_ties().weight)
    with pytest.raises(DataError, match="none of the 1 items"):
        replace(found).over(["0"])
