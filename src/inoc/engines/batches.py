"""Batches of chats by their numbers of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indices in order of length, at most `size` at a time."""
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    for at in range(0, len(order), size):
        yield order[at : at + size]


def by_tokens(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices in order of length, so that no padded batch is over `most` tokens (a longer chat goes alone)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (lengths[index], index)):
        if batch and lengths[index] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
