"""How well a predictor does on what it has not seen, and how many of many tests to believe."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler
from inoc.stats.means import NAN, Estimate, Floats


class HeldOut(NamedTuple):
    """Predictions for every row by fits that have not seen its group."""

    by_line: Floats  # shape (rows,), unit of y
    by_mean: Floats  # mean of y in the rest: what is known without a predictor


def leave_group_out(x: Floats, y: Floats, groups: Floats | list[str]) -> HeldOut:
    """Predict each group's rows from a least-squares line (or plane) fitted to all others.

    Args:
        x: Predictor, shape (rows,), or several, shape (rows, predictors). No NaN.
        y: Outcome, shape (rows,). No NaN.
        groups: The group of each row.

    Returns:
        NaN throughout if there are fewer than three groups. A predictor that is constant in the rest predicts
        the mean.

    Raises:
        DataError: If a value is NaN, for then rows would differ between predictors.
    """
    x_RP = x.reshape(len(y), -1)
    if np.isnan(x_RP).any() or np.isnan(y).any():
        msg = "held-out errors need complete rows, but there are NaN; drop those rows for all predictors"
        raise DataError(msg)
    labels = np.asarray(groups)
    names = np.unique(labels)
    by_line, by_mean = np.full(y.shape, NAN), np.full(y.shape, NAN)
    if names.size < 3:
        return HeldOut(by_line, by_mean)
    for name in names:
        out = labels == name
        by_mean[out] = y[~out].mean()
        by_line[out] = _predict(x_RP[~out], y[~out], x_RP[out])
    return HeldOut(by_line, by_mean)


def _predict(x_RP: Floats, y: Floats, wanted_RP: Floats) -> Floats:
    centre_P = x_RP.mean(axis=0)
    scale_P = x_RP.std(axis=0)
    # A column that only rounds away from constant must not be blown up into a predictor.
    usable = scale_P > 1e-12 * np.maximum(1e-300, np.abs(x_RP).max(axis=0))
    scale_P = np.where(usable, scale_P, 1.0)
    z_RP = np.where(usable, (x_RP - centre_P) / scale_P, 0)
    slopes_P, *_ = np.linalg.lstsq(z_RP, y - y.mean(), rcond=None)
    predicted: Floats = y.mean() + np.where(usable, (wanted_RP - centre_P) / scale_P, 0) @ slopes_P
    return predicted


def out_of_sample_r2(
    y: Floats, prediction: Floats, baseline: Floats, groups: Floats | list[str], resampler: Resampler
) -> Estimate:
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
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    n = int(index.max()) + 1 if index.size else 0
    ours_G = np.bincount(index, weights=(y - prediction) ** 2, minlength=n)
    theirs_G = np.bincount(index, weights=(y - baseline) ** 2, minlength=n)
    if not n or not theirs_G.sum() > 0 or np.isnan(ours_G).any():
        return Estimate(NAN, NAN, NAN, n, 0)
    weights_BG = resampler.simple_weights(n)
    ours_B, theirs_B = weights_BG @ ours_G, weights_BG @ theirs_G
    ratio_B = np.divide(ours_B, theirs_B, out=np.full(ours_B.shape, NAN), where=theirs_B > 0)
    value = 1 - float(ours_G.sum() / theirs_G.sum())
    return Estimate(value, *resampler.bounds(1 - ratio_B), n, 0)


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
