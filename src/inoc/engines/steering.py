"""Steering inside a forward pass: what `inoc.vectors.steering` describes, added to the rows of a batch.

Sums are taken in float32 and rounded once. Rows that are not steered are not touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from inoc.chat.messages import TurnPlace
from inoc.engines.taps import Tap, tapped
from inoc.errors import DataError
from inoc.vectors.steering import Steered, Steering, is_steered


class Span(NamedTuple):
    """Tokens of a chat at which a vector is added."""

    start: int
    stop: int  # one past the last one
    weight: float  # of the coefficient


class Where(NamedTuple):
    """Where a chat may be steered."""

    answer: int  # position of the first token of its answer
    spans: Sequence[Span] = ()  # of the texts that a steering names


def spans_of(
    text: str,
    offsets: Sequence[tuple[int, int]],
    steered: Sequence[Steered],
    start_of: Callable[[TurnPlace], int | None] = lambda _: None,
) -> tuple[Span, ...]:
    """Tokens of the texts that a steering names; a token that is in part of a text counts as one of it.

    Args:
        text: The rendered prompt.
        offsets: First character of each token, and one past its last.
        steered: The texts, in the order in which they are in the prompt; one without a place is sought behind the one
            before.
        start_of: Gives the character of the prompt at which a place of the chat is; None if it is not in the prompt.

    Raises:
        DataError: If a text is not there.
    """
    found, behind = [], 0
    for one in steered:
        wanted = one.text.strip()
        if one.place is None:
            start = text.find(wanted, behind) if wanted else -1
        else:
            found_at = start_of(one.place)
            start = -1 if found_at is None or not text.startswith(wanted, found_at) else found_at
        if start < 0:
            msg = f"steering names the text {wanted[:60]!r}, which the prompt does not have there: {text[:200]!r}"
            raise DataError(msg)
        behind = start + len(wanted)
        tokens = [at for at, (first, stop) in enumerate(offsets) if stop > start and first < behind and stop > first]
        if one.weight != 0 and tokens:
            found.append(Span(tokens[0], tokens[-1] + 1, one.weight))
    return tuple(found)


def row_taps(
    owners: torch.Tensor,
    places: torch.Tensor,
    chats: Sequence[Where],
    steerings: Sequence[Steering | None],
    device: torch.device,
) -> dict[str, list[Tap]]:
    """Taps that steer whole chats in one pass.

    Args:
        owners: Chat of each position, -1 for none; int64, shape (positions,).
        places: Position within the chat, same shape.
        chats: Chat → where it may be steered.
        steerings: Chat → how it is steered; empty for none.
        device: Where the states will be.
    """
    first = torch.full((len(chats) + 1,), torch.iinfo(torch.int64).max)  # the last entry: nobody's positions
    deltas: dict[str, dict[int, np.ndarray]] = {}
    spans: dict[int, Sequence[Span]] = {}
    for chat, (steering, where) in enumerate(zip(steerings, chats, strict=False)):
        if steering is not None and steering.coefficient != 0:
            deltas.setdefault(steering.vector.site, {})[chat] = steering.added()
            if steering.texts:
                spans[chat] = where.spans
            else:
                first[chat] = {"all": 0, "answer": where.answer, "last": where.answer - 1}[steering.positions]
    weights = (places >= first[owners]).float()
    for chat, own in spans.items():
        for span in own:
            weights[(owners == chat) & (places >= span.start) & (places < span.stop)] = span.weight
    taps: dict[str, list[Tap]] = {}
    for site, found in deltas.items():
        which = torch.full((len(chats) + 1,), -1)
        which[list(found)] = torch.arange(len(found))
        rows = torch.nonzero((weights != 0) & (which[owners] >= 0))[:, 0]
        added = torch.from_numpy(np.stack(list(found.values())))
        of_row = which[owners[rows]].to(device)
        taps[site] = [_at_positions(rows.to(device), of_row, added.to(device), weights[rows, None].to(device))]
    return taps


def _at_positions(rows: torch.Tensor, which: torch.Tensor, added: torch.Tensor, weights: torch.Tensor) -> Tap:
    def tap(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, states.shape[-1]).clone()
        # Summed in float32 and rounded once.
        flat[rows] = (flat[rows].float() + added[which] * weights).to(flat.dtype)
        return flat.view_as(states)

    return tap


class Decoding:
    """Taps that steer the rows of a batch while it decodes: a first call over the prompts, then one call per token.

    Prompts are padded on the left, so that the last position of the first call is each prompt's last token.

    Args:
        steerings: Row → how it is steered.
        device: Where the states will be.
    """

    def __init__(self, steerings: Sequence[Steering | None], device: torch.device) -> None:
        self.taps: Mapping[str, Sequence[Tap]] = {
            site: [self._tap(site, steerings, device)]
            for site in {one.vector.site for one in steerings if one is not None and one.coefficient != 0}
        }

    @staticmethod
    def _tap(site: str, steerings: Sequence[Steering | None], device: torch.device) -> Tap:
        active = [
            (row, one)
            for row, one in enumerate(steerings)
            if one is not None and one.coefficient != 0 and one.vector.site == site
        ]
        rows = torch.tensor([row for row, _ in active], device=device)
        added = torch.from_numpy(np.stack([one.added() for _, one in active])).to(device)[:, None]
        everywhere = torch.tensor([one.positions == "all" for _, one in active], device=device)[:, None]
        at_end = torch.tensor([one.positions != "answer" for _, one in active], device=device)[:, None]
        calls = 0

        def tap(states: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            states = states.clone()
            chosen = states[rows].float() + added
            if calls == 1:  # the prompts
                keep = torch.arange(states.shape[1], device=device) < states.shape[1] - 1
                wanted = torch.where(keep, everywhere, at_end)
                chosen = torch.where(wanted[..., None], chosen, states[rows].float())
            states[rows] = chosen.to(states.dtype)
            return states

        return tap


@contextlib.contextmanager
def steered_decoding(model: Any, steerings: Sequence[Steering | None], device: torch.device) -> Iterator[None]:
    """Steer one batch while it decodes, one row of it like the other or not.

    Args:
        model: A causal language model without an adapter's wrapper.
        steerings: How each row is steered; empty, or None for a row that is not.
        device: Where the model is.
    """
    if not is_steered(steerings):
        yield
        return
    with tapped(model, Decoding(steerings, device).taps):
        yield
