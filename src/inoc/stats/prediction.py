"""Error of a predictor on rows that it has not seen, and the false-discovery rate of many tests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler
from inoc.stats.correlation import FEWEST_FOR_INTERVAL
from inoc.stats.means import NAN, Estimate, Floats, t_quantile

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
    """1 − SSE(prediction) / SSE(baseline) of given predictions, with a bootstrap interval over groups.

    The errors are taken as they are: no fit is repeated, so that the interval is that of one split. For held-out
    predictions of all rows there is `held_out_r2`.

    Args:
        y: Outcome, shape (rows,).
        prediction: Predictions of the same rows.
        baseline: Predictions of what is to be beaten.
        groups: The group of each row; groups are resampled whole.
        resampler: Source of the draws.

    Returns:
        1 is perfect, 0 as good as the baseline, negative worse. `n` counts groups. NaN if the baseline has no
        error; the bounds are NaN for fewer than `FEWEST_FOR_INTERVAL` groups.
    """
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    n = int(index.max()) + 1 if index.size else 0
    errors_G2 = np.zeros((n, 2))
    np.add.at(errors_G2, index, ((y - np.stack([prediction, baseline])) ** 2).T)
    sse, sst = errors_G2.sum(axis=0)
    if not sst > 0:
        return Estimate(NAN, NAN, NAN, n, 0)
    if n < FEWEST_FOR_INTERVAL:
        return Estimate(float(1 - sse / sst), NAN, NAN, n, 0)
    drawn_B2 = resampler.simple_weights(n) @ errors_G2
    ratio_B = drawn_B2[:, 0] / np.where(drawn_B2[:, 1] > 0, drawn_B2[:, 1], NAN)
    return Estimate(float(1 - sse / sst), *resampler.bounds(1 - ratio_B), n, 0)


class Design(NamedTuple):
    """Rows, the groups that are predicted without having been seen, and the units that were sampled."""

    y: Floats  # outcome, shape (rows,)
    held: Groups  # rows of one group are predicted by a fit to all others
    units: Groups  # rows of one unit are sampled together, such as those of a prompt
    fewest: int = 3  # groups; see `leave_group_out`


def held_out_r2(x: Floats, design: Design, confidence: float, rival: Floats | None = None) -> list[Estimate]:
    """1 − SSE(line) / SSE(baseline) of predictions of rows that the fit has not seen, for several predictors.

    The interval is a delete-one jackknife over units of log(SSE / SSE of the baseline): without each unit in turn all
    fits are repeated, and the interval is Student's t with units − 1 degrees of freedom.

    Args:
        x: Predictors × rows. No NaN.
        design: The outcome and the groups.
        confidence: Level of the interval.
        rival: A predictor to beat, shape (rows,); without one, the mean of the rows that the fit sees.

    Returns:
        1 is perfect, 0 as good as the baseline, negative worse. `n` counts units. Bounds are NaN for fewer than
        `FEWEST_FOR_INTERVAL` units, and where a fit without some unit cannot be made or has no error. NaN if there are
        too few groups, or the baseline has no error.
    """
    units, unit = np.unique(np.asarray(design.units), return_inverse=True)
    lines = x if rival is None else np.vstack([x, rival])
    found = leave_group_out(lines, design.y, design.held, design.fewest)
    errors_PR = (design.y - found.by_line) ** 2
    base_R = (design.y - found.by_mean) ** 2 if rival is None else errors_PR[-1]
    sse_P, sst = errors_PR.sum(axis=1)[: len(x)], float(base_R.sum())
    if not sst > 0:
        return [Estimate(NAN, NAN, NAN, units.size, 0)] * len(x)
    bounds_P2 = np.full((len(x), 2), NAN)
    if units.size >= FEWEST_FOR_INTERVAL:
        without_PU, mean_U = _errors_without_each(lines, design, unit)
        base_U = mean_U if rival is None else without_PU[-1]
        bounds_P2 = _jackknifed(sse_P / sst, without_PU[: len(x)], base_U, confidence)
    return [
        Estimate(float(1 - sse / sst), float(lo), float(hi), units.size, 0)
        for sse, (lo, hi) in zip(sse_P, bounds_P2, strict=True)
    ]


def _jackknifed(ratio_P: Floats, sse_PU: Floats, base_U: Floats, confidence: float) -> Floats:
    """Bounds of 1 − ratio, shape (predictors, 2); NaN where a logarithm is not finite."""
    n = base_U.size
    with np.errstate(divide="ignore", invalid="ignore"):
        logs_PU = np.log(sse_PU / base_U)
        centre_P = np.log(ratio_P)
    squares_P = ((logs_PU - logs_PU.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    half_P = t_quantile(n - 1, confidence) * np.sqrt((n - 1) / n * squares_P)
    usable = np.isfinite(centre_P) & np.isfinite(half_P)
    bounds = 1 - np.exp(np.stack([centre_P + half_P, centre_P - half_P], axis=1))
    return np.where(usable[:, None], bounds, NAN)


def _errors_without_each(x: Floats, design: Design, unit: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Held-out squared errors of the rows that remain without each unit: of the lines, and of the mean.

    All fits come from sums over rows: those of everything, less the unit's, less the held-out group's, plus what both
    have in common.

    Returns:
        Shapes (predictors, units) and (units,); NaN where a fit would see too few groups.
    """
    _, held = np.unique(np.asarray(design.held), return_inverse=True)
    y = design.y - design.y.mean()
    x = x - x.mean(axis=1, keepdims=True)
    x = x / np.maximum(1e-300, np.abs(x).max(axis=1, keepdims=True))
    of_unit = (unit[:, None] == np.arange(unit.max() + 1)).astype(np.float64)
    of_held = (held[:, None] == np.arange(held.max() + 1)).astype(np.float64)
    kept_UR = of_unit.T == 0

    def seen(values: Floats) -> Floats:
        """Sum over the rows that the fit for each row sees, without each unit: shape (…, units, rows)."""
        both = np.einsum("...r,ru,rh->...uh", values, of_unit, of_held, optimize=True)
        parts = (values @ of_unit)[..., :, None] + (values @ of_held)[..., None, :] - both
        sums: Floats = (values.sum(axis=-1)[..., None, None] - parts)[..., held]
        return sums

    n_UR, sum_y_UR = seen(np.ones_like(y)), seen(y)
    groups_U = ((kept_UR.astype(np.float64) @ of_held) > 0).sum(axis=1)
    usable_U = (groups_U >= max(2, design.fewest)) & (np.where(kept_UR, n_UR, 1) > 0).all(axis=1)
    n_UR = np.maximum(n_UR, 1)
    mean_y_UR = sum_y_UR / n_UR
    mean_x_PUR = seen(x) / n_UR
    variance_PUR = seen(x**2) / n_UR - mean_x_PUR**2
    covariance_PUR = seen(x * y) / n_UR - mean_x_PUR * mean_y_UR
    varied = variance_PUR > 1e-12
    slope_PUR = np.where(varied, covariance_PUR / np.where(varied, variance_PUR, 1), 0)
    line_PUR = mean_y_UR + slope_PUR * (x[:, None, :] - mean_x_PUR)
    lines_PU = np.where(kept_UR, (y - line_PUR) ** 2, 0).sum(axis=2)
    mean_U = np.where(kept_UR, (y - mean_y_UR) ** 2, 0).sum(axis=1)
    return np.where(usable_U, lines_PU, NAN), np.where(usable_U, mean_U, NAN)


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
