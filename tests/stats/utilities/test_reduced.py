"""Fits with reduced bias: against the score equations by brute force, a closed form, and what was planted."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, ndtr

from inoc.stats.utilities.fit import Settings, fit
from inoc.stats.utilities.intervals import information_intervals
from inoc.stats.utilities.outcomes import Outcomes, tally
from inoc.stats.utilities.reduced import questions_of
from support.comparisons import planted

MODELS = ("case_v", "bradley_terry", "davidson")


def reduced(model: str, **others) -> Settings:
    return Settings(model, bias="reduced", **others)


def few_answers(seed: int, n_items: int = 42, degree: int = 6, answers: int = 1, spread: float = 1.7, **others):
    """Utilities, and answers to pairs of a regular graph in both orders that were drawn from Case V."""
    position, logistic = others.get("position", 0.6), others.get("logistic", False)
    rng = np.random.default_rng(seed)
    mu = rng.normal(0, spread, n_items)
    mu -= mu.mean()
    low, high = np.array(sorted(nx.random_regular_graph(degree, n_items, seed=seed).edges())).T
    first, second = np.concatenate([low, high]), np.concatenate([high, low])
    x = mu[first] - mu[second] + position
    won = rng.binomial(answers, expit(x) if logistic else ndtr(x / np.sqrt(2)))
    results, counts = np.repeat([1, -1], first.size), np.concatenate([won, answers - won])
    first, second = np.tile(first, 2)[counts > 0], np.tile(second, 2)[counts > 0]
    return mu, tally(n_items, first, second, results[counts > 0], counts[counts > 0].astype(float), ordered=True)


def with_ties(outcomes: Outcomes) -> Outcomes:
    """Every third outcome as a tie."""
    return replace(outcomes, tie=np.arange(outcomes.winner.size) % 3 == 0)


def log_probabilities(model: str, outcomes: Outcomes, theta: torch.Tensor) -> torch.Tensor:
    """ln p of each outcome, from the definition of the model."""
    n, order = outcomes.n_items, torch.tensor(outcomes.order)
    x = theta[torch.tensor(outcomes.winner)] - theta[torch.tensor(outcomes.loser)] + theta[n] * order
    if model == "case_v":
        return torch.special.log_ndtr(x / 2**0.5)
    if model == "bradley_terry":
        return torch.nn.functional.logsigmoid(x)
    terms = torch.stack([x / 2, -x / 2, theta[n + 1].expand_as(x)])
    return torch.where(torch.tensor(outcomes.tie), terms[2], terms[0]) - torch.logsumexp(terms, 0)


@pytest.mark.parametrize("model", MODELS)
def test_the_adjusted_score_equations_hold(model):
    """The score and half the trace of I⁻¹(P + Q), as Kosmidis and Firth (2009) define them, by enumerating answers."""
    _, outcomes = few_answers(3, n_items=8, degree=3)
    given_ = with_ties(outcomes) if model == "davidson" else outcomes
    found = fit(given_, reduced(model))
    every = questions_of(given_, tied=model == "davidson")
    theta = torch.tensor(found.at)

    def log_p(at):
        return log_probabilities(model, every.outcomes, at)

    p = log_p(theta).exp().numpy() * every.asked
    scores = torch.func.jacfwd(log_p)(theta).numpy()
    bends = torch.func.jacfwd(torch.func.jacrev(log_p))(theta).numpy()
    ridge = np.diag([2e-3] * 8 + [0.0] * (found.at.size - 8))
    information = np.einsum("k,kr,ks->rs", p, scores, scores) + ridge
    cubes = np.einsum("k,kr,ks,kt->rst", p, scores, scores, scores) + np.einsum("k,kr,kst->rst", p, scores, bends)
    adjustment = 0.5 * np.einsum("st,rst->r", np.linalg.inv(information), cubes)
    score = every.outcomes.weight @ scores - ridge @ found.at
    assert np.abs(score).max() > 0.05
    np.testing.assert_allclose(score + adjustment, 0, atol=1e-6)


def test_bradley_terry_is_a_logistic_regression_with_the_prior_of_jeffreys():
    _, outcomes = few_answers(5, n_items=7, degree=4, logistic=True)
    n, rows = 7, np.arange(outcomes.winner.size)
    design = np.zeros((rows.size, n + 1))
    design[rows, outcomes.winner], design[rows, outcomes.loser], design[:, n] = 1, -1, outcomes.order
    design = design[:, 1:] - 0.0  # the first item at 0

    def objective(beta):
        x = design @ beta
        weight = outcomes.weight * expit(x) * expit(-x)
        return outcomes.weight @ np.logaddexp(0, -x) - 0.5 * np.linalg.slogdet(design.T @ (weight[:, None] * design))[1]

    oracle = minimize(objective, np.zeros(n), method="BFGS", options={"gtol": 1e-9}).x
    found = fit(outcomes, reduced("bradley_terry", penalty=1e-7))
    np.testing.assert_allclose(found.mu[1:] - found.mu[0], oracle[:-1], atol=1e-5)
    assert found.position == pytest.approx(oracle[-1], abs=1e-5)


@given(won=st.integers(0, 30), lost=st.integers(0, 30))
@settings(max_examples=20, deadline=None)
def test_one_pair_has_half_an_answer_more_of_each(won, lost):
    """Haldane's estimate of a logit, without the bias of the first order."""
    if won + lost == 0:
        return
    both = np.array([won, lost], dtype=float)
    first, second, result = np.array([0, 0]), np.array([1, 1]), np.array([1, -1])
    asked = both > 0
    outcomes = tally(2, first[asked], second[asked], result[asked], both[asked], ordered=False)
    found = fit(outcomes, reduced("bradley_terry", penalty=1e-8))
    assert found.mu[0] - found.mu[1] == pytest.approx(np.log((won + 0.5) / (lost + 0.5)), abs=1e-5)


