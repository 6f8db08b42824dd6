"""Measures of held-out predictions, each with an interval by a bootstrap of groups.

All of those of numbers follow from six sums per group and origin, so that a resample is a matrix product.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from inoc.stats.bootstrap import percentile_bounds
from inoc.stats.means import NAN, Floats
from inoc.stats.probes.folds import Indices

MIN_ORIGINS = 3  # for a correlation of their means
_LEAST = 1e-12  # share of the sum of squares below which a label counts as constant


class Measure(NamedTuple):
    """One measure of held-out predictions; NaN where it is not defined."""

    value: float
    lo: float
    hi: float
    n: int  # rows, or origins for a correlation of their means


class Rows(NamedTuple):
    """Held-out rows."""

    measured: Floats
    predicted: Floats
    origins: Indices
    groups: Indices
    reference: Floats | None = None  # predictions by the means of origins, held out as well


def regression_measures(rows: Rows, resamples: int, seed: int, confidence: float) -> dict[str, Measure]:
    """Measures of predicted numbers.

    Args:
        rows: Held-out rows.
        resamples: Number of resamples of groups.
        seed: Their seed.
        confidence: Of the intervals.

    Returns:
        `r2`: 1 − squared errors over squares about the mean of these rows; NaN if the label does not vary, and below 0
        if the mean would be better. `r2_mean_adjusted`: the same after the mean of the predictions was set to that of
        the labels, which the probe does not know. `r`: Pearson's. `r_within`: of deviations from the means of origins.
        `r_between`: of the means of origins. `r2_beyond_origin`: 1 − squared errors over those of `reference`. `mse`.
        Without any signal, correlations over several folds are a little below 0, as a held-out row moves the mean of
        the others away from itself.
    """
    sums, cell_group, cell_origin = _cells(rows)
    n_groups = int(rows.groups.max(initial=-1)) + 1
    counts = group_counts(n_groups, resamples, seed)
    n_origins = int(rows.origins.max(initial=-1)) + 1
    values = {name: float(one[0]) for name, one in _measures(_by_origin(sums, cell_origin, n_origins, None)).items()}
    resampled = _measures(_by_origin(sums, cell_origin, n_origins, counts[:, cell_group]))
    enough = len(np.unique(rows.groups)) > 1
    found = {}
    for name, value in values.items():
        if name == "r2_beyond_origin" and rows.reference is None:
            continue
        lo, hi = bounds(resampled[name], confidence) if enough and np.isfinite(value) else (NAN, NAN)
        n = len(np.unique(rows.origins)) if name == "r_between" else len(rows.measured)
        found[name] = Measure(value, lo, hi, n)
    return found


def _cells(rows: Rows) -> tuple[Floats, Indices, Indices]:
    """Sums of each pair of group and origin, with the number of both."""
    y, p = rows.measured, rows.predicted
    y_mean, p_mean = y.mean() if len(y) else 0.0, p.mean() if len(p) else 0.0
    y, p = y - y_mean, p - p_mean  # so that no digits are lost in the squares
    error = (rows.measured - rows.predicted) ** 2
    other = (rows.measured - rows.reference) ** 2 if rows.reference is not None else np.full(len(y), NAN)
    pairs, inverse = np.unique(np.stack([rows.groups, rows.origins]), axis=1, return_inverse=True)
    columns = [np.ones(len(y)), y, p, y * y, p * p, y * p, error, other]
    sums = [np.bincount(inverse, column, pairs.shape[1]) for column in columns]
    return np.stack(sums, axis=1).astype(np.float64), pairs[0], pairs[1]


def group_counts(n_groups: int, resamples: int, seed: int) -> Floats:
    """Counts of each group in each resample, shape (resamples, groups)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_groups, np.full(n_groups, 1 / max(n_groups, 1)), resamples).astype(np.float64)


def _by_origin(sums: Floats, origins: Indices, n_origins: int, weights: Floats | None) -> Floats:
    """Sums of each origin, shape (resamples, origins, sums)."""
    weights = np.ones((1, len(sums))) if weights is None else weights
    found = np.zeros((len(weights), n_origins, sums.shape[1]))
    for origin in range(n_origins):
        own = origins == origin
        found[:, origin] = weights[:, own] @ sums[own]
    return found


def _measures(sums: Floats) -> dict[str, Floats]:
    """Measures of each resample, from the sums of its origins."""
    with np.errstate(invalid="ignore", divide="ignore"):
        n, y, p, yy, pp, yp, error, other = np.moveaxis(sums.sum(axis=1), -1, 0)
        s_yy, s_pp, s_yp = yy - y * y / n, pp - p * p / n, yp - y * p / n
        s_yy = np.where(s_yy > _LEAST * yy, s_yy, NAN)
        residual = s_yy - 2 * s_yp + s_pp  # of errors about their mean
        return {
            "r2": 1 - error / s_yy,
            "r2_mean_adjusted": 1 - residual / s_yy,
            "r": _ratio(s_yp, s_yy, s_pp, yy, pp),
            "r_within": _within(sums),
            "r_between": _between(sums),
            "mse": error / n,
            "r2_beyond_origin": 1 - error / np.where(other > 0, other, NAN),
        }


