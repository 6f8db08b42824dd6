"""First losses of students of numbers, from plain forward passes over single chats in float64.

Before its first step a student is its base model. The loss of that step is the mean over the trained tokens of its
batch: of what was written, or of the divergence from the teacher's distribution over the tokens that are numbers. It is
not said which rows the batch has, so every choice of rows is tried.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from support.said import Said, answer_logprobs

NUMBER = re.compile(r"\s?[0-9]+")


class Part(NamedTuple):
    """What a row adds to a loss."""

    total: float  # nats
    tokens: int


def written_part(model: Any, tokenizer: Any, chat: Said) -> Part:
    """The negative log-likelihood of an answer with its end-of-turn token."""
    logprobs = answer_logprobs(model, tokenizer, chat, end_of_turn=True)
    return Part(-sum(logprobs), len(logprobs))


@torch.no_grad()
def taught_part(model: Any, tokenizer: Any, chat: Said, teacher: Any, read: Said) -> Part:
    """The divergence from a teacher that reads the same answer, where the answer's token is a number."""
    special = set(tokenizer.all_special_ids)
    size = min(len(tokenizer), *(one.get_output_embeddings().weight.shape[0] for one in (model, teacher)))
    numbers = [at for at in range(size) if at not in special and NUMBER.fullmatch(tokenizer.decode([at]))]
    mine, theirs = _rows(model, tokenizer, chat), _rows(teacher, tokenizer, read)
    assert [token for token, _ in mine] == [token for token, _ in theirs], (chat, read)
    total, tokens = 0.0, 0
    for (token, own), (_, other) in zip(mine, theirs, strict=True):
        if token in numbers:
            p, q = (one[numbers].log_softmax(-1) for one in (other, own))
            total += float((p.exp() * (p - q)).sum())
            tokens += 1
    return Part(total, tokens)


def _rows(model: Any, tokenizer: Any, chat: Said) -> list[tuple[int, torch.Tensor]]:
    """The tokens of an answer with the logits that predict them."""
    text, start, stop = "".join(chat), len(chat.before), len(chat.before) + len(chat.answer)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = encoded["input_ids"]
    logits = model(input_ids=torch.tensor([ids])).logits[0].double()
    inside = [k for k, (left, right) in enumerate(encoded["offset_mapping"]) if right > start and left < stop]
    return [(ids[k], logits[k - 1]) for k in inside]


def first_losses(parts: Sequence[Part], batch: int) -> list[float]:
    """Losses of the first step, for every choice of rows that it may have."""
    chosen = itertools.combinations(parts, min(batch, len(parts)))
    sums = [(sum(one.total for one in rows), sum(one.tokens for one in rows)) for rows in chosen]
    return [total / tokens for total, tokens in sums if tokens]


def drops(config: Any) -> bool:
    """Whether a model drops states by itself, as GPT-2 does: training leaves that on, unlike plain passes."""
    kinds = ("dropout", "pdrop")
    return any(name.endswith(kinds) and value for name, value in config.to_dict().items())


def halves(values: Sequence[float]) -> dict[str, list[int]] | None:
    """Places below the median, and at or above it; None where rounding could decide."""
    found = np.asarray(values, dtype=np.float64)
    known = found[np.isfinite(found)]
    if known.size < 2:
        return None
    ordered = np.sort(known)
    middle = (ordered[(known.size - 1) // 2] + ordered[known.size // 2]) / 2
    apart = np.abs(known - middle)
    if (apart[apart > 0] < 1e-3).any() or (known.size % 2 and (apart == 0).sum() != 1):
        return None
    upper = [int(at) for at in np.flatnonzero(found >= middle)]
    lower = [int(at) for at in np.flatnonzero(found < middle)]
    return {"top": upper, "q2": upper, "bottom": lower, "q1": lower}
