"""Plan of a job of the stage `read`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inoc.chat.messages import Chat
from inoc.digest import Json, digest
from inoc.engines.identity import ModelIdentity
from inoc.engines.readouts import Readout, check_readouts
from inoc.errors import ConfigError
from inoc.read import VERSION
from inoc.store import Unit
from inoc.vectors.steering import Steering, steering_key
from inoc.vectors.vector import Vector

BLOCK = 256


@dataclass(frozen=True)
class Plan:
    """Everything that a job reads, before the model is loaded.

    Attributes:
        study: Name of the study, recorded in the store.
        model: The model.
        ids: Of the chats, each once.
        chats: Chats with their responses; an empty response gives NaN for its read-outs.
        readouts: Names of read-outs.
        folder: Where the results go.
        sites: Where activations are read and kept; empty with `vectors`.
        vectors: Vectors onto which activations are projected at their own sites; the activations are not kept.
        adapter: Digest of the adapter; `base` for none.
        adapter_folder: Its folder.
        steerings: How each chat is steered while it is read; empty for none.
        batch_tokens: Maximum number of tokens in a batch.
    """

    study: str
    model: ModelIdentity
    ids: Sequence[str]
    chats: Sequence[Chat]
    readouts: Sequence[Readout]
    folder: Path
    sites: Sequence[str] = ()
    vectors: Sequence[Vector] = ()
    adapter: str = "base"
    adapter_folder: Path | None = None
    steerings: Sequence[Steering | None] = ()
    batch_tokens: int = 16_384

    def check(self) -> None:
        """Refuse what cannot be read, before the model is loaded.

        Raises:
            ConfigError: If a read-out does not exist, ids are not unique or not one for each chat, or both or neither
                of sites and vectors are given.
            DataError: If a vector belongs to another model.
        """
        if len(set(self.ids)) < len(self.ids) or len(self.ids) != len(self.chats):
            different = len(set(self.ids))
            msg = f"{len(self.ids)} ids ({different} different) for {len(self.chats)} chats; each needs its own"
            raise ConfigError(msg)
        check_readouts(self.readouts)
        if bool(self.sites) == bool(self.vectors):
            msg = f"sites {list(self.sites)} and {len(self.vectors)} vectors; accepted: either sites, or vectors"
            raise ConfigError(msg)
        if len({vector.name for vector in self.vectors}) < len(self.vectors):
            msg = f"vectors {[vector.name for vector in self.vectors]}: each needs a name of its own"
            raise ConfigError(msg)
        for vector in self.vectors:
            vector.check_model(self.model, self.adapter)

    def work(self) -> Iterator[tuple[Unit, Block]]:
        """The units, each with its block of chats."""
        for at in range(0, len(self.chats), BLOCK):
            rows = slice(at, at + BLOCK)
            block = Block(self.chats[rows], self.steerings[rows])
            yield self._unit(block), block

    def _unit(self, block: Block) -> Unit:
        read: dict[str, Json] = (
            {"vectors": [vector.digest for vector in self.vectors]} if self.vectors else {"sites": list(self.sites)}
        )
        parts: dict[str, Json] = {
            "model": self.model.as_key(),
            "adapter": self.adapter,
            "engine": "transformers",
            "chats": digest([chat.as_key() for chat in block.chats]),
            "n": len(block.chats),
            "readouts": list(self.readouts),
            "batch_tokens": self.batch_tokens,
            **read,
            **steering_key(block.steerings),
        }
        return Unit("read", VERSION, parts, "projections" if self.vectors else "activations")


@dataclass(frozen=True)
class Block:
    """Chats that are read together."""

    chats: Sequence[Chat]
    steerings: Sequence[Steering | None]
