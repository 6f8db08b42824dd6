"""The texts of tasks, anchors and completions that questions show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.chat.messages import Chat
from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.studies.preferences.asked import GOOD, Asked
from inoc.studies.preferences.parsing import without_thoughts
from inoc.studies.preferences.parts import part_files
from inoc.studies.preferences.roles import (
    anchors_of,
    completion_system,
    measurement_system,
    needed_completions,
    template_of,
)
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import Task
from inoc.studies.preferences.wording import Shown, question
from inoc.tables import read_table


class Completed(NamedTuple):
    """Whose completion of a task it is."""

    completer: str
    context: str
    seed: int
    task: str

    @property
    def id(self) -> str:
        """Id of the question to the completer."""
        return f"{self.completer}|{self.context}|{self.seed}|{self.task}"


def to_complete(study: Study, tasks: Sequence[Task], completer: str) -> list[tuple[Completed, Chat]]:
    """The tasks of a completer, each with its chat."""
    return [
        (Completed(completer, context, seed, task.id), Chat(completion_system(study, completer, context), task.text))
        for name, context in needed_completions(study)
        if name == completer
        for seed in study.completions.seeds
        for task in tasks
    ]


def completion_files(study: Study, paths: Paths, shards: Shards) -> list[Path]:
    """Tables of the completions; none if no instrument shows any."""
    return part_files(study, paths, "sample", "completions", "answers.parquet", shards)


def read_completions(files: Sequence[Path]) -> pd.DataFrame:
    """Id, text and `finish` of every completion; what was thought before it is cut off."""
    tables = [read_table(path, ["id", "completion", "finish"]) for path in files]
    if not tables:
        return pd.DataFrame({"id": [], "completion": [], "finish": []}, dtype=str)
    frame = pd.concat(tables, ignore_index=True)
    return frame.assign(completion=[without_thoughts(text) for text in frame["completion"]])


def anchor(study: Study, instrument: str, name: str) -> Shown:
    """An anchor of an instrument by its id."""
    anchors = anchors_of(study, instrument)
    kind, _, at = name.partition(":")
    found = (anchors.good if kind == GOOD else anchors.bad)[int(at)]
    return Shown(found.task, found.completion)


class Texts:
    """The texts that questions show.

    Args:
        study: The study.
        tasks: Its tasks.
        completions: Id of a completion → text.
    """

    def __init__(self, study: Study, tasks: Sequence[Task], completions: Mapping[str, str]) -> None:
        self.study, self.completions = study, completions
        self.tasks = {task.id: task.text for task in tasks}

    def shown(self, one: Asked) -> list[Shown]:
        """The tasks of a question, with their completions where there are to be some.

        Raises:
            DataError: If a completion is not there.
        """
        return [
            anchor(self.study, one.instrument, name) if name.startswith("@") else self._task(one, name)
            for name in one.tasks
        ]

    def _task(self, one: Asked, name: str) -> Shown:
        if not one.completer:
            return Shown(self.tasks[name])
        completed = Completed(one.completer, one.context_completion, one.completion_seed, name)
        if completed.id not in self.completions:
            raise DataError(
                f"there is no completion of task {name!r} by {one.completer}; run: inoc sample {self.study.name} "
                "completions"
            )
        return Shown(self.tasks[name], self.completions[completed.id])

    def chat(self, one: Asked) -> Chat:
        """The chat of a question."""
        given = self.study.instruments[one.instrument]
        system = measurement_system(self.study, one.rater, one.context_measurement)
        return question(template_of(given), given.format, given.when, self.shown(one), system)


def texts_of(study: Study, tasks: Sequence[Task], paths: Paths, shards: Shards) -> Texts:
    """The texts that questions show, with the completions that were sampled."""
    found = read_completions(completion_files(study, paths, shards))
    return Texts(study, tasks, dict(zip(found["id"], found["completion"], strict=True)))
