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

    by_line: Floats  # shape (rows,), unit of y
    by_mean: Floats  # mean of y in the rest: what is known without a predictor


def leave_group_out(x: Floats, y: Floats, groups: Groups, fewest: int = 3) -> HeldOut:
    """Predict each group's rows from a least-squares line (or plane) fitted to all others.

    Args:
        x: Predictor, shape (rows,), or several, shape (rows, predictors). No NaN.
        y: Outcome, shape (rows,). No NaN.
        groups: The group of each row.
        fewest: So many groups are needed. One row says little, so where a group is one row it should be three;
            where a group is many rows, two will do.

    Returns:
        NaN throughout if there are fewer groups than needed. A predictor that is constant in the rest predicts
        the mean.

    Raises:
        DataError: If a value is NaN, for then rows would differ between predictors.
    """
    x_RP = x.reshape(len(y), -1)
    if np.isnan(x_RP).any() or np.isnan(y).any():
        msg = "held-out errors need complete rows, but there are NaN; drop those rows for all predictors"
        raise DataError(msg)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    if names.size < max(2, fewest):
        return HeldOut(np.full(y.shape, NAN), np.full(y.shape, NAN))
    rest_GR = (index != np.arange(names.size)[:, None]).astype(np.float64)
    n_G = rest_GR.sum(axis=1)
    mean_G = rest_GR @ y / n_G
    centre_GP = rest_GR @ x_RP / n_G[:, None]
    z_GRP = (x_RP - centre_GP[:, None]) * rest_GR[:, :, None]
    scale_GP = np.sqrt((z_GRP**2).sum(axis=1) / n_G[:, None])
    # A column that only rounds away from constant must not be blown up into a predictor.
    largest_GP = (np.abs(x_RP) * rest_GR[:, :, None]).max(axis=1)
    usable_GP = scale_GP > 1e-12 * np.maximum(1e-300, largest_GP)
    scale_GP = np.where(usable_GP, scale_GP, np.inf)
    z_GRP /= scale_GP[:, None]
    inverse_GPR = np.linalg.pinv(z_GRP, rcond=np.finfo(np.float64).eps * max(x_RP.shape))
    slopes_GP = (inverse_GPR @ (y - mean_G[:, None])[:, :, None])[:, :, 0]
    wanted_RP = (x_RP - centre_GP[index]) / scale_GP[index]
    return HeldOut(mean_G[index] + (wanted_RP * slopes_GP[index]).sum(axis=1), mean_G[index])


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
