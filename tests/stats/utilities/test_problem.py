"""The objective and its derivatives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inoc.stats.utilities.problem import MODELS, Problem
from support.comparisons import planted


def some_problem(model: str, clip: float = 0.0, groups: int = 1) -> Problem:
    outcomes = planted(6, 80).outcomes
    if model == "davidson":
        outcomes = replace(outcomes, tie=np.arange(outcomes.winner.size) % 7 == 0)
    group = np.arange(outcomes.winner.size) % (groups - 1) if groups > 1 else None  # the last has no comparison
    return Problem(outcomes, model, True, 0.1, 0.7, clip, group, groups)


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("model", MODELS)
def test_derivatives_are_those_of_differences(model, groups):
    problem = some_problem(model, groups=groups)
    rng = np.random.default_rng(1)
    at = rng.normal(0, 0.5, problem.size)
    here, step = problem.curvature(at), 1e-6
    axes = np.eye(problem.size) * step
    slopes = [(problem.objective(at + one) - problem.objective(at - one)) / (2 * step) for one in axes]
    bends = [(problem.curvature(at + one).gradient - problem.curvature(at - one).gradient) / (2 * step) for one in axes]
    assert here.value == pytest.approx(problem.objective(at), abs=1e-10)
    np.testing.assert_allclose(here.gradient, slopes, atol=1e-7)
    np.testing.assert_allclose(here.dense(), bends, atol=1e-7)
    v = rng.normal(size=problem.size)
    np.testing.assert_allclose(here.times(v), here.dense() @ v, atol=1e-10)
    np.testing.assert_allclose(here.diagonal, np.diag(here.dense()), atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_the_probabilities_of_the_answers_to_a_pair_add_up_to_one(model):
    problem = some_problem(model)
    at = np.random.default_rng(2).normal(0, 1, problem.size)
    o = problem.outcomes
    untied = replace(o, tie=np.zeros_like(o.tie))
    turned = replace(untied, winner=o.loser, loser=o.winner, order=-o.order)
    tied = replace(o, tie=np.ones_like(o.tie))
    total = sum(np.exp(-replace(problem, outcomes=one).losses(at)) for one in (untied, turned))
    if model == "davidson":
        total = total + np.exp(-replace(problem, outcomes=tied).losses(at))
    np.testing.assert_allclose(total, 1, rtol=1e-12)


def test_a_hopeless_outcome_has_a_finite_loss_and_slope():
    problem = replace(some_problem("case_v"), positioned=False)
    here = problem.curvature(np.linspace(-200, 200, 6))
    assert np.isfinite(here.value)
    assert np.isfinite(here.gradient).all()
    assert here.value == pytest.approx(problem.objective(here.at), rel=1e-12)


def test_clipped_probabilities_have_no_slope():
    problem = replace(some_problem("case_v", clip=1e-10), ridge=0.0, positioned=False)
    here = problem.curvature(np.linspace(-500, 500, 6))
    assert not here.gradient.any()
    assert here.value == pytest.approx(problem.loss(here.at))
