"""Fits with reduced bias, for few drawn answers.

A fit follows few answers too far: utilities come out too far apart, and the position term too large. The bias of the
first order goes when it is taken from the score equations (Firth 1993; Kosmidis and Firth 2009). For these models that
is the same as a fraction of an answer more of each kind to each question: half the number of its answers, times the
trace of the variance of what the question depends on with the second derivatives of the answer's probability. With
these fractions held, the fit is the usual one, which is convex; they are brought up to date until it stays.

For `bradley_terry` and `davidson` it is the maximum of the likelihood with the prior of Jeffreys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, lapack

from inoc.stats.means import Floats
from inoc.stats.utilities.newton import Minimum, minimise
from inoc.stats.utilities.outcomes import Ints, Outcomes
from inoc.stats.utilities.problem import Problem

MAX_ROUNDS = 200
SMALL = 1e-8
"""Largest change of a parameter in the last round, in units of utility."""


@dataclass(frozen=True)
class Questions:
    """Every possible answer to each question that was asked, as outcomes."""

    outcomes: Outcomes  # weights: how often each answer was given, 0 for many
    number: Ints  # question of each outcome
    asked: Floats  # number of answers to the question of each outcome


def minimise_reduced(problem: Problem, start: Floats) -> Minimum:
    """The fit with reduced bias.

    Args:
        problem: Comparisons with a winner by `case_v`, `bradley_terry` or `davidson`; its penalty is kept.
        start: Parameters to start from.

    Returns:
        The parameters, with the value of the problem itself and the gradient of the adjusted one.
    """
    questions = questions_of(problem.outcomes, tied=problem.model == "davidson")
    whole = _with_all_answers(problem, questions)

    def adjusted(at: Floats) -> tuple[Minimum, float]:
        given = replace(questions.outcomes, weight=questions.outcomes.weight + fractions(whole, questions, at))
        found = minimise(replace(whole, outcomes=given), at)
        return found, float(np.abs(found.at - at).max())

    found, moved = adjusted(start)
    for _ in range(MAX_ROUNDS - 1):
        if moved <= SMALL:
            break
        found, moved = adjusted(found.at)
    return found._replace(value=problem.objective(found.at), converged=found.converged and moved <= 100 * SMALL)


def questions_of(outcomes: Outcomes, *, tied: bool) -> Questions:
    """All answers to the questions that were asked: which of two won, in each order that they were shown in.

    Args:
        outcomes: The comparisons.
        tied: Whether a tie is an answer.
    """
    o, n = outcomes, outcomes.n_items
    known = o.order != 0
    first = np.where(o.order < 0, o.loser, o.winner)
    second = np.where(o.order < 0, o.winner, o.loser)
    first, second = (
        np.where(known, first, np.minimum(first, second)),
        np.where(known, second, np.maximum(first, second)),
    )
    code = (first * n + second) * 2 + known
    distinct, asked_at = np.unique(code, return_inverse=True)
    first, second, order = distinct // 2 // n, distinct // 2 % n, (distinct % 2).astype(np.float64)
    kinds = [(first, second, order, False), (second, first, -order, False)] + [(first, second, order, True)] * tied
    winner, loser, orders = (np.concatenate([kind[place] for kind in kinds]) for place in range(3))
    number: Ints = np.tile(np.arange(distinct.size, dtype=np.int64), len(kinds))
    # The kind of an answer that was given: won by the first, by the second, or tied.
    kind = np.where(o.tie, 2, o.winner != first[asked_at])
    weight = np.bincount(kind * distinct.size + asked_at, o.weight, number.size).astype(np.float64)
    sort = np.argsort(winner, kind="stable")
    every = Outcomes(
        n, winner[sort], loser[sort], orders[sort], np.repeat([k[3] for k in kinds], distinct.size)[sort], weight[sort]
    )
    asked = np.bincount(number, weight).astype(np.float64)
    return Questions(every, number[sort], asked[number[sort]])


def _with_all_answers(problem: Problem, questions: Questions) -> Problem:
    group = problem.group
    if group is not None:  # a position term belongs to a pair of items, whichever won
        _, at = np.unique(problem.outcomes.pair, return_index=True)
        distinct = problem.outcomes.pair[at]
        group = group[at][np.searchsorted(distinct, questions.outcomes.pair)]
    return replace(problem, outcomes=questions.outcomes, group=group)


def fractions(whole: Problem, questions: Questions, at: Floats) -> Floats:
    """The fraction of an answer that is added to each outcome.

    Args:
        whole: The problem, with all answers as outcomes.
        questions: Of the same outcomes.
        at: Parameters.
    """
    p = np.exp(-whole.losses(at))
    expected = replace(questions.outcomes, weight=questions.asked * p)
    information = replace(whole, outcomes=expected).curvature(at).dense()
    factor = cho_factor(information, lower=True, overwrite_a=True, check_finite=False)[0]
    half = np.tril(lapack.dpotri(factor, lower=True, overwrite_c=True)[0])
    inverse = half + np.tril(half, -1).T
    one = replace(whole, outcomes=replace(questions.outcomes, weight=np.ones(p.size))).curvature(at)
    # Half of the trace, divided by p: of the square of the score and the second derivative of ln p.
    trace = _variance(whole, inverse) * (one.slope**2 - one.bend)
    if whole.nu_at is not None:
        # The second derivatives of ln p are the same for all answers to a question here, and make no difference.
        mixed = _with_position(whole, inverse[:, whole.nu_at])
        trace += 2 * mixed * one.slope * one.tilt + inverse[whole.nu_at, whole.nu_at] * one.tilt**2
    # As many answers to a question as are likely leave the score as it is: no fraction needs to be negative.
    least = np.full(int(questions.number.max()) + 1, np.inf)
    np.minimum.at(least, questions.number, trace)
    return np.asarray(questions.asked * p * (trace - least[questions.number]) / 2)


def _variance(whole: Problem, inverse: Floats) -> Floats:
    """Variance of the difference x of each outcome."""
    o = whole.outcomes
    found = inverse[o.winner, o.winner] + inverse[o.loser, o.loser] - 2 * inverse[o.winner, o.loser]
    if whole.positioned:
        place = _places(whole)
        found += o.order**2 * inverse[place, place]
        found += 2 * o.order * (inverse[o.winner, place] - inverse[o.loser, place])
    return np.asarray(found)


def _with_position(whole: Problem, column: Floats) -> Floats:
    """Covariance of the difference x of each outcome with one parameter, from that parameter's covariances."""
    o = whole.outcomes
    found = column[o.winner] - column[o.loser]
    return np.asarray(found + o.order * column[_places(whole)] if whole.positioned else found)


def _places(whole: Problem) -> Ints:
    group = np.zeros(whole.outcomes.winner.size, dtype=np.int64) if whole.group is None else whole.group
    return np.asarray(whole.positions_at.start + group)
