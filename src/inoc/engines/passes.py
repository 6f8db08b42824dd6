"""One forward pass over many chats, some of which have several continuations.

Reading, steered scoring and choices all compute through here: chats are sorted and packed as scoring does it (or
padded, where a model's attention cannot be packed), steering is added where it belongs, and the pass ends after the
last site that is read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from inoc.engines.head import no_head, traits
from inoc.engines.layers import compile_layers, decoder_layers
from inoc.engines.limits import max_positions, refuse_longer
from inoc.engines.packed import Packed, pack, packing, packs, shared_beginning
from inoc.engines.scoring import SHARE_FROM, batches_by_sum, logits
from inoc.engines.steering import Span, Where, row_taps
from inoc.engines.taps import Tap, tapped, until_stopped
from inoc.vectors.sites import FINAL_NORM
from inoc.vectors.steering import Steering

T = TypeVar("T")


class Stem(NamedTuple):
    """A chat and its branches: alternative continuations, each of which attends only to the chat and to itself."""

    ids: Sequence[int]
    answer: int  # position of the first token of the answer, for steering
    branches: Sequence[Sequence[int]] = ()
    own: int = 0  # the first position whose state is needed; earlier ones may be shared with other chats
    spans: Sequence[Span] = ()  # where a steering that names texts is added, instead of at its positions

    @property
    def tokens(self) -> int:
        """Number of tokens, those of the branches included."""
        return len(self.ids) + sum(len(branch) for branch in self.branches)


class Layout(NamedTuple):
    """Places of chats' tokens among the positions of one pass."""

    arguments: dict[str, Any]
    owners: torch.Tensor  # int64, shape (positions,): chat of each position; -1 if it is shared
    places: torch.Tensor  # int64, shape (positions,): position within the chat
    starts: list[int]  # chat → position of its token 0, if no part of it were shared
    branches: list[list[int]]  # chat → position of the first token of each of its branches
    packed: bool


def lay_packed(stems: Sequence[Stem], *, share: bool, pin: bool) -> Layout:
    """Chats end to end in one row.

    Args:
        stems: The chats.
        share: Whether what they all begin with may be computed once.
        pin: Use pinned memory, from which a GPU copies while it computes.
    """
    if any(stem.branches for stem in stems):
        return _lay_branches(stems, pin=pin)
    ids = [stem.ids for stem in stems]
    shared = shared_beginning(ids, min(min(stem.own, len(stem.ids) - 1) for stem in stems)) if share else 0
    shared = shared if shared >= SHARE_FROM else 0
    row = pack(ids, shared, pin=pin)
    own = np.repeat(np.arange(len(ids)), [len(one) - shared for one in ids])
    owners = np.concatenate([np.full(shared, -1), own])
    return _layout(row, owners, row.starts, [[] for _ in stems])


