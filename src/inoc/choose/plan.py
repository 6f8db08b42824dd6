"""Plan of a job of the stage `choose`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from inoc.choose import VERSION
from inoc.digest import digest
from inoc.engines.candidates import Candidate, check_candidates
from inoc.errors import ConfigError
from inoc.jobs.chats import Block as Chats
from inoc.jobs.chats import ChatsPlan
from inoc.store import Unit


@dataclass(frozen=True)
class Block(Chats):
    """Questions of one adapter that are measured together."""

    candidates: Sequence[tuple[Candidate, ...]]

    def joined(self, others: Sequence[Self]) -> Self:
        """See `jobs.chats.Block`."""
        candidates = [each for one in (self, *others) for each in one.candidates]
        return replace(super().joined(others), candidates=candidates)


@dataclass(frozen=True, kw_only=True)
class Plan(ChatsPlan):
    """Questions, whose responses are not looked at, and the answers of each.

    Attributes:
        candidates: The answers of each question.
        whole: Whether the answer must end after the candidate.
    """

    candidates: Sequence[tuple[Candidate, ...]]
    whole: bool = False

    def check(self) -> None:
        """Refuse what cannot be measured, before the model is loaded.

        Raises:
            ConfigError: If candidates are not one set for each chat, or cannot be distinguished, or for the reasons of
                `ChatsPlan.check`.
        """
        super().check()
        if len(self.candidates) != len(self.chats):
            msg = f"{len(self.candidates)} sets of candidates for {len(self.chats)} chats; each chat needs one"
            raise ConfigError(msg)
        for one in {tuple(each) for each in self.candidates}:
            check_candidates(one)

    def work(self) -> Iterator[tuple[Unit, Block]]:
        """The units, each with its block of questions."""
        for adapter, rows in self.blocks():
            block = Block(adapter, rows, self.chats[rows], self.steerings[rows], self.candidates[rows])
            yield self._unit(block), block

    def _unit(self, block: Block) -> Unit:
        parts = {
            **self.key_parts(block.adapter, block.rows),
            "chats": digest([chat._replace(response="").as_key() for chat in block.chats]),
            # Names and values of candidates change no probability.
            "candidates": digest([[list(one.spellings) for one in each] for each in block.candidates]),
            "whole": self.whole,
        }
        return Unit("choose", VERSION, parts, "choices")
