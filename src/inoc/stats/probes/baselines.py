"""Features that a probe is held against: what a task is, without a look inside the model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from inoc.stats.means import Floats
from inoc.stats.probes.folds import Indices, Split, codes

_WORD = re.compile(r"\w+")
MAX_WORDS = 5_000  # columns of a bag of words, the words that most tasks have


def length_features(texts: Sequence[str]) -> Floats:
    """Logarithm of 1 plus the number of characters, shape (texts, 1)."""
    return np.log1p(np.array([[len(text)] for text in texts], dtype=np.float64))


def word_features(texts: Sequence[str], least: int = 2) -> Floats:
    """Logarithms of 1 plus the counts of words that are in several texts, shape (texts, words).

    The list of words uses no label. A text without such a word is a row of zeros.

    Args:
        texts: The texts; case does not count.
        least: Number of texts that a word has to be in.
    """
    counted = [Counter(_WORD.findall(text.casefold())) for text in texts]
    in_texts = Counter(word for one in counted for word in one)
    ranked = sorted((word for word, n in in_texts.items() if n >= least), key=lambda word: (-in_texts[word], word))
    words = sorted(ranked[:MAX_WORDS])
    place = {word: at for at, word in enumerate(words)}
    found = np.zeros((len(texts), max(1, len(words))))
    for row, one in enumerate(counted):
        for word, n in one.items():
            if word in place:
                found[row, place[word]] = np.log1p(n)
    return found


def origin_features(origins: Sequence[str]) -> Floats:
    """A column for each origin, 1 for its rows."""
    number = codes(origins)
    found: Floats = np.eye(int(number.max(initial=0)) + 1)[number]
    return found


def origin_means(y_NT: Floats, weights_N: Floats, origins: Indices, split: Split) -> Floats:
    """Weighted mean of the training rows of the same origin; of all training rows for an origin without one.

    Returns:
        Shape (test rows, targets).
    """
    train, test = split.train, split.test
    overall = np.average(y_NT[train], axis=0, weights=weights_N[train])
    found = np.tile(overall, (len(test), 1))
    for origin in np.unique(origins[test]):
        own = train[origins[train] == origin]
        if len(own):
            found[origins[test] == origin] = np.average(y_NT[own], axis=0, weights=weights_N[own])
    return found


def random_like(x_ND: Floats, seed: int) -> Floats:
    """Normal numbers with the mean and standard deviation of each dimension."""
    rng = np.random.default_rng(seed)
    found: Floats = rng.standard_normal(x_ND.shape) * x_ND.std(axis=0) + x_ND.mean(axis=0)
    return found


def shuffled(groups: Indices, origins: Indices | None, times: int, seed: int) -> Indices:
    """Permutations of rows that keep groups together, of all rows or within each origin, shape (times, rows).

    Args:
        groups: Group of each row.
        origins: Origin of each row, within which rows are shuffled; None for all rows together.
        times: Number of permutations.
        seed: Their seed.
    """
    rng = np.random.default_rng(seed)
    n = len(groups)
    strata = [np.arange(n)] if origins is None else [np.flatnonzero(origins == one) for one in np.unique(origins)]
    found = np.tile(np.arange(n), (times, 1))
    for rows in strata:
        for at in range(times):
            found[at, rows] = rows[in_blocks(groups[rows], rng)]
    return found


def in_blocks(groups: Indices, rng: np.random.Generator) -> Indices:
    """One permutation of rows: groups are laid end to end in random order, and rows in random order within them.

    Labels of a group are alike, so a shuffle of single rows would give labels that carry more information than the
    true ones do. Of groups of one size, a group gets the labels of one other group; of unequal ones, some get those of
    two. Of groups of one row each, it is a permutation of rows.
    """
    n = len(groups)
    if len(np.unique(groups)) == n:
        return rng.permutation(n)
    place = rng.permutation(int(groups.max()) + 1)
    found = np.empty(n, dtype=np.int64)
    found[np.argsort(groups, kind="stable")] = np.lexsort((rng.random(n), place[groups]))
    return found