def _ratio(s_yp: Floats, s_yy: Floats, s_pp: Floats, yy: Floats, pp: Floats) -> Floats:
    varies = (s_yy > _LEAST * yy) & (s_pp > _LEAST * pp)
    found: Floats = np.where(varies, s_yp / np.sqrt(np.where(varies, s_yy * s_pp, 1.0)), NAN)
    return np.clip(found, -1, 1)


def _within(sums: Floats) -> Floats:
    n, y, p, yy, pp, yp = np.moveaxis(sums[..., :6], -1, 0)
    safe = np.where(n > 0, n, 1.0)
    s_yy, s_pp, s_yp = ((one - two / safe).sum(axis=1) for one, two in ((yy, y * y), (pp, p * p), (yp, y * p)))
    return _ratio(s_yp, s_yy, s_pp, yy.sum(axis=1), pp.sum(axis=1))


def _between(sums: Floats) -> Floats:
    n = sums[..., 0]
    there = n > 0
    safe = np.where(there, n, 1.0)
    y, p = (np.where(there, sums[..., at] / safe, NAN) for at in (1, 2))
    count = there.sum(axis=1)
    enough = count >= MIN_ORIGINS
    y, p = (np.where(enough[:, None], one, 0.0) for one in (y, p))
    y, p = (one - np.nanmean(one, axis=1, keepdims=True) for one in (y, p))
    s_yy, s_pp, s_yp = (np.nansum(one, axis=1) for one in (y * y, p * p, y * p))
    scale = [np.nansum(one, axis=1) for one in ((sums[..., 1] / safe) ** 2, (sums[..., 2] / safe) ** 2)]
    return np.where(enough, _ratio(s_yp, s_yy, s_pp, *scale), NAN)


def bounds(resampled: Floats, confidence: float) -> tuple[float, float]:
    """Bounds over the resamples in which a measure is defined; NaN if that is not even half of them."""
    known = resampled[np.isfinite(resampled)]
    return percentile_bounds(known, confidence) if len(known) >= max(2, len(resampled) / 2) else (NAN, NAN)


class Outcomes(NamedTuple):
    """Held-out outcomes of a class, or of choices."""

    share: Floats  # measured, from 0 to 1
    logits: Floats
    weight: Floats
    groups: Indices


def class_measures(rows: Outcomes, resamples: int, seed: int, confidence: float) -> dict[str, Measure]:
    """Measures of predicted probabilities.

    Returns:
        `auc`: probability that a row of the class has a higher logit than another, ties counting half; NaN with one
        class only. `accuracy`: weighted share of outcomes on the predicted side, a tie or a logit of 0 counting half.
        `log_loss`: cross-entropy in nats.
    """
    counts = group_counts(int(rows.groups.max(initial=-1)) + 1, resamples, seed)[:, rows.groups]
    weights = np.concatenate([np.ones((1, len(rows.share))), counts]) * rows.weight
    side, said = np.sign(rows.logits), np.sign(rows.share - 0.5)
    right = np.where(side * said > 0, np.maximum(rows.share, 1 - rows.share), np.minimum(rows.share, 1 - rows.share))
    right = np.where(side * said == 0, 0.5, right)
    loss = np.logaddexp(0.0, rows.logits) - rows.share * rows.logits
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights.sum(axis=1)
        each: Mapping[str, Floats] = {
            "auc": _auc(rows, weights),
            "accuracy": weights @ right / total,
            "log_loss": weights @ loss / total,
        }
    found = {}
    for name, values in each.items():
        lo, hi = bounds(values[1:], confidence) if np.isfinite(values[0]) else (NAN, NAN)
        found[name] = Measure(float(values[0]), lo, hi, len(rows.share))
    return found


def _auc(rows: Outcomes, weights: Floats) -> Floats:
    """Weighted area under the curve of each row of weights."""
    order = np.argsort(rows.logits, kind="stable")
    _, starts = np.unique(rows.logits[order], return_index=True)
    high, low = ((weights * one)[:, order] for one in (rows.share, 1 - rows.share))
    high, low = (np.add.reduceat(one, starts, axis=1) for one in (high, low)) if len(starts) else (high, low)
    below = np.cumsum(low, axis=1) - low
    found: Floats = (high * (below + 0.5 * low)).sum(axis=1) / (high.sum(axis=1) * low.sum(axis=1))
    return found
