"""Comparisons, ratings and rankings of a study of preferences, with the texts of their tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import pandas as pd

from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import tasks_of
from inoc.tables import read_table
from inoc.view.declare import Column, Compare, Matrix, Source, Text

_WHO = (
    Column("instrument", "instrument", "way of measuring"),
    Column("rater", "rater", "model that answers"),
    Column("completer", "completer", "model whose completion of the task is shown; empty before the task"),
)
_CONTEXTS = (
    Column("context_completion", "context of the completion", listed=False),
    Column("context_measurement", "context of the measurement", listed=False),
)
_MORE = (
    Column("category", "category", "answered, refused, unclear or failed"),
    Column("p_refused", "probability of a refusal", "NaN where it is not measured", score=True, top=1, listed=False),
    Column(
        "mass", "mass of the answers", "probability of the accepted answers together", score=True, top=1, listed=False
    ),
    Column("status", "status", "whether the instrument was found upright", listed=False),
    Column("when", "when", "before or after the task", listed=False),
    Column("completion_seed", "seed of the completion", "−1 before the task", listed=False),
    Column("seed", "seed", "of the answer", listed=False),
    Column("sample", "sample", listed=False),
)
_FOLLOWS = {"origin": "origin", "item": "task"}


def sources(study: Study, paths: Paths, shards: Shards) -> Iterator[Source]:
    """The lists of what was measured, where the analysis has written them."""
    if _rows(paths, "comparisons"):
        yield _comparisons(study, paths)
    if _rows(paths, "ratings"):
        yield _ratings(study, paths)
    if _rows(paths, "rankings"):
        yield _rankings(study, paths)


def _rows(paths: Paths, table: str) -> bool:
    return paths.table(table).exists() and len(read_table(paths.table(table))) > 0


def _comparisons(study: Study, paths: Paths) -> Source:
    return Source(
        "comparisons",
        "Comparisons",
        "Choices between two tasks. The first task is the one that was shown first.",
        partial(comparisons, study, paths),
        ("instrument", "rater", "completer", "pair", "order", "when", "completion_seed", "seed", "sample", "round"),
        (
            *_WHO,
            Column("choice", "choice", "a or b, in the order of the pair's name"),
            Column(
                "p_first",
                "first task",
                "probability of the first task, or 1 and 0 where it was sampled",
                score=True,
                top=1,
            ),
            *_MORE,
            Column("pair", "pair", listed=False),
            Column("order", "order", "ab or ba", listed=False),
            Column("round", "round", "of an active selection", listed=False),
            Column("origin_a", "origin of a", listed=False),
            Column("origin_b", "origin of b", listed=False),
            Column("first", "first task's id", listed=False),
            Column("second", "second task's id", listed=False),
        ),
        (
            Text("first_text", "note", "First task"),
            Text("second_text", "note", "Second task"),
            Text("said", "answer", "Choice"),
        ),
        "chosen",
        Compare("pair", "rater", "instrument"),
        Matrix("instrument", ("rater", "completer")),
    )


def _ratings(study: Study, paths: Paths) -> Source:
    return Source(
        "ratings",
        "Ratings",
        "Values that raters gave to single tasks, on the scale of each instrument; open answers from −1 to 1.",
        partial(ratings, study, paths),
        (
            "instrument",
            "rater",
            "completer",
            "task",
            "when",
            "completion_seed",
            "seed",
            "sample",
            "context_completion",
            "context_measurement",
        ),
        (
            *_WHO,
            Column("value", "value", "on the scale of the instrument", score=True, top=0),
            Column("expectation", "expectation", "expected value, from the probabilities", score=True, top=0),
            Column("origin", "origin", "where the task comes from"),
            *_MORE,
            *_CONTEXTS,
            Column("task", "task", listed=False),
        ),
        (Text("task_text", "user", "Task"), Text("said", "answer", "Rating")),
        "answered",
        Compare("task", "rater", "instrument"),
        Matrix("instrument", ("rater", "completer")),
        follows=_FOLLOWS,
    )


def _rankings(study: Study, paths: Paths) -> Source:
    return Source(
        "rankings",
        "Rankings",
        "Places of tasks in the orders that raters gave to groups of them.",
        partial(rankings, study, paths),
        ("instrument", "rater", "completer", "group", "task", "seed", "sample", "when", "completion_seed"),
        (
            *_WHO,
            Column("group"),
            Column("place", "place", "1 is the best", score=True, top=0),
            Column("origin"),
            *_MORE,
            Column("task", "task", listed=False),
        ),
        (Text("task_text", "answer", "Task"),),
        "ranked",
        follows=_FOLLOWS,
    )


def task_texts(study: Study) -> dict[str, str]:
    """Task → its text; none if the files of the tasks are not on this machine."""
    try:
        return {task.id: task.text for task in tasks_of(study)}
    except (DataError, OSError):
        return {}


def _text(texts: Mapping[str, str], tasks: pd.Series) -> list[str]:
    return [texts.get(str(task), str(task)) for task in tasks]


def comparisons(study: Study, paths: Paths) -> pd.DataFrame:
    """Comparisons with both tasks in the order in which they were shown."""
    frame, texts = read_table(paths.table("comparisons")), task_texts(study)
    turned = frame["order"] == "ba"
    frame["first"] = frame["task_a"].where(~turned, frame["task_b"])
    frame["second"] = frame["task_b"].where(~turned, frame["task_a"])
    frame["first_text"], frame["second_text"] = _text(texts, frame["first"]), _text(texts, frame["second"])
    sampled = (frame["choice"] == "a").astype(float).where(frame["choice"].isin(["a", "b"]))
    p_a = frame["p_a"].where(frame["p_a"].notna(), sampled)
    frame["p_first"] = p_a.where(~turned, 1 - p_a)
    chosen = frame["task_a"].where(frame["choice"] == "a", frame["task_b"])
    said = pd.Series(_text(texts, chosen), index=frame.index)
    frame["said"] = said.where(frame["choice"].isin(["a", "b"]), frame["category"])
    return frame


def ratings(study: Study, paths: Paths) -> pd.DataFrame:
    """Ratings with the texts of their tasks."""
    frame, texts = read_table(paths.table("ratings")), task_texts(study)
    frame["task_text"] = _text(texts, frame["task"])
    answer = frame["answer"].fillna("").astype(str)
    frame["said"] = answer.where(answer != "", frame["category"])
    return frame


def rankings(study: Study, paths: Paths) -> pd.DataFrame:
    """Rankings with the texts of their tasks."""
    frame, texts = read_table(paths.table("rankings")), task_texts(study)
    frame["task_text"] = _text(texts, frame["task"])
    return frame
