"""Classification of prompts into those that suppress much and little, by the first components of their shifts.

scikit-learn fits; this module decides what a fit may see. Only inner products of the prompts enter, so that it serves
single tokens as well as whole responses.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inoc.stats.bootstrap import Resampler
from inoc.stats.means import NAN, Floats, t_quantile
from inoc.stats.prediction import out_of_sample_r2

N_FEATURES = 4
REPEATS = 50
PUBLISHED_SEED = 42


class Split(NamedTuple):
    """Places of the prompts that are fitted to, and of those that are predicted."""

    train: np.ndarray
    held_out: np.ndarray


class Fitted(NamedTuple):
    """Results of one split; arrays of predictions have shape (held out,), of coefficients (components,)."""

    probability: Floats  # of suppressing more than the threshold
    predicted: Floats  # suppression, points
    high: np.ndarray  # whether it does suppress more than the threshold
    threshold: float  # points
    auc: float  # NaN if all held-out prompts are on one side
    accuracy: float
    r2_out: float  # 1 − SSE / SSE of the mean of the training half
    logistic: Floats  # log odds per standard deviation of a component
    linear: Floats  # points per standard deviation


def random_splits(n: int, repeats: int, seed: int) -> list[Split]:
    """Halves of `n` prompts, drawn anew each time; the larger half of an odd number is predicted."""
    rng = np.random.default_rng([seed, 5, n])
    orders = (rng.permutation(n) for _ in range(repeats))
    return [Split(np.sort(order[: n // 2]), np.sort(order[n // 2 :])) for order in orders]


def published_split(high: np.ndarray) -> Split:
    """The split of the earlier study: halves with equally many on either side of the threshold, one fixed seed.

    Args:
        high: Which prompts suppress more than the threshold, in the order of the prompts.
    """
    from sklearn.model_selection import train_test_split

    halves = train_test_split(np.arange(high.size), test_size=0.5, random_state=PUBLISHED_SEED, stratify=high)
    return Split(*(np.asarray(half) for half in halves))


def gram_features(gram_NN: Floats, train: np.ndarray, means_N: Floats) -> Floats:
    """Scores of all prompts on principal components that were found in some of them, shape (prompts, components).

    Args:
        gram_NN: Inner products of all prompts, columns not centred.
        train: Places of the prompts that the components, and the centre, come from.
        means_N: A value for each prompt that fixes signs: over `train`, no component's correlation with it is
            negative.
    """
    from sklearn.decomposition import KernelPCA

    kept = min(N_FEATURES, train.size - 1)
    model = KernelPCA(kept, kernel="precomputed", eigen_solver="dense").fit(gram_NN[np.ix_(train, train)])
    scores: Floats = model.transform(gram_NN[:, train])
    agreement = (scores[train] * (means_N[train] - means_N[train].mean())[:, None]).sum(axis=0)
    return scores * np.where(agreement < 0, -1.0, 1.0)


def fit_split(features: Floats, y: Floats, split: Split, threshold: float | None = None) -> Fitted | None:
    """Fit a classifier and a line to one half, and predict the other.

    Args:
        features: Shape (prompts, components).
        y: Suppression in points, shape (prompts,).
        split: The halves.
        threshold: What counts as much; by default the median of the training half.

    Returns:
        None if the training half lies on one side of the threshold.
    """
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    train, out = split
    if threshold is None:
        threshold = float(np.median(y[train]))
    high = y > threshold
    if high[train].all() or not high[train].any():
        return None
    scaler = StandardScaler().fit(features[train])
    x_train, x_out = scaler.transform(features[train]), scaler.transform(features[out])
    classifier = LogisticRegression(C=1.0, max_iter=1000).fit(x_train, high[train])
    line = LinearRegression().fit(x_train, y[train])
    probability: Floats = classifier.predict_proba(x_out)[:, 1]
    predicted: Floats = line.predict(x_out)
    one_sided = bool(high[out].all() or not high[out].any())
    baseline = float(((y[out] - y[train].mean()) ** 2).sum())
    return Fitted(
        probability,
        predicted,
        high[out],
        threshold,
        NAN if one_sided else float(roc_auc_score(high[out], probability)),
        float((classifier.predict(x_out) == high[out]).mean()),
        1 - float(((y[out] - predicted) ** 2).sum()) / baseline if baseline > 0 else NAN,
        classifier.coef_[0],
        line.coef_,
    )


class Interval(NamedTuple):
    """A number and its interval."""

    value: float
    lo: float
    hi: float


def over_splits(values: Floats, confidence: float, most: float = np.inf, least: float = -np.inf) -> Interval:
    """Mean over repeated half-and-half splits, with the corrected resampled t interval.

    Splits of the same prompts overlap, so the variance of their mean is not s²/J but about s² (1/J + n_out/n_train)
    (Nadeau and Bengio, 2003): here s² (1/J + 1).

    Args:
        values: One for each split; NaN are left out.
        confidence: Level of the interval.
        most: Largest possible value; bounds are cut there.
        least: Smallest possible value.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return Interval(NAN, NAN, NAN)
    if known.size < 2:
        return Interval(float(known.mean()), NAN, NAN)
    half = t_quantile(known.size - 1, confidence) * float(known.std(ddof=1)) * (1 / known.size + 1) ** 0.5
    mean = float(known.mean())
    return Interval(mean, max(least, mean - half), min(most, mean + half))


class OneSplit(NamedTuple):
    """Measures of a single split, with intervals that draw its held-out prompts anew."""

    auc: Interval
    accuracy: Interval
    r2_out: Interval


def of_one_split(found: Fitted, y_out: Floats, train_mean: float, resampler: Resampler) -> OneSplit:
    """Intervals of a single split, which do not include the variation between splits.

    Args:
        found: Its predictions.
        y_out: Suppression of the held-out prompts.
        train_mean: Mean suppression of the training half.
        resampler: Source of the draws.
    """
    weights = resampler.simple_weights(y_out.size)
    right = (found.probability > 0.5) == found.high
    r2 = out_of_sample_r2(
        y_out, found.predicted, np.full(y_out.shape, train_mean), [str(i) for i in range(y_out.size)], resampler
    )
    return OneSplit(
        Interval(found.auc, *resampler.bounds(_drawn_auc(found, weights))),
        Interval(found.accuracy, *resampler.bounds(weights @ right / y_out.size)),
        Interval(r2.value, r2.lo, r2.hi),
    )


def _drawn_auc(found: Fitted, weights: Floats) -> Floats:
    """Share of pairs in the right order, in resamples; NaN where one side was not drawn."""
    above, below = (found.probability[side] for side in (found.high, ~found.high))
    order = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    w_above, w_below = weights[:, found.high], weights[:, ~found.high]
    pairs = w_above.sum(axis=1) * w_below.sum(axis=1)
    drawn: Floats = np.divide(
        ((w_above @ order) * w_below).sum(axis=1), pairs, out=np.full(len(weights), NAN), where=pairs > 0
    )
    return drawn


def roc_on(grid: Floats, found: Fitted) -> Floats:
    """True-positive rate at given false-positive rates; NaN if the held-out prompts are on one side."""
    from sklearn.metrics import roc_curve

    if np.isnan(found.auc):
        return np.full(grid.shape, NAN)
    false_rate, true_rate, _ = roc_curve(found.high, found.probability, drop_intermediate=False)
    # The highest rate that is reached at or below each false-positive rate.
    reached: Floats = true_rate[np.searchsorted(false_rate, grid + 1e-12, side="right") - 1]
    return reached
