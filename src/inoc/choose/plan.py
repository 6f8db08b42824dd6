"""Plan of a job of the stage `choose`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inoc.chat.messages import Chat
from inoc.choose import VERSION
from inoc.digest import digest
from inoc.engines.candidates import Candidate, check_candidates
from inoc.engines.identity import ModelIdentity
from inoc.errors import ConfigError
from inoc.store import Unit
from inoc.vectors.steering import Steering, steering_key

BLOCK = 256


@dataclass(frozen=True)
class Block:
    """Questions that are measured together."""

    chats: Sequence[Chat]
    candidates: Sequence[tuple[Candidate, ...]]
    steerings: Sequence[Steering | None]


@dataclass(frozen=True)
class Plan:
    """Everything that a job measures, before the model is loaded.

    Attributes:
        study: Name of the study, recorded in the store.
        model: The model.
        ids: Of the questions, each once.
        chats: The questions; their responses are not looked at.
        candidates: The answers of each question.
        folder: Where the results go.
        whole: Whether the answer must end after the candidate.
        adapter: Digest of the adapter; `base` for none.
        adapter_folder: Its folder.
        steerings: How each question is steered; empty for none.
        batch_tokens: Maximum number of tokens in a batch.
    """

    study: str
    model: ModelIdentity
    ids: Sequence[str]
    chats: Sequence[Chat]
    candidates: Sequence[tuple[Candidate, ...]]
    folder: Path
    whole: bool = False
    adapter: str = "base"
    adapter_folder: Path | None = None
    steerings: Sequence[Steering | None] = ()
    batch_tokens: int = 16_384

    def check(self) -> None:
        """Refuse what cannot be measured, before the model is loaded.

        Raises:
            ConfigError: If ids are not unique, or not one for each chat and its candidates, or candidates cannot be
                distinguished.
        """
        n = len(self.chats)
        if len(set(self.ids)) < len(self.ids) or not len(self.ids) == len(self.candidates) == n:
            msg = (
                f"{len(self.ids)} ids ({len(set(self.ids))} different) and {len(self.candidates)} sets of candidates "
                f"for {n} chats; each chat needs its own"
            )
            raise ConfigError(msg)
        for one in set(self.candidates):
            check_candidates(one)

    def work(self) -> Iterator[tuple[Unit, Block]]:
        """The units, each with its block of questions."""
        for at in range(0, len(self.chats), BLOCK):
            rows = slice(at, at + BLOCK)
            block = Block(self.chats[rows], self.candidates[rows], self.steerings[rows])
            yield self._unit(block), block

    def _unit(self, block: Block) -> Unit:
        parts = {
            "model": self.model.as_key(),
            "adapter": self.adapter,
            "engine": "transformers",
            "chats": digest([chat._replace(response="").as_key() for chat in block.chats]),
            # Names and values of candidates change no probability.
            "candidates": digest([[list(one.spellings) for one in each] for each in block.candidates]),
            "n": len(block.chats),
            "whole": self.whole,
            "batch_tokens": self.batch_tokens,
            **steering_key(block.steerings),
        }
        return Unit("choose", VERSION, parts, "choices")
