"""Chats that a job computes with a model, block by block: what the stages `read` and `choose` share.

A unit of the store is one block of chats of one adapter. The blocks, and within a block the batches, depend on the
chats alone, so other chats or another shard change no number; but for the batches of small blocks that are computed
`together`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from inoc.chat.messages import Chat
from inoc.digest import Json
from inoc.engines.identity import ModelIdentity
from inoc.engines.load import Kept
from inoc.engines.sampling import BASE, adapter_folder
from inoc.errors import ConfigError
from inoc.jobs.fill import Filling, Joined, fill, missing_blocks
from inoc.jobs.job import Job
from inoc.store import Unit
from inoc.vectors.steering import Steering, check_steering, check_zero, steering_key

if TYPE_CHECKING:
    from inoc.engines.transformers import TransformersEngine

BLOCK = 256
COMPILE_FROM = 5_000  # with fewer chats than this, compiling takes longer than it saves


@dataclass(frozen=True, kw_only=True)
class ChatsPlan:
    """Chats and the model that computes them, before it is loaded.

    Attributes:
        study: Name of the study, recorded in the store.
        model: The model.
        ids: Of the chats, each once.
        chats: The chats.
        folder: Where the results go.
        adapter: Digest of the adapter of all chats, or one digest per chat; `base` for none.
        adapters: Digest → folder of the adapters.
        steerings: How each chat is steered; empty for none.
        batch_tokens: Maximum number of tokens in a batch.
        groups: Group of each chat; chats of different groups are never in one block, so that a further group leaves the
            others as they are. Empty for one group.
        together: Whether groups are small: a batch is then made of whatever blocks are missing.
    """

    study: str
    model: ModelIdentity
    ids: Sequence[str]
    chats: Sequence[Chat]
    folder: Path
    adapter: str | Sequence[str] = BASE
    adapters: Mapping[str, Path] = field(default_factory=dict)
    steerings: Sequence[Steering | None] = ()
    batch_tokens: int = 16_384
    groups: Sequence[str] = ()
    together: bool = False

    @property
    def chat_adapters(self) -> list[str]:
        """Digest of the adapter of each chat."""
        return [self.adapter] * len(self.chats) if isinstance(self.adapter, str) else list(self.adapter)

    def check(self) -> None:
        """Refuse what cannot be computed, before the model is loaded.

        Raises:
            ConfigError: If ids are not unique, or ids, adapters or steerings are not one for each chat, or a chat is
                steered and never computed without steering.
            ModelError: If an adapter has no folder.
        """
        n, different = len(self.chats), len(set(self.ids))
        if different < len(self.ids) or len(self.ids) != n:
            msg = f"{len(self.ids)} ids ({different} different) for {n} chats; each needs its own"
            raise ConfigError(msg)
        adapters = self.chat_adapters
        if len(adapters) != n or len(self.steerings) not in (0, n):
            msg = f"{len(adapters)} adapters and {len(self.steerings)} steerings for {n} chats; each chat needs its own"
            raise ConfigError(msg)
        for adapter in dict.fromkeys(adapters):
            adapter_folder(self.adapters, adapter)
        if self.steerings:
            asked = zip(adapters, self.chats, strict=True)
            check_zero([(adapter, chat._replace(response="")) for adapter, chat in asked], self.steerings)

    def blocks(self) -> Iterator[tuple[str, slice]]:
        """Adapter and rows of each block: successive chats of one adapter and group, at most `BLOCK` of them."""
        start = 0
        groups = self.groups or [""] * len(self.chats)
        for (adapter, _), rows in groupby(zip(self.chat_adapters, groups, strict=True)):
            stop = start + len(list(rows))
            for at in range(start, stop, BLOCK):
                yield adapter, slice(at, min(at + BLOCK, stop))
            start = stop

    def key_parts(self, adapter: str, rows: slice) -> dict[str, Json]:
        """The parts of a block's key that do not depend on the stage."""
        return {
            "model": self.model.as_key(),
            "adapter": adapter,
            "engine": "transformers",
            "n": len(self.chats[rows]),
            "batch_tokens": self.batch_tokens,
            **steering_key(self.steerings[rows]),
        }


@dataclass(frozen=True)
class Block:
    """Chats of one adapter that are computed together."""

    adapter: str
    rows: slice  # of the plan
    chats: Sequence[Chat]
    steerings: Sequence[Steering | None]

    def joined(self, others: Sequence[Self]) -> Self:
        """This block and others of its adapter as one that is computed at once; its rows are those of this one."""
        steerings = [steering for one in (self, *others) for steering in one.steerings]
        return replace(self, chats=[chat for one in (self, *others) for chat in one.chats], steerings=steerings)


