"""Distance of a pool from its prompt, and the number of directions in which it spreads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inoc.errors import MissingExtraError


class Spread(NamedTuple):
    """Spread of one pool. The measure is the cosine of TF-IDF vectors of character 2- to 4-grams."""

    similarity_mean: float  # to the prompt itself; 1 is the same text
    similarity_sd: float  # between rephrasings; NaN for a pool of one
    similarity_min: float
    effective_rank: float  # NaN for a pool without variation


def pool_spread(prompt: str, pool: Sequence[str]) -> Spread:
    """Measure a pool of at least one text.

    The vectors are fitted on the pool and its prompt alone, so that one prompt's spread depends on no other.

    Raises:
        MissingExtraError: If scikit-learn is not installed.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "figures") from error
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit_transform([prompt, *pool]).toarray()
    similarity = vectors[1:] @ vectors[0]
    return Spread(
        float(similarity.mean()),
        float(similarity.std(ddof=1)) if len(pool) > 1 else float("nan"),
        float(similarity.min()),
        effective_rank(vectors[1:]),
    )


def effective_rank(vectors: np.ndarray) -> float:
    """Exponential of the entropy of the normalised singular values of the centred vectors.

    Args:
        vectors: Shape (texts, features).

    Returns:
        From 1, all along one direction, to the rank; NaN if all vectors are equal.
    """
    centred = vectors - vectors.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)
    # Rounding leaves a little in directions that have nothing; it would count as rank.
    values = values[values > 1e-10 * max(1.0, float(np.abs(vectors).max(initial=0)))]
    if not values.size:
        return float("nan")
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
