"""Plan of a job of the stage `read`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inoc.digest import Json, digest
from inoc.engines.readouts import Readout, check_readouts
from inoc.errors import ConfigError
from inoc.jobs.chats import Block, ChatsPlan
from inoc.read import VERSION
from inoc.store import Unit
from inoc.vectors.steering import refuse_texts
from inoc.vectors.vector import Vector


@dataclass(frozen=True, kw_only=True)
class Plan(ChatsPlan):
    """Chats that are read, with their responses; an empty response gives NaN for its read-outs.

    Attributes:
        readouts: Names of read-outs.
        sites: Where activations are read and kept; empty with `vectors`.
        vectors: Vectors onto which activations are projected at their own sites; the activations are not kept.
    """

    readouts: Sequence[Readout]
    sites: Sequence[str] = ()
    vectors: Sequence[Vector] = ()

    def check(self) -> None:
        """Refuse what cannot be read, before the model is loaded.

        Raises:
            ConfigError: If a read-out does not exist, both or neither of sites and vectors are given, or for the
                reasons of `ChatsPlan.check`.
            DataError: If a vector belongs to another model.
        """
        super().check()
        refuse_texts(self.steerings, "reading activations")
        check_readouts(self.readouts)
        if bool(self.sites) == bool(self.vectors):
            msg = f"sites {list(self.sites)} and {len(self.vectors)} vectors; accepted: either sites, or vectors"
            raise ConfigError(msg)
        if len({vector.name for vector in self.vectors}) < len(self.vectors):
            msg = f"vectors {[vector.name for vector in self.vectors]}: each needs a name of its own"
            raise ConfigError(msg)
        for adapter in dict.fromkeys(self.chat_adapters):
            for vector in self.vectors:
                vector.check_model(self.model, adapter)

    def work(self) -> Iterator[tuple[Unit, Block]]:
        """The units, each with its block of chats."""
        for adapter, rows in self.blocks():
            block = Block(adapter, rows, self.chats[rows], self.steerings[rows])
            yield self._unit(block), block

    def _unit(self, block: Block) -> Unit:
        read: dict[str, Json] = (
            {"vectors": [vector.digest for vector in self.vectors]} if self.vectors else {"sites": list(self.sites)}
        )
        parts: dict[str, Json] = {
            **self.key_parts(block.adapter, block.rows),
            "chats": digest([chat.as_key() for chat in block.chats]),
            "readouts": list(self.readouts),
            **read,
        }
        return Unit("read", VERSION, parts, "projections" if self.vectors else "activations")
