"""Answers of any model to any chats, several per question: the plan and the table of the stage `sample`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.chat.messages import Chat, sample_identity
from inoc.config.models import Sampling
from inoc.engines.identity import ModelIdentity
from inoc.engines.sampling import BASE, Block, blocks_of
from inoc.errors import ConfigError
from inoc.sample.step import Plan
from inoc.sample.tables import ANSWERS
from inoc.vectors.steering import Steering


class Question(NamedTuple):
    """A chat to be answered."""

    id: str  # each question's own
    chat: Chat
    adapter: str = BASE
    steering: Steering | None = None
    identity: str = ""  # the seed comes from it; questions of one identity draw the same numbers. Default: the id
    group: str = ""  # successive questions of a group are a unit of the store of their own. Default: blocks of them


def answers_plan(
    model: ModelIdentity,
    questions: Sequence[Question],
    sampling: Sampling,
    path: Path,
    *,
    adapters: Mapping[str, Path] | None = None,
    canary: int = 0,
) -> Plan:
    """The plan of a job of the stage `sample`.

    Each of the `sampling.n` answers to a question has units of its own, so further answers leave those that are there
    as they are. A unit is a block of questions of one adapter, or a group of them.

    Args:
        model: The model.
        questions: The questions.
        sampling: How they are answered, and how often each.
        path: Where the table goes; see `ANSWERS`.
        adapters: Adapter digest → folder.
        canary: Number of chats per adapter that are first answered greedily, and must be answered right.

    Raises:
        ConfigError: If two questions have one id, or an engine that cannot steer is to steer.
    """
    names = [question.id for question in questions]
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        msg = f"two questions have the id {twice!r}; each needs its own"
        raise ConfigError(msg)
    blocks: list[Block] = []
    rows: list[pd.DataFrame] = []
    for adapter in dict.fromkeys(question.adapter for question in questions):
        own = [question for question in questions if question.adapter == adapter]
        for sample in range(sampling.n):
            blocks += _blocks(adapter, own, sampling, sample)
            rows.append(_rows(own, sample))
    return Plan(
        model,
        blocks,
        pd.concat(rows, ignore_index=True) if rows else _rows([], 0),
        path,
        "sampling",
        ("questions", len(questions)),
        dict(adapters or {}),
        canary,
        ANSWERS,
    )


def _blocks(adapter: str, questions: Sequence[Question], sampling: Sampling, sample: int) -> Iterator[Block]:
    for group, own in groupby(questions, key=lambda question: question.group):
        yield from _group_blocks(adapter, list(own), sampling, sample, together=bool(group))


def _group_blocks(
    adapter: str, questions: Sequence[Question], sampling: Sampling, sample: int, *, together: bool
) -> list[Block]:
    steerings = [question.steering for question in questions]
    return blocks_of(
        adapter,
        [question.chat for question in questions],
        [sample_identity(question.identity or question.id, sample) for question in questions],
        sampling,
        f"{adapter[:12]}, answer {sample + 1}",
        steerings=steerings if any(steerings) else (),
        together=together,
    )


def _rows(questions: Sequence[Question], sample: int) -> pd.DataFrame:
    found = [
        (
            one.id,
            sample,
            one.adapter,
            one.steering.vector.name if one.steering else "",
            one.steering.coefficient if one.steering else 0.0,
            one.chat.user,
        )
        for one in questions
    ]
    return pd.DataFrame(found, columns=["id", "sample", "adapter", "vector", "coefficient", "instruction"])
