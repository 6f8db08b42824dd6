"""Texts that the models of a study of preferences wrote: completions of tasks, and answers to questions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.preferences.measure import is_refused_text
from inoc.studies.preferences.study import Study
from inoc.studies.shared.viewing import read_shards
from inoc.tables import read_table
from inoc.view.declare import Column, Compare, Source, Text

_PARTS = ("answers", "open", "selected")
_ENDS = (
    Column("sample", "sample", listed=False),
    Column("n_tokens", "tokens", listed=False),
    Column("finish", "ended by", listed=False),
    Column("made_by", "made by", "job, as in the table under Provenance", listed=False),
)
_TEXTS = (Text("instruction", "user"), Text("completion", "answer"))


def sources(study: Study, paths: Paths, shards: Shards) -> Iterator[Source]:
    """The lists of completions and of sampled answers, where there are any."""
    if any(paths.stage("sample").glob("completions/*/answers.parquet")):
        yield Source(
            "completions",
            "Completions of tasks",
            "Completions that raters are shown.",
            partial(completions, study, paths),
            ("id", "sample"),
            (
                Column("completer", "completer", "model that wrote it"),
                Column("context", "context", "system turn under which it was written"),
                Column("refused", "refused", "whether it is a refusal"),
                Column("seed", "seed", listed=False),
                Column("task", "task", listed=False),
                *_ENDS,
            ),
            _TEXTS,
            "sampled",
            Compare("task", "context", "completer"),
            follows={"context_completion": "context"},
        )
    if any(any(paths.stage("sample").glob(f"{part}/*/answers.parquet")) for part in _PARTS):
        yield Source(
            "answers",
            "Sampled answers",
            "Questions of instruments whose answers are sampled, as they were asked, with the answers as they came.",
            partial(answers, study, paths),
            ("part", "id", "sample"),
            (
                Column("instrument", "instrument", "way of measuring"),
                Column("rater", "rater", "model that answers"),
                Column("completer", "completer", "model whose completion is shown; empty before the task"),
                Column("score", "tone", "0 to 100, by the judge of open answers", score=True),
                Column("part", "part", "of the stage sample", listed=False),
                Column("tasks", "tasks", "ids, in the order in which they are shown", listed=False),
                *_ENDS,
            ),
            _TEXTS,
            "sampled",
        )


def completions(study: Study, paths: Paths) -> pd.DataFrame:
    """Completions with what their ids say, and whether they are refusals."""
    frame = read_shards(paths.stage("sample").glob("completions/*/answers.parquet"), "sample-completions")
    ids = [(str(one).split("|", 3) + [""] * 4)[:4] for one in frame["id"]]
    for at, name in enumerate(("completer", "context", "seed", "task")):
        frame[name] = [one[at] for one in ids]
    refused = [is_refused_text(text, finish) for text, finish in zip(frame["completion"], frame["finish"], strict=True)]
    frame["refused"] = ["failed" if value != value else "yes" if value else "no" for value in refused]
    return frame


def answers(study: Study, paths: Paths) -> pd.DataFrame:
    """Sampled answers with what their ids say, and the judge's score of open ones."""
    parts = [
        read_shards(files, f"sample-{part}").assign(part=part)
        for part in _PARTS
        if (files := list(paths.stage("sample").glob(f"{part}/*/answers.parquet")))
    ]
    frame = pd.concat(parts, ignore_index=True)
    ids = [str(one).split("|") for one in frame["id"]]
    frame["instrument"], frame["rater"] = [one[0] for one in ids], [one[1] if len(one) > 1 else "" for one in ids]
    shown = [one[2] if len(one) > 2 else "" for one in ids]
    frame["completer"] = ["" if one == "-" else one.partition(".")[0] for one in shown]
    frame["tasks"] = ["|".join(one[3:]) for one in ids]
    if paths.scores("open").exists():
        scores = read_table(paths.scores("open"))[["id", "sample", "score"]].assign(part="open", _judged=True)
        frame = frame.merge(scores, how="left", on=["part", "id", "sample"])
        frame["score"] = frame["score"].astype(object).where(frame["_judged"].notna(), None)
    return frame
