"""Intervals of utilities from how far pairs lie from what their items lead to expect.

An exact probability is not drawn, so a fit of exact probabilities has no sampling error of answers. It has another one:
the probability of a pair depends on its two texts and on their order by more than two utilities and a position term,
and with other pairs of the same items the utilities would be others. The intervals here are about that: they hold the
utilities that a fit of very many pairs of these items, of the same kind, would tend to.

The variance is the sandwich of the second derivatives around the products of the pairs' gradients (White 1982), with
the correction of Bell and McCaffrey (2002) for that the fit has followed each pair, and Student's t distribution with
their degrees of freedom, Satterthwaite's. Both orders of a pair, and all answers to them, are one cluster.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from scipy.stats import t as student_t

from inoc.stats.means import Floats
from inoc.stats.utilities.fit import Fit
from inoc.stats.utilities.intervals import LARGEST_DENSE, Intervals, conventions
from inoc.stats.utilities.outcomes import Ints
from inoc.stats.utilities.problem import Curvature, Problem

LEAST_LEFT = 0.05
"""A direction of a pair of which the fit follows more than all but this tells nothing of the scatter."""
MOST_FOLLOWED = 0.1
"""A parameter has no interval if such directions make up more than this of its variance."""
FEW = 256
"""Up to this number of pairs, degrees of freedom are computed from all of them."""
MOST_OWN = 512
CHUNK = 1024


class _Clusters(NamedTuple):
    """Pairs, each with the few parameters that its outcomes depend on."""

    at: Ints  # indices of the parameters, pairs × k
    gradient: Floats  # pairs × k
    information: Floats  # pairs × k × k


def pair_intervals(found: Fit, confidence: float = 0.95) -> Intervals:
    """Intervals for other pairs of the same items, from the scatter of the pairs that were asked.

    Location and scale are conventions, as in `information_intervals`.

    Args:
        found: A fit without bounds, with 8000 parameters at most.
        confidence: Of the two-sided intervals.

    Returns:
        NaN for an item whose pairs are all followed by the fit, such as one with a single pair, and for all items of
        larger fits.
    """
    problem = found.problem
    if problem.size > LARGEST_DENSE:
        return Intervals.unknown(problem.n, len(problem.positions_at))
    curvature = problem.curvature(found.at)
    inverse = _inverse(curvature)
    if inverse is None:
        return Intervals.unknown(problem.n, len(problem.positions_at))
    variance, degrees = _scatter(_clusters(curvature), inverse)
    half = student_t.ppf(0.5 + confidence / 2, degrees) * np.sqrt(variance)
    n, places = problem.n, list(problem.positions_at)
    positions = found.positions
    return Intervals(found.mu - half[:n], found.mu + half[:n], positions - half[places], positions + half[places])


def _inverse(curvature: Curvature) -> Floats | None:
    """Inverse of the second derivatives, with location and scale held; None if they are not positive definite."""
    problem = curvature.problem
    held = conventions(problem.outcomes, problem.size, varied=problem.varied)
    try:
        factor = cho_factor(curvature.dense(), lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    inverse = cho_solve(factor, np.eye(problem.size), overwrite_b=True, check_finite=False)
    solved = inverse @ held
    return np.asarray(inverse - solved @ np.linalg.solve(held.T @ solved, solved.T))


def _clusters(curvature: Curvature) -> _Clusters:
    """The gradient and the information of each pair."""
    problem, o = curvature.problem, curvature.problem.outcomes
    _, first, pair = np.unique(o.pair, return_index=True, return_inverse=True)
    low, high = np.minimum(o.winner, o.loser), np.maximum(o.winner, o.loser)
    turned = np.where(o.winner == low, 1.0, -1.0)
    columns, slopes = [low, high], [turned, -turned]
    if problem.varied:
        own, other = _by_item(turned, *_variance_slopes(problem, curvature.at))
        columns, slopes = [*columns, problem.n + low, problem.n + high], [*slopes, own, other]
    if problem.positioned:
        group = np.zeros(o.winner.size, dtype=np.int64) if problem.group is None else problem.group
        columns, slopes = [*columns, problem.positions_at.start + group], [*slopes, o.order]
    # x of each outcome, in units in which its variance is one, moves by this with each of its parameters.
    slope = np.column_stack(slopes)
    gradient = np.zeros((first.size, slope.shape[1]))
    np.add.at(gradient, pair, curvature.slope[:, None] * slope)
    information = np.zeros((first.size, slope.shape[1], slope.shape[1]))
    np.add.at(information, pair, curvature.bend[:, None, None] * slope[:, :, None] * slope[:, None, :])
    return _Clusters(np.column_stack(columns)[first], gradient, information)


def _variance_slopes(problem: Problem, at: Floats) -> tuple[Floats, Floats]:
    """By how much ln sigma of the winner and of the loser move an outcome, as its difference x does by 1."""
    variance, x = np.exp(2 * at[problem.n : 2 * problem.n]), problem.difference(at)
    of_winner, of_loser = variance[problem.outcomes.winner], variance[problem.outcomes.loser]
    return -x * of_winner / (of_winner + of_loser), -x * of_loser / (of_winner + of_loser)


def _by_item(turned: Floats, of_winner: Floats, of_loser: Floats) -> tuple[Floats, Floats]:
    return np.where(turned > 0, of_winner, of_loser), np.where(turned > 0, of_loser, of_winner)


class _Spread(NamedTuple):
    """Each pair in directions in which its information is 1."""

    at: Ints  # indices of the parameters, pairs × k
    root: Floats  # of the information, pairs × k × directions
    shown: Floats  # the same in the directions that the fit has not followed, 0 in the others
    carried: Floats  # from a parameter's weights to what its corrected residuals are made of, pairs × k × k
    scores: Floats  # corrected gradients, pairs × k


def _spread(clusters: _Clusters, inverse: Floats) -> _Spread:
    """Bell and McCaffrey's correction of each pair."""
    at = clusters.at
    values, vectors = np.linalg.eigh(clusters.information)
    known = values > 1e-10 * values.max(axis=1, keepdims=True)
    root = vectors * np.sqrt(np.where(known, values, 0.0))[:, None, :]
    back = vectors * np.where(known, 1 / np.sqrt(np.where(known, values, 1.0)), 0.0)[:, None, :]
    residual = np.einsum("ckd,ck->cd", back, clusters.gradient)
    local = inverse[at[:, :, None], at[:, None, :]]
    left, turn = np.linalg.eigh(np.eye(at.shape[1]) - np.einsum("ckd,ckl,cle->cde", root, local, root, optimize=True))
    told = left > LEAST_LEFT
    turned = root @ turn
    widened = turned * np.where(told, 1 / np.sqrt(np.where(told, left, 1.0)), 0.0)[:, None, :]
    scores = np.einsum("cke,cde,cd->ck", widened, turn, residual, optimize=True)
    return _Spread(at, root, turned * told[:, None, :], np.einsum("cke,cle->ckl", widened, turned), scores)


