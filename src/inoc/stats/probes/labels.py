"""Labels of probes: their weights, and what a perfect probe could reach."""

from __future__ import annotations

import numpy as np

from inoc.stats.means import NAN, Floats
from inoc.stats.probes.folds import Indices
from inoc.stats.probes.metrics import Measure, bounds, group_counts


def precision_weights(y_N: Floats, se_N: Floats) -> Floats:
    """Weights by uncertainty: 1 / (variance of the true labels + error variance of this one), with the mean 1.

    Args:
        y_N: Labels.
        se_N: Their standard errors; NaN, for one that is not known, counts as the mean of the others.

    Returns:
        All 1 if no error is known. The variance of the true labels is that of the labels minus the mean error
        variance, and at least a tenth of the former, so that no label gets more than ten times the weight of another
        only because its error is small.
    """
    error = se_N**2
    if not np.isfinite(error).any() or len(y_N) < 2:
        return np.ones(len(y_N))
    error = np.where(np.isfinite(error), error, np.nanmean(error))
    total = float(y_N.var(ddof=1))
    true = max(total - float(error.mean()), 0.1 * total)
    if true <= 0:
        return np.ones(len(y_N))
    weights = 1 / (true + error)
    found: Floats = weights / weights.mean()
    return found


def ceiling(
    y_N: Floats, se_N: Floats, groups: Indices, resamples: int, seed: int, confidence: float
) -> dict[str, Measure]:
    """The largest R² and r that labels with these errors allow, with intervals by a bootstrap of groups.

    Returns:
        `r2_ceiling`: reliability of the labels, 1 − mean error variance / variance, at least 0: R² of the true labels
        against the measured ones. `r_ceiling`: its square root. NaN if an error is not known or the label is constant.
    """
    if not len(y_N) or not np.isfinite(se_N).all():
        return {name: Measure(NAN, NAN, NAN, len(y_N)) for name in ("r2_ceiling", "r_ceiling")}
    counts = group_counts(int(groups.max(initial=-1)) + 1, resamples, seed)[:, groups]
    weights = np.concatenate([np.ones((1, len(y_N))), counts])
    centred = y_N - y_N.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights.sum(axis=1)
        spread = weights @ centred**2 - (weights @ centred) ** 2 / total
        variance = np.where(spread > 1e-12 * (weights @ y_N**2), spread / (total - 1), NAN)
        values = np.clip(1 - (weights @ se_N**2 / total) / variance, 0, 1)
    found = {}
    for name, each in (("r2_ceiling", values), ("r_ceiling", np.sqrt(values))):
        lo, hi = bounds(each[1:], confidence) if np.isfinite(each[0]) else (NAN, NAN)
        found[name] = Measure(float(each[0]), lo, hi, len(y_N))
    return found
