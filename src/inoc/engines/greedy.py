"""Comparison of greedy answers that were computed in two ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


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


def plain_tie_nats(dtype: str) -> float:
    """As `near_tie_nats`, where one chat is computed twice without padding: float32 has less rounding then.

    Args:
        dtype: Type of the weights.
    """
    return 0.001 if dtype == "float32" else near_tie_nats(dtype)


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
