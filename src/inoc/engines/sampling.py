"""Sampling as units of the store: a way of asking × a block of instructions × an adapter.

`generate`, `elicit` and `evaluate` all sample through here, so the same question to the same weights is answered
once, whoever asks. A block's batches depend on the block alone: what else a job has to do cannot change an answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from inoc.chat.messages import Chat
from inoc.config.models import Sampling
from inoc.digest import Json, digest
from inoc.engines.identity import ModelIdentity
from inoc.store import Store, Unit
from inoc.store.core import write_text

VERSION = 1
BASE = "base"  # the adapter digest of no adapter, or of one that changes nothing


class Answer(NamedTuple):
    """One sampled completion."""

    text: str
    n_tokens: int
    finish: str  # stop, or length if the completion was cut


class Block(NamedTuple):
    """Questions that are asked together, of one adapter."""

    adapter: str  # digest; `base` for none
    chats: tuple[Chat, ...]
    identities: tuple[str, ...]  # each request's seed comes from these
    sampling: Sampling
    label: str

    def unit(self, model: ModelIdentity) -> Unit:
        """The block as a unit of the store."""
        sampling = self.sampling.model_dump(mode="json")
        parts: dict[str, Json] = {
            "model": model.as_key(),
            "adapter": self.adapter,
            "engine": "transformers",
            "chats": digest([chat.as_key() for chat in self.chats]),
            "requests": digest(list(self.identities)),
            "n": len(self.chats),
            "sampling": sampling,
        }
        return Unit("sample", VERSION, parts, self.label)


class Sampler(Protocol):
    """An engine that can answer."""

    def sample(self, chats: Sequence[Chat], identities: Sequence[str], sampling: Sampling) -> list[Answer]:
        """Answer chats; a request's randomness depends on the sampling's seed and its identity alone."""
        ...

    def use_adapter(self, folder: Path | None) -> None:
        """Answer through an adapter from now on, or through the bare model."""
        ...

    def check(self, chats: Sequence[Chat], max_tokens: int) -> None:
        """The canary: greedy answers in a batch must equal greedy answers one by one."""
        ...


def load_engine(model: ModelIdentity) -> Sampler:
    """The engine in this process; imported only when something must be computed."""
    from inoc.engines.transformers import TransformersEngine

    return TransformersEngine(model)


def answer_blocks(
    store: Store,
    model: ModelIdentity,
    blocks: Sequence[Block],
    load: Callable[[], Sampler],
    adapters: Mapping[str, Path],
    *,
    canary: int,
    advance: Callable[[int], None],
) -> list[list[Answer]]:
    """Answers of all blocks, from the store where they are there; the model is loaded only if some are not.

    Args:
        store: Where answers are kept.
        model: The model.
        blocks: What to ask.
        load: Loads the engine.
        adapters: Adapter digest → folder.
        canary: So many chats per adapter are first answered greedily, batched and one by one.
        advance: Told how many completions are done.
    """
    units = [block.unit(model) for block in blocks]
    missing = {unit.key for unit in store.missing(units)}
    engine: Sampler | None = None
    current = ""
    for unit, block in sorted(zip(units, blocks, strict=True), key=lambda pair: pair[1].adapter):
        if unit.key not in missing:
            advance(len(block.chats))
            continue
        missing.discard(unit.key)  # a block that comes again is answered once
        with store.claim(unit) as work:
            if work is not None:
                engine = engine or load()
                if block.adapter != current:
                    engine.use_adapter(adapters.get(block.adapter))
                    current = block.adapter
                    if canary:
                        engine.check(block.chats[:canary], min(block.sampling.max_tokens, 32))
                answers = engine.sample(block.chats, block.identities, block.sampling)
                write_text(
                    work / "answers.json",
                    json.dumps([list(answer) for answer in answers], ensure_ascii=False),
                )
        advance(len(block.chats))
    return [read_answers(store, unit) for unit in units]


def read_answers(store: Store, unit: Unit) -> list[Answer]:
    """Answers of a block that has been sampled."""
    rows: list[list[Any]] = json.loads((store.folder(unit) / "answers.json").read_text(encoding="utf-8"))
    return [Answer(str(text), int(n_tokens), str(finish)) for text, n_tokens, finish in rows]


def blocks_of(
    adapter: str,
    chats: Sequence[Chat],
    identities: Sequence[str],
    sampling: Sampling,
    label: str,
    rows: int = 256,
) -> list[Block]:
    """Cut one way of asking into blocks of at most `rows` questions."""
    return [
        Block(adapter, tuple(chats[at : at + rows]), tuple(identities[at : at + rows]), sampling, label)
        for at in range(0, len(chats), rows)
    ]
