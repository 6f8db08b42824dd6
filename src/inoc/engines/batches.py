"""Batches of chats by their numbers of tokens, and the token that fills them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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


def pad_within(tokenizer: PreTrainedTokenizerBase, rows: int) -> None:
    """Make a tokenizer pad with a token of the model's vocabulary; any will do, as padding is masked.

    Args:
        tokenizer: Changed if its pad token is beyond the model's embeddings, or absent.
        rows: Number of the embeddings.
    """
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= rows:
        end = tokenizer.eos_token_id
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(end if end is not None and end < rows else 0)