def _scatter(clusters: _Clusters, inverse: Floats) -> tuple[Floats, Floats]:
    """Variance of each parameter and its degrees of freedom; NaN where the pairs do not show it."""
    size, spread = inverse.shape[0], _spread(clusters, inverse)
    at = spread.at
    variance, foreseen, squares, whole = (np.zeros(size) for _ in range(4))
    rows = np.repeat(np.arange(len(at)), at.shape[1])
    scores = csr_matrix((spread.scores.ravel(), (rows, at.ravel())), shape=(len(at), size))
    for start in range(0, len(at), CHUNK):
        part = slice(start, start + CHUNK)
        variance += np.square(scores[part] @ inverse).sum(axis=0)
        weights = inverse[at[part]]  # pairs × k × parameters
        whole += np.square(np.einsum("ckd,ckt->cdt", spread.root[part], weights)).sum(axis=(0, 1))
        own = np.square(np.einsum("ckd,ckt->cdt", spread.shown[part], weights)).sum(axis=1)
        foreseen += own.sum(axis=0)
        squares += np.square(own).sum(axis=0)
    squares += _shared(spread, inverse)
    known = np.where(foreseen > (1 - MOST_FOLLOWED) * whole, foreseen, np.nan)
    return variance * whole / known, known**2 / np.where(squares > 0, squares, np.nan)


def _shared(spread: _Spread, inverse: Floats) -> Floats:
    """Sum of the squares of what the residuals of two different pairs share, for each parameter.

    With many pairs only those of the parameter's own item are looked at: they have nearly all of it.
    """
    at, size = spread.at, inverse.shape[0]
    found = np.zeros(size)
    rows = np.repeat(np.arange(len(at)), at.shape[1])
    pairs_of = csr_matrix((np.ones(at.size), (at.ravel(), rows)), shape=(size, len(at)))
    for one in range(size):
        own = pairs_of.indices[pairs_of.indptr[one] : pairs_of.indptr[one + 1]] if len(at) > FEW else slice(None)
        places = at[own]
        if len(places) > MOST_OWN:
            continue  # a position term, or an item of so many pairs: nearly as many degrees of freedom
        weights = np.einsum("ckl,cl->ck", spread.carried[own], inverse[places, one])
        between = inverse[np.ix_(places.ravel(), places.ravel())].reshape(*places.shape, *places.shape)
        both = np.einsum("ck,ckdl,dl->cd", weights, between, weights, optimize=True)
        found[one] = np.square(both).sum() - np.square(np.diag(both)).sum()
    return found
