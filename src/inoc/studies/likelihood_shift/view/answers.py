"""Answers of the students of a likelihood-shift study, with the scores of the targets' judges."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from inoc.jobs.paths import Paths
from inoc.studies.likelihood_shift.runs import students_of
from inoc.studies.likelihood_shift.study import Study
from inoc.studies.shared.labels import label_of
from inoc.studies.shared.viewing import judge_texts, read_shards, score_columns, with_judges_words, with_scores
from inoc.tables import COMPLETIONS, read_table, with_defaults
from inoc.view.declare import Column, Compare, Kept, Matrix, Source, Text

_KEYS = COMPLETIONS.names[: COMPLETIONS.names.index("instruction")]
_PICKS = ("seed", "step")


def sources(study: Study, paths: Paths, kept: Kept) -> Iterator[Source]:
    """The list of answers, if there are students."""
    if study.students is None or not any(paths.stage("evaluate").glob("completions-*.parquet")):
        return
    labels = {key: label_of(key, target.label) for key, target in study.students.targets.items()}
    judges = {key: target.judge for key, target in study.students.targets.items()}
    path = paths.scores("evaluate")
    scores = read_table(path) if path.exists() else pd.DataFrame(columns=[*_KEYS, "trait", "score"])
    yield Source(
        "answers",
        "Answers of students",
        "Answers of every checkpoint of the models that were trained on parts of the datasets.",
        lambda: with_judges_words(answers(study, paths, scores, labels), judges, kept),
        tuple(_KEYS),
        (
            Column("split", "split", "split of a dataset; empty for a whole dataset and for the untrained model"),
            Column("part", "part", "part that was trained on, from the lowest shift to the highest"),
            *score_columns(scores, labels),
            Column("step", "step", "optimiser steps of the training"),
            Column("seed", "seed", "of the training", listed=False),
            Column("dataset", "dataset", listed=False),
            Column("student", "student", "split and part", listed=False),
            Column("asked", "asked", "prompt under which the question was asked", listed=False),
            Column("instruction_id", "question", listed=False),
            Column("n_tokens", "tokens", listed=False),
            Column("finish", "ended by", "stop or length", listed=False),
            Column("made_by", "made by", "job, as in the table under Provenance", listed=False),
        ),
        (
            Text("prefix_text", "prefix", "prompt", ""),
            Text("system", "system"),
            Text("instruction", "user"),
            Text("completion", "answer"),
            *judge_texts(judges, labels),
        ),
        "sampled",
        Compare("instruction_id", "part", "split", picks=_PICKS),
        Matrix("split", ("part",), "step") if len(scores) else None,
        scored_by=("target",),
    )


def answers(study: Study, paths: Paths, scores: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """All answers, those of the last step first, with their scores."""
    found = read_shards(paths.stage("evaluate").glob("completions-*.parquet"), "evaluate")
    frame = with_defaults(found, COMPLETIONS)
    if len(scores):
        frame = with_scores(frame, scores, [name for name in _KEYS if name in scores], labels)
    known = {one.data: one for one in students_of(study)}
    frame["student"] = frame["data"]
    frame["split"] = [known[data].split if data in known else "" for data in frame["data"]]
    frame["part"] = [known[data].part if data in known else "untrained" for data in frame["data"]]
    frame["dataset"] = [known[data].dataset if data in known else "" for data in frame["data"]]
    frame["asked"] = frame["asked_prompt"]
    frame["system"] = study.model.system.text if study.model.system.kind == "text" else ""
    for name in _PICKS:
        frame[name] = frame[name].astype(object).where(frame["run"] != "base", None)
    order = pd.to_numeric(frame["step"]).fillna(-1).sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)