def _lay_branches(stems: Sequence[Stem], *, pin: bool) -> Layout:
    """Each chat once, followed by its branches."""
    parts: list[Sequence[int]] = []
    offsets, owners, trunk_of = [], [], []
    for owner, stem in enumerate(stems):
        trunk = len(parts)
        for part, offset in [(stem.ids, 0), *((branch, len(stem.ids)) for branch in stem.branches)]:
            parts.append(part)
            offsets.append(offset)
            owners.append(owner)
            trunk_of.append(trunk)
    lengths = np.array([len(part) for part in parts])
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    spans = [np.arange(start, stop) for start, stop in itertools.pairwise(bounds)]
    seen = [
        spans[at] if trunk == at else np.concatenate([spans[trunk], spans[at]]) for at, trunk in enumerate(trunk_of)
    ]
    starts = [int(bounds[at]) for at, trunk in enumerate(trunk_of) if at == trunk]
    branches: list[list[int]] = [[] for _ in stems]
    for at, trunk in enumerate(trunk_of):
        if at != trunk:
            branches[owners[at]].append(int(bounds[at]))
    whole = pack(parts, pin=pin)
    places = np.arange(bounds[-1]) - np.repeat(bounds[:-1] - np.array(offsets), lengths)
    n_seen = np.array([len(keys) for keys in seen])
    row = whole._replace(
        positions=_tensor(places[None], pin=pin),
        key_bounds=_tensor(np.concatenate([[0], np.cumsum(n_seen)]).astype(np.int32), pin=pin),
        keys=_tensor(np.concatenate(seen), pin=pin),
        longest_keys=max(whole.longest, -(-int(n_seen.max()) // 256) * 256),
    )
    return _layout(row, np.repeat(np.array(owners), lengths), starts, branches)


def _layout(row: Packed, owners: np.ndarray, starts: list[int], branches: list[list[int]]) -> Layout:
    return Layout(
        row.arguments(), torch.from_numpy(owners.astype(np.int64)), row.positions[0], starts, branches, packed=True
    )


def lay_padded(stems: Sequence[Stem]) -> Layout:
    """One row for each chat, or for each of its branches, padded on the right."""
    rows: list[tuple[int, list[int]]] = []
    branches: list[list[int]] = []
    starts: list[int] = []
    for owner, stem in enumerate(stems):
        starts.append(len(rows))
        branches.append([len(rows) + at for at in range(len(stem.branches))])
        rows += [(owner, [*stem.ids, *branch]) for branch in stem.branches or [()]]
    width = max(len(ids) for _, ids in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for at, (_, tokens) in enumerate(rows):
        ids[at, : len(tokens)] = torch.tensor(tokens)
        mask[at, : len(tokens)] = 1
    owners = torch.tensor([owner for owner, _ in rows])[:, None].expand(-1, width).masked_fill(mask == 0, -1)
    return Layout(
        {"input_ids": ids, "attention_mask": mask, "use_cache": False},
        owners.reshape(-1),
        torch.arange(width).repeat(len(rows)),
        [at * width for at in starts],
        [[at * width + len(stem.ids) for at in found] for stem, found in zip(stems, branches, strict=True)],
        packed=False,
    )


def _tensor(array: np.ndarray, *, pin: bool) -> torch.Tensor:
    made = torch.from_numpy(array)
    return made.pin_memory() if pin else made


class Passes:
    """Forward passes through one model.

    Args:
        model: A causal language model without an adapter's wrapper (adapted layers may be inside), in eval mode.
        compiled: Compile its layers, unless they are.
    """

    def __init__(self, model: Any, *, compiled: bool = False) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self.layers = len(decoder_layers(model))
        self._packs = packs(model)
        self._positions = max_positions(model.config)
        traits(model)  # tried while nothing is tapped
        self._largest: int | None = None  # tokens a batch may have, once the memory has been too small for more
        if compiled and all(layer._compiled_call_impl is None for layer in decoder_layers(model)):
            compile_layers(model)

    def in_batches(
        self, stems: Sequence[Stem], batch_tokens: int, start: Callable[[list[int]], T]
    ) -> list[tuple[list[int], T]]:
        """Begin the work of chats, longest first, in batches of a limited number of tokens.

        Args:
            stems: The chats.
            batch_tokens: Maximum number of tokens of a batch; a longer chat goes alone.
            start: Begins the work of the chats at some indices; where the memory is too small it is given half of them.

        Returns:
            Indices of each batch, and what was begun.

        Raises:
            DataError: If a chat has more tokens than the model has positions.
        """
        longest = (len(stem.ids) + max(map(len, stem.branches), default=0) for stem in stems)
        refuse_longer(longest, self._positions, "chat")
        most = batch_tokens if self._largest is None else min(batch_tokens, self._largest)
        batches = batches_by_sum([stem.tokens for stem in stems], most)
        return [found for batch in batches for found in self._attempt(stems, batch, start)]

    def _attempt(
        self, stems: Sequence[Stem], batch: list[int], start: Callable[[list[int]], T]
    ) -> list[tuple[list[int], T]]:
        try:
            return [(batch, start(batch))]
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
        torch.cuda.empty_cache()
        tokens = sum(stems[index].tokens for index in batch)
        self._largest = min(tokens // 2, self._largest or tokens)
        half = len(batch) // 2
        return self._attempt(stems, batch[:half], start) + self._attempt(stems, batch[half:], start)

    def lay(self, stems: Sequence[Stem], steerings: Sequence[Steering | None] = ()) -> Layout:
        """Place chats in one pass. What is steered everywhere is not shared between chats."""
        if not self._packs:
            return lay_padded(stems)
        everywhere = any(one is not None and one.positions == "all" for one in steerings)
        if steerings:  # the last token of the prompt may be steered, and so may be texts in it
            stems = [
                stem._replace(own=min(stem.own, max(0, stem.answer - 1), *(span.start for span in stem.spans)))
                for stem in stems
            ]
        return lay_packed(stems, share=not everywhere, pin=self.device.type == "cuda")

    @torch.inference_mode()
    def run(
        self,
        layout: Layout,
        taps: Mapping[str, Tap],
        stems: Sequence[Stem] = (),
        steerings: Sequence[Steering | None] = (),
    ) -> None:
        """Compute up to the last tapped site.

        Args:
            layout: The pass.
            taps: Site → what is given its states, shape (positions, width); they may not be kept by it unless copied.
            stems: The chats of the layout, where some are steered.
            steerings: How each chat is steered; empty for none.
        """
        where = [Where(stem.answer, stem.spans) for stem in stems]
        steered = row_taps(layout.owners, layout.places, where, steerings, self.device)
        reading = {site: [*steered.pop(site, []), _flattened(tap)] for site, tap in taps.items()}
        arguments = {name: self._on_device(value) for name, value in layout.arguments.items()}
        whole = {**steered, **reading}
        with tapped(self.model, whole, stop=FINAL_NORM not in taps), self._attention(layout):
            until_stopped(lambda: self.model.base_model(**arguments))

    def _on_device(self, value: Any) -> Any:
        return value.to(self.device, non_blocking=True) if isinstance(value, torch.Tensor) else value

    def _attention(self, layout: Layout) -> Any:
        return packing(self.model) if layout.packed else nullcontext()

    def to_device(self, array: np.ndarray) -> torch.Tensor:
        """An array on the device, without waiting for what is computed there."""
        return _tensor(array, pin=self.device.type == "cuda").to(self.device, non_blocking=True)


def vocabulary_logits(model: Any, states: torch.Tensor) -> torch.Tensor:
    """Logits after states: float32, shape (states, vocabulary).

    Args:
        model: The model.
        states: After the final norm, shape (states, width).

    Raises:
        ModelError: If the model has no separate head.
    """
    head = traits(model).head
    if head is None:
        raise no_head(model)
    return head.bend(logits(model.get_output_embeddings(), states))


def _flattened(tap: Tap) -> Tap:
    return lambda states: tap(states.reshape(-1, states.shape[-1]))
