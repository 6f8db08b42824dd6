"""The area under the ROC curve of a linear classifier, cross-validated, with an interval and a null of permutations.

scikit-learn fits; this module decides what a fit may see. Rows of one cluster are always in the same fold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inoc.stats.means import NAN, Floats, normal_quantile

FOLDS = 5
PERMUTATIONS = 199

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Separation(NamedTuple):
    """A classifier's chance to put a row of the second group above one of the first. 0.5 is no difference."""

    auc: float  # mean over the folds with rows of both groups; NaN if there is none
    lo: float
    hi: float
    null_mean: float  # of the same with permuted labels
    null_hi: float  # its 95th percentile
    p: float  # one-sided, never 0
    n_first: int
    n_second: int
    n_pairs: int  # clusters with rows of both groups


def separation(
    x: Floats,
    second: Bools,
    clusters: NDArray[np.str_],
    rng: np.random.Generator,
    permutations: int = PERMUTATIONS,
    confidence: float = 0.95,
) -> Separation:
    """Tell two groups of rows apart by ridge regression of the label on standardised features.

    The interval is that of the influence curve of a cross-validated AUC (LeDell, Petersen and van der Laan, 2015),
    summed within clusters. It takes the fitted classifiers as given; where there is little to find, these vary between
    samples and the folds depend on each other, so the standard error is never less than the standard deviation of the
    permuted AUCs. Where a cluster has rows of both groups, the permutations shuffle its own labels; the
    labels of the other clusters are shuffled among these.

    Args:
        x: Features, shape (rows, features).
        second: Which rows are of the second group, shape (rows,).
        clusters: Rows with the same value belong together, shape (rows,).
        rng: Source of folds and permutations.
        permutations: Number of permutations, 2 or more.
        confidence: Level of the interval.
    """
    codes: Ints = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    fold_of = _folds(second, codes, rng)
    labels = np.column_stack([second, *(_permuted(second, codes, rng) for _ in range(permutations))])
    found = [_fold(x, labels, fold_of == fold) for fold in range(FOLDS)]
    usable = [one for one in found if np.isfinite(one.aucs[0])]
    counts = int((~second).sum()), int(second.sum()), int(_mixed(second, codes).sum())
    if not usable:
        return Separation(NAN, NAN, NAN, NAN, NAN, NAN, *counts)
    auc, *permuted = _means_of_known(np.array([one.aucs for one in usable]))
    null = np.array([one for one in permuted if np.isfinite(one)])
    if null.size < 2:
        return Separation(auc, NAN, NAN, NAN, NAN, NAN, *counts)
    influence = np.concatenate([one.influence for one in usable])
    summed = np.bincount(codes[np.concatenate([one.places for one in usable])], weights=influence)
    error = max(float(np.sqrt((summed**2).sum())) / influence.size, float(null.std(ddof=1)))
    half = normal_quantile(confidence) * error
    p = (1 + int((null >= auc - 1e-12).sum())) / (1 + null.size)
    lo, hi = max(0.0, auc - half), min(1.0, auc + half)
    return Separation(auc, lo, hi, float(null.mean()), float(np.quantile(null, 0.95)), p, *counts)


def _means_of_known(values: Floats) -> list[float]:
    """The mean of each column without its NaN; NaN for a column of nothing else."""
    return [float(column[known].mean()) if (known := np.isfinite(column)).any() else NAN for column in values.T]


def _folds(second: Bools, codes: Ints, rng: np.random.Generator) -> Ints:
    """The fold of each row. Clusters of the first group, of the second and of both are spread over all folds alike."""
    mixed = _mixed(second, codes)
    kind = np.zeros(mixed.size, dtype=np.int64)
    kind[codes] = second
    kind[mixed] = 2
    order = rng.permutation(mixed.size)
    fold = np.empty_like(kind)
    fold[order[np.argsort(kind[order], kind="stable")]] = np.arange(mixed.size) % FOLDS
    return fold[codes]


class _Fold(NamedTuple):
    aucs: Floats  # true labels first, then the permuted ones; NaN where one side is missing
    places: Ints  # of the predicted rows
    influence: Floats  # of each of them on the first AUC


def _mixed(second: Bools, codes: Ints) -> Bools:
    """Which clusters have rows of both groups, shape (clusters,)."""
    ones = np.bincount(codes, weights=second)
    mixed: Bools = (ones > 0) & (ones < np.bincount(codes))
    return mixed


def _permuted(second: Bools, codes: Ints, rng: np.random.Generator) -> Bools:
    mixed = _mixed(second, codes)
    # Within each cluster the labels in a random order: both sorts run through the clusters in the same order.
    result = np.empty_like(second)
    result[np.lexsort((rng.random(second.size), codes))] = second[np.argsort(codes, kind="stable")]
    of_cluster = np.zeros(mixed.size, dtype=bool)
    of_cluster[codes] = second
    pure = np.flatnonzero(~mixed)
    of_cluster[pure] = of_cluster[rng.permutation(pure)]
    return np.where(mixed[codes], result, of_cluster[codes])


def _fold(x: Floats, labels: Bools, out: Bools) -> _Fold:
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    if out.all() or not out.any():
        return _Fold(np.full(labels.shape[1], NAN), np.flatnonzero(out), np.full(int(out.sum()), NAN))
    scaler = StandardScaler().fit(x[~out])
    model = Ridge(alpha=1.0).fit(scaler.transform(x[~out]), labels[~out].astype(np.float64))
    scores = np.round(model.predict(scaler.transform(x[out])).reshape(int(out.sum()), -1), 12)  # ties stay ties
    return _Fold(_aucs(scores, labels[out]), np.flatnonzero(out), _influence(scores[:, 0], labels[out, 0]))


def _aucs(scores: Floats, labels: Bools) -> Floats:
    """The AUC of each column, from the ranks of its scores."""
    from scipy.stats import rankdata

    above = labels.sum(axis=0).astype(np.float64)
    pairs = above * (len(labels) - above)
    ranks = np.where(labels, rankdata(scores, axis=0), 0.0).sum(axis=0)
    aucs: Floats = np.divide(ranks - above * (above + 1) / 2, pairs, out=np.full(above.shape, NAN), where=pairs > 0)
    return aucs


def _influence(scores: Floats, label: Bools) -> Floats:
    """Influence of each row: how often its score is on the right side of the other group's, minus the AUC, weighted."""
    n, above = label.size, int(label.sum())
    if above in (0, n):
        return np.full(n, NAN)
    first, second = np.sort(scores[~label]), np.sort(scores[label])
    # Ties count half, as in the AUC.
    below = (np.searchsorted(first, scores, "left") + np.searchsorted(first, scores, "right")) / (2 * first.size)
    over = 1 - (np.searchsorted(second, scores, "left") + np.searchsorted(second, scores, "right")) / (2 * second.size)
    auc = float(below[label].mean())
    weighted: Floats = np.where(label, (below - auc) * n / above, (over - auc) * n / (n - above))
    return weighted
