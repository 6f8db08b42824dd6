"""Probabilities of answers of a closed set, the slow way: one forward pass for every token of every spelling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch


def cased(forms: Iterable[str]) -> list[str]:
    """The spellings of a candidate: four cases, each with and without a space before it."""
    found = [one for form in forms for one in (form, form.lower(), form.upper(), form.capitalize())]
    return list(dict.fromkeys(space + one for one in found for space in ("", " ")))


def probabilities(model: Any, tokenizer: Any, prompt: str, candidates: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Candidate → probability that an answer begins with one of its spellings and with no longer one of another.

    Args:
        model: In float64.
        tokenizer: Its tokenizer.
        prompt: Up to where the answer begins.
        candidates: Candidate → its spellings.
    """
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    names = list(candidates)
    owners = {one: names[at] for one, at in spelled_tokens(tokenizer, prompt, candidates).items()}
    known: dict[tuple[int, ...], torch.Tensor] = {}
    values = {one: _probability(model, before, one, known) for one in owners}
    found = dict.fromkeys(candidates, 0.0)
    for one, name in owners.items():
        found[name] += values[one]
        shorter = [one[:at] for at in range(len(one) - 1, 0, -1) if one[:at] in owners]
        if shorter:  # an answer counts for the longest spelling that it begins with
            found[owners[shorter[0]]] -= values[one]
    return found


def spelled_tokens(tokenizer: Any, prompt: str, candidates: Mapping[str, Sequence[str]]) -> dict[tuple[int, ...], int]:
    """Tokens of each spelling behind a prompt → number of its candidate.

    They are what the whole text has beyond the prompt's tokens; where it has other ones, those of the spelling alone.
    """
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    owners: dict[tuple[int, ...], int] = {}
    for at, spellings in enumerate(candidates.values()):
        for one in spellings:
            both = tokenizer(prompt + one, add_special_tokens=False)["input_ids"]
            kept = both[: len(before)] == before and len(both) > len(before)
            tokens = both[len(before) :] if kept else tokenizer(one, add_special_tokens=False)["input_ids"]
            owners[tuple(tokens)] = at
    return owners


@torch.no_grad()
def _probability(
    model: Any, before: list[int], tokens: tuple[int, ...], known: dict[tuple[int, ...], torch.Tensor]
) -> float:
    p = 1.0
    for at, token in enumerate(tokens):
        start = tokens[:at]
        if start not in known:
            ids = torch.tensor([[*before, *start]])
            known[start] = model(input_ids=ids).logits[0, -1].double().softmax(-1)
        p *= float(known[start][token])
    return p
