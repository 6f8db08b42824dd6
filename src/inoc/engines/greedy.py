"""Comparison of greedy answers that were computed in two ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

CANARY_TOKENS = 4096
"""Maximum number of tokens in a batch where answers of a canary are scored."""
TIMES = 8.0
"""Gaps that rounding explains, as a multiple of the rounding of one log-probability.

A gap is between two tokens in two computations: four roundings, so twice that of one, and four standard deviations.
"""


class Greedy(NamedTuple):
    """A greedy answer and its likeliest alternatives."""

    ids: list[int]  # up to the stop token, which is the last one
    likeliest: list[dict[int, float]]  # for each position, the likeliest tokens and their log-probabilities, nats


def near_tie_nats(dtype: str) -> float:
    """Largest log-probability gap at which rounding may still swap the likeliest token for another one.

    Args:
        dtype: Type of the weights.
    """
    return 0.01 if dtype == "float32" else 0.5


PLAIN_TIE = 0.001
"""As `near_tie_nats`, in nats, where one chat is computed twice in float32 without padding, which rounds less."""


class Ties:
    """The gaps that a model's own rounding explains.

    Half a nat covers half precision in models of 7 billion weights and less. Rounding grows with depth, and weights in
    4 bits have more of it, so what is beyond is held against the rounding that this very model was measured to have.

    Args:
        dtype: Type of the weights.
        rounding: Measures it: root mean square of log-probabilities minus those in float32, nats. Called once, and only
            if a gap is above the constant. In float32 it is not called: nothing is more exact.
    """

    def __init__(self, dtype: str, rounding: Callable[[], float]) -> None:
        self._exact = dtype == "float32"
        self._rounding = rounding
        self._most: float | None = None

    def limit(self, gap: float, near: float) -> float:
        """Largest gap that is a near tie, nats.

        Args:
            gap: The one that was found.
            near: Constant below which every gap is a near tie: `near_tie_nats` or `PLAIN_TIE`.
        """
        if gap <= near or self._exact:
            return near
        if self._most is None:
            self._most = TIMES * self._rounding()
        return max(near, self._most)


def disagreement(reference: Greedy, ids: Sequence[int]) -> float:
    """Log-probability gap, by the reference, between its own token and the first one that differs from it.

    Args:
        reference: A greedy answer.
        ids: Another way's answer to the same, up to and with its stop token.

    Returns:
        Nats; 0 if no token differs, infinite if the token is not among the reference's likeliest.
    """
    for own, other, likeliest in zip(reference.ids, ids, reference.likeliest, strict=False):
        if own != other:
            return likeliest[own] - likeliest.get(other, -float("inf"))
    return 0.0 if len(ids) == len(reference.ids) else float("inf")
