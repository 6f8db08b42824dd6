"""Results of the stages, read back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from inoc.choose.tables import Measured as Blocks
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.preferences.answers import Sampled, Shares
from inoc.studies.preferences.asked import Asked, asked_of
from inoc.studies.preferences.parsing import read_answer
from inoc.studies.preferences.parts import closed_by_sampling, part_files
from inoc.studies.preferences.roles import template_of
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import Task
from inoc.studies.preferences.wording import labels_of
from inoc.tables import read_table

Answered = Mapping[tuple[str, int], Sampled]
"""Id of a question and sample → sampled answer."""


def blocks_shares(found: Sequence[Blocks]) -> dict[str, list[float]]:
    """Id → probability of each candidate, of choices in memory."""
    return {
        name: [math.exp(value) for value in choice.logprobs]
        for ids, choices, _ in found
        for name, choice in zip(ids, choices, strict=True)
    }


def file_shares(files: Sequence[Path]) -> Shares:
    """Id → probability of each candidate, of the tables of the stage `choose`."""
    found: dict[str, list[float]] = {}
    for path in files:
        frame = read_table(path, ["id", "logprob"])
        for name, value in zip(frame["id"], frame["logprob"], strict=True):
            found.setdefault(str(name), []).append(math.exp(value))
    return found


def sampled_of(frame: pd.DataFrame, judged: Mapping[str, str] | None = None) -> dict[tuple[str, int], Sampled]:
    """Answers of the stage `sample`, by id and sample.

    Args:
        frame: Rows of `inoc.sample.answers.ANSWERS`.
        judged: Id and sample, as `id#sample` → what a judge reads in the answer.
    """
    known = judged or {}
    columns = (frame[name] for name in ("id", "sample", "completion", "finish"))
    return {
        (str(name), int(sample)): Sampled(str(text), str(finish), known.get(f"{name}#{sample}", ""))
        for name, sample, text, finish in zip(*columns, strict=True)
    }


def read_sampled_files(files: Sequence[Path], judged: Mapping[str, str] | None = None) -> Answered:
    """Answers of the tables of the stage `sample`."""
    found: dict[tuple[str, int], Sampled] = {}
    for path in files:
        found |= sampled_of(read_table(path, ["id", "sample", "completion", "finish"]), judged)
    return found


def unclear(
    study: Study, paths: Paths, tasks: Sequence[Task], shards: Shards
) -> Iterator[tuple[Asked, int, str, list[str]]]:
    """Sampled answers that no rule can read: question, sample, text, and the labels that may be meant."""
    answers = read_sampled_files(part_files(study, paths, "sample", "answers", "answers.parquet", shards))
    for key, rater in closed_by_sampling(study):
        given = study.instruments[key]
        for one in asked_of(study, tasks, key, rater):
            labels = labels_of(template_of(given), len(one.tasks))
            for sample in range(study.samples):
                text = answers[one.id, sample].text
                if read_answer(text, labels, given.format).category == "unclear":
                    yield one, sample, text, labels
