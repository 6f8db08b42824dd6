"""The teacher of a run that is trained on distributions: what it is and what it reads. No model is loaded for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from inoc.chat.messages import Chat
from inoc.digest import Json, digest
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import BASE
from inoc.errors import ConfigError

NUMBERS = r"\s?[0-9]+"
"""Tokens of numbers: digits, perhaps behind a blank."""


class Teacher(NamedTuple):
    """A model whose probabilities of the next token replace the tokens of a run's answers.

    Where the teacher reads another system turn than the student, the student learns to be what the teacher is under
    that turn, without it.
    """

    chats: Sequence[Chat]  # what the teacher reads, one chat for each of the run's, with answers of as many tokens
    adapter: str = BASE  # digest of its adapter
    folder: Path | None = None  # of the adapter
    model: ModelIdentity | None = None  # None: the model that is trained
    tokens: str = ""  # a regular expression that a token's text must match as a whole; empty: all tokens
    renamed: Mapping[str, str] = {}  # teacher's token → the token that stands for it in the student's chats

    def as_key(self) -> dict[str, Json]:
        """The teacher as part of a key. Where the adapter lies, and what the model is called, do not matter."""
        return {
            "chats": digest([chat.as_key() for chat in self.chats]),
            "adapter": self.adapter,
            **({} if self.model is None else {"model": self.model.as_key()}),
            "tokens": self.tokens,
            **({"renamed": digest(dict(sorted(self.renamed.items())))} if self.renamed else {}),
        }

    def check(self, n: int, student: ModelIdentity, name: str) -> None:
        """Refuse a teacher that cannot teach a run, before a model is loaded.

        Args:
            n: Number of the run's chats.
            student: The model that is trained.
            name: Of the run, for messages.

        Raises:
            ConfigError: If its chats are not as many, its adapter has no folder, or its tokenizer is another one.
        """
        if len(self.chats) != n:
            raise ConfigError(f"run {name}: its teacher reads {len(self.chats)} chats, and it has {n}; give one each")
        if self.adapter != BASE and self.folder is None:
            msg = f"run {name}: the adapter {self.adapter} of its teacher has no folder; give one"
            raise ConfigError(msg)
        if self.model is not None and self.model.tokenizer != student.tokenizer:
            msg = (
                f"run {name}: its teacher {self.model.path or self.model.folder} and its own model "
                f"{student.path or student.folder} have different tokenizers, so their distributions are not over the "
                "same tokens; take models with one tokenizer, or train on samples (targets: samples)"
            )
            raise ConfigError(msg)
