"""Cosines between the coefficients of probes, without their intercepts, and what they are worth.

Activations share a few wide directions, so probes of unrelated labels are not at right angles. The null distribution is
therefore that of refits: on resampled tasks, with the labels of one probe shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg

from inoc.stats.bootstrap import percentile_bounds
from inoc.stats.means import NAN, Floats
from inoc.stats.probes.baselines import in_blocks
from inoc.stats.probes.folds import Indices
from inoc.stats.probes.logistic import Observed, differences, minimise, reduced
from inoc.stats.probes.ridge import scale, spectrum


class Refits(NamedTuple):
    """Coefficients of one probe, of the activations as they are."""

    whole: Floats  # shape (dimensions,)
    resampled: Floats  # on resampled groups, shape (refits, dimensions)
    shuffled: Floats  # on the same rows with shuffled labels
    n: int  # rows


class Cosine(NamedTuple):
    """Cosine of two probes."""

    value: float  # NaN if one has no direction
    lo: float
    hi: float
    null_lo: float  # where 95 % are if the labels say nothing
    null_hi: float
    p: float  # two-sided, of the null
    n: int  # refits


def resampled_groups(n_groups: int, refits: int, seed: int) -> Indices:
    """Counts of each group in each resample, shape (refits, groups); the same for all probes of a study."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_groups, np.full(n_groups, 1 / max(n_groups, 1)), refits).astype(np.int64)


def direction(x_ND: Floats, y_N: Floats, weights_N: Floats, penalty: float) -> Floats:
    """Coefficients of one ridge regression, of the activations as they are.

    Args:
        x_ND: Activations.
        y_N: Labels; or several, of shape (rows, labels).
        weights_N: Weights; rows of weight 0 are left out.
        penalty: Multiple of the number of dimensions.

    Returns:
        Shape (dimensions,) or (dimensions, labels).
    """
    kept = weights_N > 0
    weights = weights_N[kept]
    scaled = scale(x_ND[kept], weights)
    z, y = scaled.rows, y_N[kept]
    centred = (y - np.average(y, axis=0, weights=weights)) * (scaled.root if y.ndim == 1 else scaled.root[:, None])
    absolute = penalty * z.shape[1]
    if len(z) <= z.shape[1]:
        gram = z @ z.T
        gram[np.diag_indices_from(gram)] += absolute
        found = z.T @ scipy.linalg.solve(gram, centred, assume_a="pos", check_finite=False, overwrite_a=True)
    else:
        gram = z.T @ z
        gram[np.diag_indices_from(gram)] += absolute
        found = scipy.linalg.solve(gram, z.T @ centred, assume_a="pos", check_finite=False, overwrite_a=True)
    result: Floats = found / (scaled.sd if y.ndim == 1 else scaled.sd[:, None])
    return result


def refitted(
    x_ND: Floats, y_N: Floats, weights_N: Floats, groups: Indices, counts: Indices, penalty: float, seed: int
) -> Refits:
    """Refit a ridge probe on resampled groups, with its labels and with shuffled ones.

    Args:
        x_ND: Activations.
        y_N: Labels.
        weights_N: Weights.
        groups: Group of each row, a column of `counts`.
        counts: How often each group is in each resample.
        penalty: Multiple of the number of dimensions, the same for all.
        seed: Seed of the shuffles.
    """
    rng = np.random.default_rng(seed)
    resampled, null = [], []
    for drawn in counts:
        weights = weights_N * drawn[groups]
        if (weights > 0).sum() < 3:
            resampled.append(np.full(x_ND.shape[1], NAN))
            null.append(np.full(x_ND.shape[1], NAN))
            continue
        order = in_blocks(groups, rng)
        resampled.append(direction(x_ND, y_N, weights, penalty))
        # A label keeps its weight when it is shuffled.
        null.append(direction(x_ND, y_N[order], weights_N[order] * drawn[groups], penalty))
    empty = np.empty((0, x_ND.shape[1]))
    return Refits(
        direction(x_ND, y_N, weights_N, penalty),
        np.array(resampled) if resampled else empty,
        np.array(null) if null else empty,
        len(y_N),
    )


def refitted_logistic(
    x_ND: Floats, outcomes: Observed, groups: Indices, counts: Indices, penalty: float, seed: int
) -> Refits:
    """The same as `refitted` of a logistic probe, or of one of pairs.

    Args:
        x_ND: Activations.
        outcomes: Outcomes; a pair counts as often as both of its rows were drawn together.
        groups: Group of each row, a column of `counts`.
        counts: How often each group is in each resample.
        penalty: Multiple of the number of dimensions, the same for all.
        seed: Seed of the shuffles, which are of outcomes.
    """
    rng = np.random.default_rng(seed)
    ones = np.ones(len(x_ND))
    rows, axes = reduced(spectrum(x_ND, ones), ones)
    design, absolute = differences(rows, outcomes), penalty * x_ND.shape[1]
    whole, _, start = minimise(design, outcomes, absolute)
    resampled, null = [], []
    for drawn in counts:
        times = drawn[groups].astype(np.float64)
        times = times[outcomes.a] * np.where(outcomes.b >= 0, times[outcomes.b], 1.0)
        order = rng.permutation(len(times))
        again = outcomes._replace(weight=outcomes.weight * times)
        if not again.weight.any():
            resampled.append(np.full(len(whole), NAN))
            null.append(np.full(len(whole), NAN))
            continue
        resampled.append(minimise(design, again, absolute, start)[0])
        null.append(minimise(design, again._replace(share=again.share[order]), absolute)[0])
    empty = np.empty((0, x_ND.shape[1]))
    refits = [np.array(each) @ axes.T if each else empty for each in (resampled, null)]
    return Refits(axes @ whole, refits[0], refits[1], len(x_ND))


def cosine_of(a: Refits, b: Refits, confidence: float) -> Cosine:
    """Cosine of two probes, with its interval by refits on the same resamples, and its null distribution.

    The null pairs each refit of one with one of shuffled labels of the other, both ways round.
    """
    value = float(each_cosine(a.whole, b.whole))
    refits = min(len(a.resampled), len(b.resampled))
    a, b = (one._replace(resampled=one.resampled[:refits], shuffled=one.shuffled[:refits]) for one in (a, b))
    again = _known(each_cosine(a.resampled, b.resampled))
    null = _known(np.concatenate([each_cosine(a.resampled, b.shuffled), each_cosine(a.shuffled, b.resampled)]))
    if len(again) < 2 or len(null) < 2 or not np.isfinite(value):
        return Cosine(value, NAN, NAN, NAN, NAN, NAN, len(again))
    beyond = (np.abs(null - np.median(null)) >= abs(value - np.median(null))).sum()
    return Cosine(
        value,
        *percentile_bounds(again, confidence),
        *percentile_bounds(null, confidence),
        float((1 + beyond) / (1 + len(null))),
        len(again),
    )


def each_cosine(a: Floats, b: Floats) -> Floats:
    """Cosines along the last axis; NaN for a vector without a direction."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (a * b).sum(axis=-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return found


def _known(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def cosine_matrix(vectors: Sequence[Floats]) -> Floats:
    """Cosines of each two vectors."""
    stacked = np.array(vectors)
    return each_cosine(stacked[:, None], stacked[None])
