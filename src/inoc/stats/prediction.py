"""How well a predictor does on what it has not seen, and how many of many tests to believe."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler
from inoc.stats.means import NAN, Estimate, Floats

Groups = Floats | NDArray[np.int64] | list[str]
"""The group of each row, by number or by name."""


class HeldOut(NamedTuple):
    """Predictions for every row by fits that have not seen its group."""

    by_line: Floats  # unit of y, shape (rows,), or (predictors, rows) for several
    by_mean: Floats  # mean of y in the rest, shape (rows,): what is known without a predictor


def leave_group_out(x: Floats, y: Floats, groups: Groups, fewest: int = 3) -> HeldOut:
    """Predict each group's rows from a least-squares line fitted to all others.

    Args:
        x: Predictor, shape (rows,), or several, each with a line of its own, shape (predictors, rows). No NaN.
        y: Outcome, shape (rows,). No NaN.
        groups: The group of each row.
        fewest: So many groups are needed. Where a group may be one row, a line needs the two that three leave; where a
            group is many rows, two will do.

    Returns:
        NaN throughout if there are fewer groups than needed. A predictor that is constant in the rest predicts
        the mean.

    Raises:
        DataError: If a value is NaN, for then rows would differ between predictors.
    """
    if np.isnan(x).any() or np.isnan(y).any():
        msg = "held-out errors need complete rows, but there are NaN; drop those rows for all predictors"
        raise DataError(msg)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    by_line, by_mean = np.full(x.shape, NAN), np.full(y.shape, NAN)
    if names.size < max(2, fewest):
        return HeldOut(by_line, by_mean)
    for place in range(names.size):
        out = index == place
        by_mean[out] = y[~out].mean()
        by_line[..., out] = _predict(x[..., ~out], y[~out], x[..., out])
    return HeldOut(by_line, by_mean)


def _predict(x: Floats, y: Floats, wanted: Floats) -> Floats:
    centre = x.mean(axis=-1, keepdims=True)
    moved = x - centre
    scale = np.sqrt((moved**2).mean(axis=-1, keepdims=True))
    # A predictor that only rounds away from constant must not be blown up into one that varies.
    usable = scale > 1e-12 * np.maximum(1e-300, np.abs(x).max(axis=-1, keepdims=True))
    scale = np.where(usable, scale, np.inf)
    z = moved / scale
    slope = z @ (y - y.mean()) / y.size
    predicted: Floats = y.mean() + (wanted - centre) / scale * slope[..., None]
    return predicted


def out_of_sample_r2(y: Floats, prediction: Floats, baseline: Floats, groups: Groups, resampler: Resampler) -> Estimate:
    """1 − SSE(prediction) / SSE(baseline) of held-out predictions, with a bootstrap interval over groups.

    Args:
        y: Outcome, shape (rows,).
        prediction: Held-out predictions of the same rows.
        baseline: Held-out predictions of what is to be beaten: the mean, or another predictor.
        groups: The group of each row; groups are resampled whole, with their held-out errors as they are.
        resampler: Source of the draws.

    Returns:
        1 is perfect, 0 as good as the baseline, negative worse. `n` counts groups. NaN if the baseline has no
        error.
    """
    return each_out_of_sample_r2(y, prediction[None], baseline, groups, resampler)[0]


def each_out_of_sample_r2(
    y: Floats, predictions: Floats, baseline: Floats, groups: Groups, resampler: Resampler
) -> list[Estimate]:
    """`out_of_sample_r2` of several predictions, shape (predictors, rows), against one baseline."""
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    n = int(index.max()) + 1 if index.size else 0
    # The baseline is treated as one more prediction, so that what equals it has a ratio of exactly 1.
    errors_GP = np.zeros((n, len(predictions) + 1))
    np.add.at(errors_GP, index, ((y - np.vstack([predictions, baseline])) ** 2).T)
    if not errors_GP[:, -1].sum() > 0:
        return [Estimate(NAN, NAN, NAN, n, 0)] * len(predictions)
    drawn_BP = resampler.simple_weights(n) @ errors_GP
    drawn_BP = drawn_BP[:, :-1] / np.where(drawn_BP[:, -1:] > 0, drawn_BP[:, -1:], NAN)
    totals = errors_GP.sum(axis=0)
    values = 1 - totals[:-1] / totals[-1]
    return [
        Estimate(float(value), *bounds, n, 0)
        for value, bounds in zip(values, resampler.each_bounds(1 - drawn_BP), strict=True)
    ]


def benjamini_hochberg(p: Floats) -> Floats:
    """False-discovery rates (q) of many tests.

    Args:
        p: p values, shape (tests,); NaN is a test that was not made and does not count.

    Returns:
        The smallest rate at which each test would be called a discovery; NaN where p is.
    """
    q = np.full(p.shape, NAN)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    raised = p[order] * order.size / np.arange(1, order.size + 1)
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1)
    return q