@given(seed=st.integers(0, 10**6), model=st.sampled_from(MODELS))
@settings(max_examples=10, deadline=None)
def test_the_order_of_items_does_not_matter(seed, model):
    one, names = planted(8, 60, position=0.4, seed=seed), np.random.default_rng(seed).permutation(8)
    first, second = names[one.first], names[one.second]
    again = tally(8, first, second, one.result, np.ones(60), ordered=True)
    found, turned = fit(one.outcomes, reduced(model)), fit(again, reduced(model))
    np.testing.assert_allclose(turned.mu[names], found.mu, atol=1e-6)
    assert turned.position == pytest.approx(found.position, abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_it_is_finite_and_has_ended_where_items_win_everything_or_are_not_linked(model):
    first, second = np.array([0, 0, 1, 3]), np.array([1, 2, 2, 4])
    outcomes = tally(5, first, second, np.ones(4, dtype=int), np.full(4, 3.0), ordered=True)
    found = fit(outcomes, reduced(model))
    assert found.converged
    assert np.abs(found.mu).max() < 5
    assert found.mu[:3].sum() == pytest.approx(0)
    assert found.mu[0] > found.mu[1] > found.mu[2]


def test_many_answers_leave_nothing_to_reduce():
    _, outcomes = few_answers(0, n_items=12, degree=4, answers=200_000)
    plain, found = fit(outcomes, Settings("case_v")), fit(outcomes, reduced("case_v"))
    np.testing.assert_allclose(found.mu, plain.mu, atol=1e-3)


def test_each_pair_of_origins_has_a_position_with_reduced_bias():
    _, outcomes = few_answers(1, n_items=12, degree=5, answers=3)
    apart = fit(outcomes, reduced("case_v", origins=tuple(np.arange(12) % 2)))
    assert apart.converged
    assert apart.positions.size == 3
    one = fit(outcomes, reduced("case_v", origins=(0,) * 12))
    assert one.positions[0] == pytest.approx(fit(outcomes, reduced("case_v")).position, abs=1e-3)


@pytest.mark.parametrize(("answers", "spread"), [(1, 1.0), (2, 1.7)])
def test_few_answers_are_not_exaggerated_and_intervals_hold_what_was_planted(answers, spread):
    """The usual fit is beside it: of two answers to each question it makes the position 0.71, and the distances 1.3."""
    positions, slopes, inside, held = [], [], [], []
    for seed in range(100):
        mu, outcomes = few_answers(seed, answers=answers, spread=spread)
        found = fit(outcomes, reduced("case_v"))
        bounds = information_intervals(found)
        positions.append(found.position)
        slopes.append(found.mu @ mu / (mu @ mu))
        inside.append(np.mean((bounds.lo <= mu) & (mu <= bounds.hi)))
        held.append(bounds.position_lo <= 0.6 <= bounds.position_hi)
    assert np.mean(positions) == pytest.approx(0.6, abs=0.04)
    assert 0.9 <= np.mean(slopes) <= 1.05
    assert 0.93 <= np.mean(inside) <= 0.985
    assert np.mean(held) >= 0.89  # 100 data sets: 0.95 within 3 standard errors


def test_a_position_term_is_rarely_found_where_there_is_none():
    found = []
    for seed in range(200):
        bounds = information_intervals(fit(planted(10, 200, seed=seed).outcomes, reduced("case_v")))
        found.append(not bounds.position_lo <= 0 <= bounds.position_hi)
    assert 0.02 <= np.mean(found) <= 0.085