class Layered(Protocol):
    """Something that computes with a model."""

    @property
    def layers(self) -> int:
        """Number of blocks of the model."""
        ...


B = TypeVar("B", bound=Block)
P = TypeVar("P")
R = TypeVar("R")
L = TypeVar("L", bound=Layered)


class Computer(Generic[L]):
    """A plan's model, loaded once, that computes through one adapter at a time.

    Args:
        plan: The chats.
        n: How many of them are still to be computed.
        make: Makes what computes, from the engine with its adapter.
        kept: The engine that an earlier plan of the same job has loaded.

    Raises:
        ConfigError: If the positions, the units or the site of a steering do not exist.
        DataError: If a vector belongs to another model.
    """

    def __init__(
        self,
        plan: ChatsPlan,
        n: int,
        make: Callable[[TransformersEngine], L],
        kept: Kept[TransformersEngine] | None = None,
    ) -> None:
        from inoc.engines.transformers import TransformersEngine

        compiled = n >= COMPILE_FROM
        self.engine = (kept or Kept()).get(
            (plan.model, compiled), lambda: TransformersEngine(plan.model, compiled=compiled)
        )
        self.engine.use_adapter(None)
        self._plan, self._make = plan, make
        self._adapter, self._made = BASE, make(self.engine)
        for adapter, steering in zip(plan.chat_adapters, plan.steerings, strict=False):
            if steering is not None:
                check_steering(steering, plan.model, self._made.layers, adapter)

    def through(self, adapter: str) -> L:
        """The computing object of an adapter, with the adapter in place.

        Args:
            adapter: Its digest.
        """
        if adapter != self._adapter:
            self.engine.use_adapter(adapter_folder(self._plan.adapters, adapter))
            self._adapter, self._made = adapter, self._make(self.engine)
        return self._made


def compute(
    job: Job,
    plan: ChatsPlan,
    work: Sequence[tuple[Unit, B]],
    words: tuple[str, str],
    filling: Callable[[int], Filling[B, P, R]],
    known: Sequence[Unit] = (),
) -> None:
    """Compute the blocks that are not in the store, adapter by adapter, and record a rendered example.

    Args:
        job: The job.
        plan: Its chats.
        work: The units with their blocks.
        words: Name of the work, and of the chats, in the progress.
        filling: Makes the recipe for an entry; told how many chats are to be computed. The entry must hold the text
            of its first chat as `example.txt`.
        known: Units that the job needs besides.
    """
    # Before anything is computed, so that no collection of garbage takes what is found there already.
    job.store.refer(plan.study, job.name, [*known, *(unit for unit, _ in work)])
    # The order is that of all jobs, so that two of them cannot wait for each other's claims in a circle.
    todo = sorted(missing_blocks(job.store, work), key=lambda pair: pair[1].adapter)
    if todo:
        n = sum(len(block.chats) for _, block in todo)
        with job.progress(words[0], n, words[1]) as meter:
            together = _join if plan.together else _apart
            fill(job.store, together(todo), filling(n), lambda block: meter.advance(len(block.chats)))
    if work:
        example = job.store.folder(work[0][0]) / "example.txt"
        job.record["rendered_example"] = example.read_text(encoding="utf-8")


def _apart(todo: Sequence[tuple[Unit, B]]) -> list[Joined[B]]:
    return [Joined((unit,), (slice(None),), block) for unit, block in todo]


def _join(todo: Sequence[tuple[Unit, B]]) -> list[Joined[B]]:
    """Successive blocks of one adapter as one, up to `BLOCK` chats."""
    found: list[Joined[B]] = []
    for adapter, own in groupby(todo, key=lambda pair: pair[1].adapter):
        parts: list[tuple[Unit, B]] = []
        for unit, block in own:
            if parts and sum(len(one.chats) for _, one in parts) + len(block.chats) > BLOCK:
                found.append(_joined(adapter, parts))
                parts = []
            parts.append((unit, block))
        found.append(_joined(adapter, parts))
    return found


def _joined(adapter: str, parts: Sequence[tuple[Unit, B]]) -> Joined[B]:
    ends = list(accumulate(len(block.chats) for _, block in parts))
    rows = tuple(slice(end - len(block.chats), end) for end, (_, block) in zip(ends, parts, strict=True))
    return Joined(tuple(unit for unit, _ in parts), rows, parts[0][1].joined([block for _, block in parts[1:]]))
