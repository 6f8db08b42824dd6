"""Principal components of a prompts × examples matrix, with meaningful signs and intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler, percentile_bounds
from inoc.stats.correlation import pearson
from inoc.stats.gram import ALL_PAIRS, leading
from inoc.stats.means import Floats


class Components(NamedTuple):
    """Principal components, largest share first."""

    scores: Floats  # shape (rows, components): coordinates of the rows, in the unit of the matrix
    share: Floats  # shape (components,): of the variance, 0 to 1


class Interval(NamedTuple):
    """Bounds of an array, elementwise."""

    lo: Floats
    hi: Floats


class ComponentIntervals(NamedTuple):
    """Bootstrap intervals over the columns."""

    scores: Interval
    share: Interval


def principal_components(matrix_NK: Floats, n_components: int, orient_N: Floats) -> Components:
    """Principal components of centred, unscaled columns.

    Args:
        matrix_NK: Rows are points, columns are variables; no NaN.
        n_components: Maximum number of components; there are never more than rows − 1 or columns.
        orient_N: A value for each row that fixes the signs: a component's correlation with it is not
            negative; where that correlation is 0 or not defined, the row farthest from the origin is
            positive.

    Returns:
        Shares are NaN if the matrix does not vary.

    Raises:
        DataError: If a cell is NaN, or there are fewer than two rows or no column.
    """
    if np.isnan(matrix_NK).any() or matrix_NK.shape[0] < 2 or not matrix_NK.shape[1]:
        msg = (
            f"components need a complete matrix with two rows or more, not one of shape {matrix_NK.shape} "
            f"with {int(np.isnan(matrix_NK).sum())} NaN; drop incomplete columns first"
        )
        raise DataError(msg)
    centred_NK = matrix_NK - matrix_NK.mean(axis=0)
    kept = min(n_components, matrix_NK.shape[0] - 1, matrix_NK.shape[1])
    found = _of_gram(centred_NK @ centred_NK.T, kept)
    return Components(found.scores * _signs(found.scores, orient_N), found.share)


def component_intervals(matrix_NK: Floats, components: Components, resampler: Resampler) -> ComponentIntervals:
    """Intervals of scores and shares when the columns are drawn anew.

    Each resample's component is turned to the sign that agrees with the full one; components are matched by
    rank, so two of nearly equal share have wide intervals.
    """
    centred_NK = matrix_NK - matrix_NK.mean(axis=0)
    kept = components.share.size
    n_rows, n_columns = matrix_NK.shape
    scores_BNC = np.empty((resampler.resamples, n_rows, kept))
    share_BC = np.empty((resampler.resamples, kept))
    for index, weights_K in enumerate(resampler.simple_weights(n_columns)):
        drawn = _of_gram(_weighted_gram(centred_NK, weights_K), kept)
        agreement_C = (drawn.scores * components.scores).sum(axis=0)
        scores_BNC[index] = drawn.scores * np.where(agreement_C < 0, -1.0, 1.0)
        share_BC[index] = drawn.share
    return ComponentIntervals(_interval(scores_BNC, resampler), _interval(share_BC, resampler))


def _of_gram(gram_NN: Floats, kept: int) -> Components:
    # Far fewer prompts than examples: the small Gram matrix has the same scores as the decomposition of the
    # wide one.
    found = leading(gram_NN, kept)
    total = float(np.trace(gram_NN))
    share = found.values / total if total > 0 else np.full(kept, np.nan)
    return Components(found.vectors * np.sqrt(found.values), share)


def _weighted_gram(matrix_NK: Floats, weights_K: Floats) -> Floats:
    """Products of the rows with weighted columns."""
    if len(matrix_NK) <= ALL_PAIRS:
        products: Floats = (matrix_NK * weights_K) @ matrix_NK.T
        return products
    # A product of a matrix with itself is symmetric, so that half of it is computed; columns not drawn are left out.
    drawn_K = weights_K > 0
    root_ND = matrix_NK[:, drawn_K] * np.sqrt(weights_K[drawn_K])
    found: Floats = root_ND @ root_ND.T
    return found


def _signs(scores: Floats, orient_N: Floats) -> Floats:
    return np.array([_sign(column, orient_N) for column in scores.T])


def _sign(scores_N: Floats, orient_N: Floats) -> float:
    r = pearson(scores_N, orient_N).value
    decisive = r if abs(r) > 1e-9 else scores_N[np.argmax(np.abs(scores_N))]
    return -1.0 if decisive < 0 else 1.0


def _interval(resampled: Floats, resampler: Resampler) -> Interval:
    flat = resampled.reshape(resampled.shape[0], -1)
    bounds = np.array([percentile_bounds(column, resampler.confidence) for column in flat.T])
    return Interval(bounds[:, 0].reshape(resampled.shape[1:]), bounds[:, 1].reshape(resampled.shape[1:]))
