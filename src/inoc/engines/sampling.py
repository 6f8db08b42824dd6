"""Sampling as units of the store: a way of asking × a block of instructions × an adapter.

`generate`, `elicit` and `evaluate` all sample through here, so the same question to the same weights is answered
once for all studies. With transformers a block's batches depend on the block alone: other work of a job cannot
change an answer. Only small blocks that are asked `together` share batches, made of those that are missing. vLLM, here
or behind an API, batches across blocks. So in half precision a near tie may fall differently; the entry stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from inoc.chat.messages import Chat
from inoc.config.models import Sampling
from inoc.digest import Json, digest
from inoc.engines.identity import ModelIdentity
from inoc.errors import ConfigError, ModelError
from inoc.store import Store, Unit
from inoc.store.core import write_text
from inoc.vectors.steering import Steering, is_steered, refuse_texts, steering_key

VERSION = 1
BASE = "base"  # the adapter digest of no adapter, or of one that changes nothing
AT_ONCE = {"transformers": 4, "vllm": 32, "api": 32}
"""Engine → full blocks that it is given, and this process holds, at a time. The latter two make batches of all of them,
transformers where a `Sampler` can."""
CANARY_TOKENS = 32
ROWS = 256
"""Maximum number of questions of a block."""


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
    steerings: tuple[Steering | None, ...] = ()  # of each chat; empty for none
    together: bool = False  # whether it may share its batches with other such blocks

    def unit(self, model: ModelIdentity) -> Unit:
        """The block as a unit of the store."""
        # Each of several answers is a request of its own, so their number is no part of any.
        elsewhere = {"engine", "n", *(() if self.sampling.engine == "transformers" else ("batch_size",))}
        parts: dict[str, Json] = {
            "model": model.as_key(),
            "adapter": self.adapter,
            "engine": self.sampling.engine,
            "chats": digest([chat.as_key() for chat in self.chats]),
            "requests": digest(list(self.identities)),
            "n": len(self.chats),
            "sampling": self.sampling.in_key(but=elsewhere),
            **steering_key(self.steerings),
        }
        if model.stops:
            parts["stops"] = list(model.stops)
        former = {**parts, "sampling": self.sampling.in_key(but=elsewhere, as_set=True)}
        return Unit("sample", VERSION, parts, self.label, former)

    def canary(self, n: int) -> Block:
        """The first few of the block's chats, to be answered greedily."""
        greedy = Sampling(
            engine=self.sampling.engine,
            temperature=0,
            max_tokens=min(self.sampling.max_tokens, CANARY_TOKENS),
            batch_size=n,
        )
        # It checks the engine, so it is not steered.
        return Block(self.adapter, self.chats[:n], self.identities[:n], greedy, self.label)


class Engine(Protocol):
    """Answers blocks of any adapter."""

    def prepare(self, adapters: Mapping[str, Path], canaries: Sequence[Block]) -> None:
        """Prepare for the adapters and canaries, before the first answer.

        Args:
            adapters: Adapter digest → folder.
            canaries: One greedy block per adapter; no adapter answers before its own is found right.
        """
        ...

    def answer(self, blocks: Sequence[Block]) -> Iterator[tuple[int, list[Answer]]]:
        """Answers of each block, with its position among the blocks, as soon as it is done; in any order.

        A request's randomness depends on the sampling's seed and its identity alone.
        """
        ...


class Sampler(Protocol):
    """A sampler that answers chats through one adapter at a time."""

    @property
    def mixes(self) -> bool:
        """Whether an answer's numbers do not depend on who shares its batch, so that any blocks may share batches."""
        ...

    def sample(
        self,
        chats: Sequence[Chat],
        identities: Sequence[str],
        sampling: Sampling,
        steerings: Sequence[Steering | None] = (),
    ) -> list[Answer]:
        """Answer chats; a request's randomness depends on the sampling's seed and its identity alone.

        Args:
            chats: Chats.
            identities: One for each.
            sampling: How they are answered.
            steerings: How each is steered; empty for none, as always with a sampler that cannot steer.
        """
        ...

    def use_adapter(self, folder: Path | None) -> None:
        """Answer through an adapter from now on, or through the bare model."""
        ...

    def check(self, chats: Sequence[Chat], max_tokens: int) -> None:
        """The canary: greedy answers in a batch must equal greedy answers one by one."""
        ...


