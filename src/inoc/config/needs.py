"""Lists of what a study needs to run, by the keys of its file: files, engines, APIs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from inoc.config.models import LossOn, ModelSpec, Sampling


def is_a_path(name: str) -> bool:
    """Whether a model is named by the path of its folder, and not by its name on the hub."""
    return name.startswith((".", "/", "~"))


class GivenFile(NamedTuple):
    """A file that a study names."""

    key: str
    path: str
    advice: str = "make it, or name one that exists"
    read: Callable[[Path], object] | None = None  # reads it to its end, and raises what is wrong with it


class SampleUse(NamedTuple):
    """Something that a stage samples."""

    key: str
    stage: str
    sampling: Sampling


class ApiUse(NamedTuple):
    """A setting of a study because of which a stage asks an API."""

    stage: str
    key: str
    model: str
    served: bool = False  # whether it is the server of `engine_api` in config.yaml
    part: str = ""  # of the stage; empty for all of its parts
    tunes: bool = False  # whether the model is fine-tuned, which has a price of its own


class LocalModel(NamedTuple):
    """Another model than the study's that a stage loads."""

    stage: str
    key: str
    model: str


class GivenChat(NamedTuple):
    """A chat whose texts are in the study's files, so that its length is known.

    Attributes:
        where: File and row, or what it is, for messages.
        chat: An `inoc.chat.messages.Chat`; without a response if one is sampled.
        key: Place of the settings with which a response is sampled; empty if it is given.
        new_tokens: Maximum number of tokens of the response that is sampled.
        trained: Whether it is a training example.
        loss_on: For a training example, which of its tokens the loss covers.
        may_be_long: Whether it is left out or cut where it is too long, so that its length is no problem.
        unknown_tokens: Maximum number of tokens of texts that it will have beside those that are in it.
    """

    where: str
    chat: Any
    key: str = ""
    new_tokens: int = 0
    trained: bool = False
    loss_on: LossOn = "last_answer"
    may_be_long: bool = False
    unknown_tokens: int = 0


def _nothing() -> Iterator[Any]:
    return iter(())


@dataclass(frozen=True)
class ModelUse:
    """Another model whose template and positions must take a study's chats, as the study's own model must.

    Attributes:
        key: Place of its settings in the study file, such as `other.model`.
        spec: The model.
        samples: What is sampled from it.
        placement: `system` if it is given system turns with a text.
        chats: Yields its chats whose texts are known.
        several_turns: Whether other chats of it have earlier turns.
        targets: Modules that an adapter changes; none if it is not trained.
        max_length: Maximum number of tokens of a training example; 0 if it is not trained.
        reads: Setting because of which its activations are read or steered; empty for none.
        chooses: Setting because of which its probabilities of closed answers are measured; empty for none.
        renames: Setting because of which numbers change places token by token; empty for none.
        judges: Whether it is a judging model: `key` names its folder, and there are no other settings of it.
        positions: Of a model that is made by the study, so that there is no folder to look into; None: not known.
    """

    key: str
    spec: ModelSpec
    samples: tuple[SampleUse, ...] = ()
    placement: Literal["user", "system"] = "user"
    chats: Callable[[], Iterator[GivenChat]] = _nothing
    several_turns: bool = False
    targets: tuple[str, ...] = ()
    max_length: int = 0
    reads: str = ""
    chooses: str = ""
    renames: str = ""
    judges: bool = False
    positions: int | None = None


@dataclass(frozen=True)
class Needs:
    """Everything that a study needs from the machine it runs on.

    Attributes:
        model: The model under study.
        behind_api: Whether that model is behind an API, so that there are no weights to be checked.
        files: Files that it names; they need not exist.
        samples: What is sampled.
        apis: Settings that make a stage ask an API.
        optimizer: The optimizer of the training; empty if nothing is trained.
        problems: Further reasons why it cannot run here, in words.
        placement: Where a prefix goes in a chat.
        targets: Modules that an adapter changes; none if nothing is trained.
        row_problems: Yields files with too few rows; for files that are there and can be read.
        chats: Yields the chats that the files are made into.
        max_length: Maximum number of tokens of a training example; 0 if nothing is trained.
        several_turns: Whether chats that are not among `chats` have earlier turns.
        local_models: Further models that stages load.
        others: Further models that are checked as `model` is.
        loaded: Whether `model` is loaded at all.
        reads: As for a `ModelUse`.
        chooses: As for a `ModelUse`.
        renames: As for a `ModelUse`.
    """

    model: ModelSpec
    files: tuple[GivenFile, ...] = ()
    samples: tuple[SampleUse, ...] = ()
    apis: tuple[ApiUse, ...] = ()
    optimizer: str = ""
    problems: tuple[str, ...] = ()
    placement: Literal["user", "system"] = "user"
    targets: tuple[str, ...] = ()
    row_problems: Callable[[], Iterator[str]] = _nothing
    chats: Callable[[], Iterator[GivenChat]] = _nothing
    max_length: int = 0
    several_turns: bool = False
    local_models: tuple[LocalModel, ...] = ()
    others: tuple[ModelUse, ...] = ()
    loaded: bool = True
    reads: str = ""
    chooses: str = ""
    renames: str = ""
    behind_api: bool = False
