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


def clustered_r(x: Floats, y: Floats, units: Grouped, resampler: Resampler) -> Floats:
    """Pearson's r of resamples that draw whole groups, shape (resamples,); NaN where a side is constant."""
    weights_BR = resampler.simple_weights(units.n)[:, units.label]
    x_BR, y_BR = (np.broadcast_to(side - side.mean(), weights_BR.shape) for side in (x, y))
    return _weighted_r(x_BR, y_BR, weights_BR)


def clustered_rho(x: Floats, y: Floats, units: Grouped, resampler: Resampler) -> Floats:
    """Spearman's rho of resamples that draw whole groups, ranked anew in each, shape (resamples,); NaN as in r."""
    weights_BR = resampler.simple_weights(units.n)[:, units.label]
    return _weighted_r(_weighted_ranks(x, weights_BR), _weighted_ranks(y, weights_BR), weights_BR)


def _weighted_ranks(values: Floats, weights_BR: Floats) -> Floats:
    """Mean ranks of rows that each occur so many times, centred, shape (resamples, rows)."""
    order = np.argsort(values, kind="stable")
    _, first, tied = np.unique(values[order], return_index=True, return_inverse=True)
    below = np.concatenate([np.zeros((len(weights_BR), 1)), np.cumsum(weights_BR[:, order], axis=1)], axis=1)
    edges = np.append(first, len(values))
    middle = (below[:, edges[:-1]] + below[:, edges[1:]] + 1) / 2
    ranks = np.empty(weights_BR.shape)
    ranks[:, order] = middle[:, tied]
    centred: Floats = ranks - (below[:, -1:] + 1) / 2
    return centred


def _weighted_r(x_BR: Floats, y_BR: Floats, weights_BR: Floats) -> Floats:
    total = weights_BR.sum(axis=1)
    mean_x, mean_y = ((weights_BR * side).sum(axis=1) / total for side in (x_BR, y_BR))
    var_x = (weights_BR * x_BR**2).sum(axis=1) / total - mean_x**2
    var_y = (weights_BR * y_BR**2).sum(axis=1) / total - mean_y**2
    # A resample of equal values keeps a rounding's worth of variance.
    varied = (var_x > 1e-12 * (x_BR**2).mean(axis=1)) & (var_y > 1e-12 * (y_BR**2).mean(axis=1))
    covariance = (weights_BR * x_BR * y_BR).sum(axis=1) / total - mean_x * mean_y
    r: Floats = np.where(varied, np.clip(covariance / np.sqrt(np.where(varied, var_x * var_y, 1)), -1, 1), NAN)
    return r


def permuted_p(x: Floats, y: Floats, units: Grouped, resampler: Resampler) -> float:
    """Two-sided p of no correlation: a group is one unit, the mean of its rows, and groups change places.

    NaN if the means do not vary.
    """
    counts = np.bincount(units.label, minlength=units.n)
    mean_x, mean_y = (np.bincount(units.label, weights=side, minlength=units.n) / counts for side in (x, y))
    if np.isnan(pearson(mean_x, mean_y).value):
        return NAN
    mean_x, mean_y = mean_x - mean_x.mean(), mean_y - mean_y.mean()
    drawn = np.abs(mean_y[resampler.orders(units.n)] @ mean_x)
    reached = abs(float(mean_y @ mean_x)) * (1 - 1e-12)
    return float((1 + (drawn >= reached).sum()) / (1 + len(drawn)))