class InTurn:
    """An engine that answers block after block, with a `Sampler`."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._adapter = ""
        self._adapters: Mapping[str, Path] = {}
        self._canaries: dict[str, Block] = {}

    def prepare(self, adapters: Mapping[str, Path], canaries: Sequence[Block]) -> None:
        """Keep the adapters and canaries. See `Engine`."""
        self._adapters = adapters
        self._canaries = {canary.adapter: canary for canary in canaries}

    def answer(self, blocks: Sequence[Block]) -> Iterator[tuple[int, list[Answer]]]:
        """Answers, block after block. See `Engine`."""
        at = 0
        for joined in _joined(blocks, mixed=self._sampler.mixes):
            answers = self._answers(joined)
            for block in joined:
                own, answers = answers[: len(block.chats)], answers[len(block.chats) :]
                yield at, own
                at += 1

    def _answers(self, joined: Sequence[Block]) -> list[Answer]:
        """Answers of blocks that differ in their questions alone."""
        first = joined[0]
        if first.adapter != self._adapter:
            self._sampler.use_adapter(adapter_folder(self._adapters, first.adapter))
            self._adapter = first.adapter
            if first.adapter in self._canaries:
                canary = self._canaries[first.adapter]
                self._sampler.check(canary.chats, canary.sampling.max_tokens)
        chats = tuple(chat for block in joined for chat in block.chats)
        identities = tuple(identity for block in joined for identity in block.identities)
        steerings = tuple(one for block in joined for one in block.steerings)
        return self._sampler.sample(chats, identities, first.sampling, *((steerings,) if is_steered(steerings) else ()))


def _joined(blocks: Sequence[Block], *, mixed: bool) -> Iterator[list[Block]]:
    """Successive blocks that are answered as one; if they are `mixed`, those that need not be asked together too."""

    def alike(block: Block) -> tuple[object, ...]:
        steered = is_steered(block.steerings)
        if not mixed and (steered or not block.together):
            return (id(block),)
        return block.adapter, block.sampling.model_dump_json(), steered

    for _, own in groupby(blocks, key=alike):
        yield list(own)


def adapter_folder(adapters: Mapping[str, Path], adapter: str) -> Path | None:
    """Where an adapter lies; None for the bare model.

    Args:
        adapters: Adapter digest → folder.
        adapter: Digest.

    Raises:
        ModelError: If it is not among them.
    """
    if adapter == BASE:
        return None
    if adapter not in adapters:
        msg = (
            f"the adapter {adapter[:12]} was not named to the engine, which has {len(adapters)}: "
            f"{', '.join(name[:12] for name in sorted(adapters)[:5]) or 'none'}. Its answers would be those of the "
            "bare model; train it first, or run the stage that lists it anew"
        )
        raise ModelError(msg)
    return adapters[adapter]


def answer_blocks(
    store: Store,
    model: ModelIdentity,
    blocks: Sequence[Block],
    load: Callable[[str], Engine],
    adapters: Mapping[str, Path],
    *,
    canary: int,
    advance: Callable[[int], None],
) -> list[list[Answer]]:
    """Answers of all blocks, from the store where possible; the model is loaded only if some are missing.

    Args:
        store: Where answers are kept.
        model: The model.
        blocks: What to ask, of one engine.
        load: Loads the engine of a name, once.
        adapters: Adapter digest → folder.
        canary: So many chats per adapter are first answered greedily, and must be answered right.
        advance: Told how many completions are done.

    Raises:
        ModelError: If a block that is still to be answered names an adapter without a folder.
    """
    units = [block.unit(model) for block in blocks]
    missing = {unit.key for unit in store.missing(units)}
    todo = []
    for unit, block in sorted(zip(units, blocks, strict=True), key=lambda pair: pair[1].adapter):
        if unit.key in missing:
            missing.discard(unit.key)  # a repeated block is answered once
            todo.append((unit, block))
        else:
            advance(len(block.chats))
    for _, block in todo:
        adapter_folder(adapters, block.adapter)  # refused before a model is loaded
    # The canaries of each adapter.
    canaries = {block.adapter: block.canary(canary) for _, block in reversed(todo)} if canary else {}

    asked = {block.adapter for _, block in todo}

    @cache
    def engine() -> Engine:
        loaded = load(todo[0][1].sampling.engine)
        needed = {name: folder for name, folder in adapters.items() if name in asked}
        loaded.prepare(needed, list(canaries.values()))
        return loaded

    for portion in _portions(todo):
        _fill(store, portion, engine, advance)
    return [read_answers(store, unit) for unit in units]


def _portions(todo: Sequence[tuple[Unit, Block]]) -> Iterator[Sequence[tuple[Unit, Block]]]:
    """Blocks that an engine is given at a time: `AT_ONCE`, where small ones that may share batches make up one."""
    start, room = 0, 0
    for at, (_, block) in enumerate(todo):
        n = len(block.chats) if block.together or block.sampling.engine == "transformers" else ROWS
        if n > room:
            if at > start:
                yield todo[start:at]
            start, room = at, AT_ONCE[block.sampling.engine] * ROWS
        room -= n
    if todo:
        yield todo[start:]


def _fill(
    store: Store, todo: Sequence[tuple[Unit, Block]], engine: Callable[[], Engine], advance: Callable[[int], None]
) -> None:
    """Answer blocks together; each is written as soon as its own answers are there."""
    with ExitStack() as claims:
        works: dict[str, tuple[ExitStack, Path]] = {}
        # Every process claims units in the order of keys, so that no two deadlock.
        for unit, block in sorted(todo, key=lambda pair: pair[0].key):
            claim = claims.enter_context(ExitStack())
            work = claim.enter_context(store.claim(unit))
            if work is None:
                claim.close()
                advance(len(block.chats))
            else:
                works[unit.key] = claim, work
        held = [(block, *works[unit.key]) for unit, block in todo if unit.key in works]
        if not held:
            return
        for at, answers in engine().answer([block for block, _, _ in held]):
            block, claim, work = held[at]
            write_text(
                work / "answers.json",
                json.dumps([list(answer) for answer in answers], ensure_ascii=False),
            )
            claim.close()  # makes the entry
            advance(len(block.chats))


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
    rows: int = ROWS,
    steerings: Sequence[Steering | None] = (),
    *,
    together: bool = False,
) -> list[Block]:
    """Cut one way of asking into blocks of at most `rows` questions.

    Raises:
        ConfigError: If chats are to be steered by an engine that cannot.
    """
    if is_steered(steerings) and sampling.engine != "transformers":
        msg = f"engine {sampling.engine!r} cannot steer; accepted for steered chats: 'transformers'"
        raise ConfigError(msg)
    refuse_texts(steerings, "sampling")
    return [
        Block(
            adapter,
            tuple(chats[at : at + rows]),
            tuple(identities[at : at + rows]),
            sampling,
            label,
            tuple(steerings[at : at + rows]),
            together,
        )
        for at in range(0, len(chats), rows)
    ]
