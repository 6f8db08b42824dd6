"""Draws that depend on identities alone: not on their order, nor on what else is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from inoc.stats.means import Floats

_BITS = 53


def uniform(identity: str) -> float:
    """A number from 0 (included) to 1, the same for an identity everywhere."""
    return (int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") >> (64 - _BITS)) / 2.0**_BITS


def drawn(shares_NK: Floats, identities: Sequence[str]) -> np.ndarray:
    """Draw one of K outcomes in each row.

    Args:
        shares_NK: Probabilities, shape (rows, outcomes); rows sum to 1, or hold NaN.
        identities: One per row.

    Returns:
        Index of the outcome, shape (rows,); -1 where a probability is NaN.
    """
    at_N = np.array([uniform(one) for one in identities])
    steps_NK = np.cumsum(np.nan_to_num(shares_NK), axis=1)
    # The last step is 1 up to rounding, so nothing falls beyond the outcomes that can come.
    chosen_N = (at_N[:, None] * steps_NK[:, -1:] >= steps_NK).sum(axis=1)
    return np.where(np.isnan(shares_NK).any(axis=1), -1, np.minimum(chosen_N, shares_NK.shape[1] - 1))
