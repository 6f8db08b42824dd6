"""Correlations of rows that come in groups, such as several rows of one prompt: the group is the unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inoc.stats.bootstrap import Resampler
from inoc.stats.correlation import pearson
from inoc.stats.means import NAN, Floats


class Grouped(NamedTuple):
    """Which group each row is of."""

    label: NDArray[np.int64]  # shape (rows,), from 0
    n: int


def grouped(groups: Sequence[str]) -> Grouped:
    """Number the groups, in the order of their names."""
    names, index = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    return Grouped(index.astype(np.int64), len(names))


def clustered_r(x_PR: Floats, y: Floats, units: Grouped, resampler: Resampler) -> Floats:
    """Pearson's r of resamples that draw whole groups.

    Args:
        x_PR: Predictors × rows.
        y: Outcome, shape (rows,).
        units: The groups of the rows.
        resampler: Source of the draws.

    Returns:
        Shape (resamples, predictors); NaN where a side is constant.
    """
    weights_BR = resampler.simple_weights(units.n)[:, units.label]
    x_PR, y = x_PR - x_PR.mean(axis=-1, keepdims=True), y - y.mean()
    total_B = weights_BR.sum(axis=1)
    mean_x, mean_y = weights_BR @ x_PR.T / total_B[:, None], weights_BR @ y / total_B
    var_x = weights_BR @ (x_PR**2).T / total_B[:, None] - mean_x**2
    var_y = weights_BR @ y**2 / total_B - mean_y**2
    # A resample of equal values keeps a rounding's worth of variance.
    varied = (var_x > 1e-12 * (x_PR**2).mean(axis=-1)) & (var_y > 1e-12 * (y**2).mean())[:, None]
    covariance = weights_BR @ (x_PR * y).T / total_B[:, None] - mean_x * mean_y[:, None]
    return _ratio(covariance, var_x * var_y[:, None], varied)


def _ratio(covariance: Floats, variances: Floats, varied: np.ndarray) -> Floats:
    r: Floats = np.where(varied, np.clip(covariance / np.sqrt(np.where(varied, variances, 1)), -1, 1), NAN)
    return r


def clustered_rho(x_PR: Floats, y: Floats, units: Grouped, resampler: Resampler) -> Floats:
    """Spearman's rho of resamples that draw whole groups, ranked anew in each; arguments and shape as `clustered_r`."""
    weights_BR = resampler.simple_weights(units.n)[:, units.label]
    y_BR = _weighted_ranks(y, weights_BR)
    var_y = (weights_BR * y_BR**2).sum(axis=1)
    found = np.empty((len(weights_BR), len(x_PR)))
    for place, x in enumerate(x_PR):
        x_BR = _weighted_ranks(x, weights_BR)
        var_x = (weights_BR * x_BR**2).sum(axis=1)
        found[:, place] = _ratio((weights_BR * x_BR * y_BR).sum(axis=1), var_x * var_y, (var_x > 0) & (var_y > 0))
    return found


def _weighted_ranks(values: Floats, weights_BR: Floats) -> Floats:
    """Mean ranks of rows that each occur so many times, less their mean, shape (resamples, rows).

    Whole or half numbers, so that rows that are all equal have ranks of exactly 0.
    """
    order = np.argsort(values, kind="stable")
    _, first, tied = np.unique(values[order], return_index=True, return_inverse=True)
    below = np.concatenate([np.zeros((len(weights_BR), 1)), np.cumsum(weights_BR[:, order], axis=1)], axis=1)
    edges = np.append(first, len(values))
    middle = (below[:, edges[:-1]] + below[:, edges[1:]] - below[:, -1:]) / 2
    ranks: Floats = np.empty(weights_BR.shape)
    ranks[:, order] = middle[:, tied]
    return ranks


def permuted_p(x_PR: Floats, y: Floats, units: Grouped, resampler: Resampler) -> Floats:
    """Two-sided p of no correlation: a group is one unit, the mean of its rows, and groups change places.

    Returns:
        Shape (predictors,); NaN if the means do not vary. Arguments as of `clustered_r`.
    """
    member_RG = (units.label[:, None] == np.arange(units.n)).astype(np.float64)
    counts_G = member_RG.sum(axis=0)
    x_PG, y_G = x_PR @ member_RG / counts_G, y @ member_RG / counts_G
    known_P = np.array([not np.isnan(pearson(row, y_G).value) for row in x_PG])
    x_PG, y_G = x_PG - x_PG.mean(axis=1, keepdims=True), y_G - y_G.mean()
    reached_BP = np.abs(y_G[resampler.orders(units.n)] @ x_PG.T) >= np.abs(x_PG @ y_G) * (1 - 1e-12)
    p: Floats = np.where(known_P, (1 + reached_BP.sum(axis=0)) / (1 + len(reached_BP)), NAN)
    return p
