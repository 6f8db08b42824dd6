"""Correlations of rows that come in groups, such as several rows of one prompt: the group is the unit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inoc.stats.bootstrap import Resampler
from inoc.stats.correlation import pearson
from inoc.stats.means import NAN, Floats

EXACT_ORDERS = 720
"""All orders are gone through if there are no more than these, which six groups have."""


class Grouped(NamedTuple):
    """Group of each row."""

    label: NDArray[np.int64]  # shape (rows,), from 0
    n: int


def grouped(groups: Sequence[str]) -> Grouped:
    """Number the groups, in the order of their names."""
    names, index = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    return Grouped(index.astype(np.int64), len(names))


def centred(values: Floats, strata: Grouped) -> Floats:
    """Values less the mean of their stratum, shape as given (…, rows); exactly 0 where a stratum does not vary."""
    member_RK = _members(strata)
    means = (values @ member_RK / member_RK.sum(axis=0))[..., strata.label]
    # Rounding leaves a constant stratum some ulps, of which a correlation would make noise.
    tiny = 1e-12 * np.abs(values).max(axis=-1, keepdims=True)
    moved: Floats = np.where(np.abs(values - means) > tiny, values - means, 0.0)
    return moved


def _members(groups: Grouped) -> Floats:
    """1 where a row is of a group, else 0, shape (rows, groups)."""
    member: Floats = (groups.label[:, None] == np.arange(groups.n)).astype(np.float64)
    return member


def clustered_r(x_PR: Floats, y: Floats, units: Grouped, resampler: Resampler, strata: Grouped | None = None) -> Floats:
    """Pearson's r of resamples that draw whole groups.

    Args:
        x_PR: Predictors × rows.
        y: Outcome, shape (rows,).
        units: The groups of the rows.
        resampler: Source of the draws.
        strata: Both sides are taken less their mean in the stratum of the row, anew in each resample; without strata,
            less their mean over all rows.

    Returns:
        Shape (resamples, predictors); NaN where a side is constant.
    """
    weights_BR = resampler.simple_weights(units.n)[:, units.label]
    x_PR, y = x_PR - x_PR.mean(axis=-1, keepdims=True), y - y.mean()
    member_RK = np.ones((y.size, 1)) if strata is None else _members(strata)
    total_BK = weights_BR @ member_RK
    total_BK = np.where(total_BK > 0, total_BK, 1)
    sum_y_BK = weights_BR @ (member_RK * y[:, None])
    var_y_B = weights_BR @ y**2 - (sum_y_BK**2 / total_BK).sum(axis=1)
    found = np.empty((len(weights_BR), len(x_PR)))
    for place, x in enumerate(x_PR):
        sum_x_BK = weights_BR @ (member_RK * x[:, None])
        var_x_B = weights_BR @ x**2 - (sum_x_BK**2 / total_BK).sum(axis=1)
        # A resample of equal values keeps a rounding's worth of variance.
        varied = (var_x_B > 1e-12 * (x**2).sum()) & (var_y_B > 1e-12 * (y**2).sum())
        covariance_B = weights_BR @ (x * y) - (sum_x_BK * sum_y_BK / total_BK).sum(axis=1)
        found[:, place] = _ratio(covariance_B, var_x_B * var_y_B, varied)
    return found


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
    """Mean ranks, less their mean, of rows that occur a given number of times, shape (resamples, rows).

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


def permuted_p(x_PR: Floats, y: Floats, units: Grouped, resampler: Resampler, strata: Grouped | None = None) -> Floats:
    """Two-sided permutation p of Pearson's r over rows: groups are permuted, each with all of its rows.

    Two groups can change places if their rows are of the same strata; the values should then be `centred` in them.
    Without strata, if they have as many rows, which keep their order.

    Args:
        x_PR: Predictors × rows.
        y: Outcome, shape (rows,).
        units: The groups of the rows.
        resampler: Source of the orders, where there are too many to go through all of them.
        strata: The stratum of each row.

    Returns:
        Shape (predictors,), never 0. NaN if a side does not vary, or no two groups can change places.
    """
    classes = _exchangeable(units, strata)
    orders_BR, is_all = _orders(classes, y.size, resampler)
    known_P = np.array([not np.isnan(pearson(x, y).value) for x in x_PR]) & (len(orders_BR) > 1)
    x_PR, y = x_PR - x_PR.mean(axis=1, keepdims=True), y - y.mean()
    reached_BP = np.abs(y[orders_BR] @ x_PR.T) >= np.abs(x_PR @ y) * (1 - 1e-12)
    share_P = reached_BP.mean(axis=0) if is_all else (1 + reached_BP.sum(axis=0)) / (1 + len(reached_BP))
    p: Floats = np.where(known_P, share_P, NAN)
    return p


def _exchangeable(units: Grouped, strata: Grouped | None) -> list[NDArray[np.int64]]:
    """Groups whose rows can change places, by class: the rows of each, shape (groups, rows of one group)."""
    label = np.zeros(units.label.size, dtype=np.int64) if strata is None else strata.label
    classes: dict[tuple[int, ...], list[NDArray[np.int64]]] = {}
    for unit in range(units.n):
        rows = np.flatnonzero(units.label == unit)
        rows = rows[np.argsort(label[rows], kind="stable")]
        classes.setdefault(tuple(label[rows].tolist()), []).append(rows)
    return [np.stack(members) for members in classes.values()]


def _orders(classes: list[NDArray[np.int64]], n_rows: int, resampler: Resampler) -> tuple[NDArray[np.int64], bool]:
    """Orders of the rows in which groups of a class have changed places, shape (orders, rows); whether they are all."""
    is_all = math.prod(math.factorial(len(members)) for members in classes) <= max(resampler.resamples, EXACT_ORDERS)
    if is_all:
        each = itertools.product(*(itertools.permutations(range(len(members))) for members in classes))
        places = [np.array(one) for one in zip(*each, strict=True)]
    else:
        places = [
            np.random.default_rng([resampler.seed, 2, number, len(members)]).permuted(
                np.tile(np.arange(len(members)), (resampler.resamples, 1)), axis=1
            )
            for number, members in enumerate(classes)
        ]
    orders = np.tile(np.arange(n_rows), (len(places[0]), 1))
    for members, place in zip(classes, places, strict=True):
        orders[:, members.ravel()] = members[place].reshape(len(place), -1)
    return orders, is_all
