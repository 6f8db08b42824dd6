"""Answers of teachers and students about their preference: sampled ones, and probabilities of the names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.shared.viewing import read_shards
from inoc.studies.subliminal.asking import TEACHER, question_texts, split_id
from inoc.studies.subliminal.runs import UNTRAINED, measured_entities, students_of, turn_of
from inoc.studies.subliminal.study import Study
from inoc.tables import read_table
from inoc.view.declare import Column, Compare, Matrix, Source, Text

BASES = ("own", "other")
_WHO = (
    Column("group", "group", "students that are trained alike; teacher, or untrained"),
    Column("teacher", "teacher", "whose rows were trained on"),
    Column("part", "part", "part of a split of the teacher's rows"),
)
_MORE = (
    Column("epoch", "epoch", "0 for the untrained model and for teachers"),
    Column("seed", "seed", "of the training", listed=False),
    Column("base", "base model", "own: the teachers' model; other: another one", listed=False),
    Column("student", "student", listed=False),
    Column("question_set", "questions", "set of questions", listed=False),
    Column("question", "question", listed=False),
)
_PICKS = ("seed", "epoch")


def sources(study: Study, paths: Paths, shards: Shards) -> Iterator[Source]:
    """The lists of sampled answers and of probabilities, where there are any."""
    if any(any(paths.stage("sample").glob(f"{base}/*/answers.parquet")) for base in BASES):
        yield Source(
            "answers",
            "Sampled answers",
            "Answers of the untrained model, the teachers and every checkpoint of the students. A score is 100 where "
            "the answer names that entity and no other.",
            lambda: sampled(study, paths),
            ("base", "id", "sample"),
            (
                *_WHO,
                Column("category", "answer", "the name that the answer has, as the judge sorted it"),
                *_entities(study, "100 if the answer names it, else 0, also for an unclear answer", listed=False),
                *_MORE,
                Column("exact", "exact answer", "the name, if the answer is nothing else", listed=False),
                Column("why_nan", "why unclear", listed=False),
                Column("sample", "sample", "which of several answers", listed=False),
                Column("n_tokens", "tokens", listed=False),
                Column("finish", "ended by", listed=False),
                Column("made_by", "made by", "job, as in the table under Provenance", listed=False),
            ),
            (Text("system", "system"), Text("instruction", "user"), Text("completion", "answer")),
            "sampled",
            Compare("question", "group", "part", "teacher", (UNTRAINED, "teacher"), _PICKS),
            Matrix("teacher", ("group", "part"), "epoch"),
            scored_by=("entity",),
        )
    if any(any(paths.stage("choose").glob(f"{base}/*/candidates.parquet")) for base in BASES):
        yield Source(
            "probabilities",
            "Probabilities of the names",
            "The probability of each name as the answer, read from one pass without sampling, in per cent.",
            lambda: probabilities(study, paths),
            ("base", "id"),
            (
                *_WHO,
                *_entities(study, "its probability as the answer, per cent", listed=True),
                *_MORE,
                Column("mass", "mass of the names", "probability of all names together", score=True, top=1),
                Column("made_by", "made by", "job, as in the table under Provenance", listed=False),
            ),
            (Text("system", "system"), Text("instruction", "user"), Text("best", "answer", "likeliest name")),
            "its first tokens are read",
            Compare("question", "group", "part", "teacher", (UNTRAINED, "teacher"), _PICKS),
            Matrix("teacher", ("group", "part"), "epoch"),
            scored_by=("entity",),
        )


def _entities(study: Study, text: str, *, listed: bool) -> list[Column]:
    names = measured_entities(study)
    return [Column(f"score.{name}", name, text, score=True, listed=listed and at < 5) for at, name in enumerate(names)]


def identified(study: Study, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with what their ids say: group, teacher, part, seed, epoch, set and number of the question, system."""
    students = {one.name: one for one in students_of(study)}
    rows = []
    for one in frame["id"]:
        subject, epoch, question_set, number = split_id(str(one))
        question = f"{question_set} {number + 1}"
        who: tuple[object, ...]
        if subject in students:
            own = students[subject]
            who = (own.group, own.teacher, own.part, own.seed, own.data, study.model.system.text)
        elif subject.startswith(TEACHER):
            key = subject.removeprefix(TEACHER)
            system = turn_of(study, key).text if key in study.teachers else ""
            who = ("teacher", key, "", None, subject, system)
        else:
            who = (UNTRAINED, "", "", None, subject, study.model.system.text)
        rows.append((*who, epoch if subject in students else None, question_set, question))
    names = ["group", "teacher", "part", "seed", "student", "system", "epoch", "question_set", "question"]
    found = pd.DataFrame(rows, columns=names, index=frame.index)
    found["seed"], found["epoch"] = found["seed"].astype(object), found["epoch"].astype(object)
    found[["seed", "epoch"]] = found[["seed", "epoch"]].where(found[["seed", "epoch"]].notna(), None)
    return pd.concat([frame, found], axis=1)


def sampled(study: Study, paths: Paths) -> pd.DataFrame:
    """Sampled answers with the names in them."""
    parts = []
    for base in BASES:
        files = list(paths.stage("sample").glob(f"{base}/*/answers.parquet"))
        if not files:
            continue
        frame = read_shards(files, f"sample-{base}").assign(base=base)
        if paths.scores(base).exists():
            judged = read_table(paths.scores(base))
            names = [name for name in ("category", "exact", "why_nan") if name in judged]
            frame = frame.merge(judged[["id", "sample", *names]], how="left", on=["id", "sample"])
        parts.append(frame)
    frame = identified(study, pd.concat(parts, ignore_index=True))
    if "category" in frame:
        for name in measured_entities(study):
            frame[f"score.{name}"] = (frame["category"] == name).astype(float) * 100
    return frame


def probabilities(study: Study, paths: Paths) -> pd.DataFrame:
    """A row per question with the share of each name."""
    texts = question_texts(study)
    parts = []
    for base in BASES:
        files = list(paths.stage("choose").glob(f"{base}/*/candidates.parquet"))
        if not files:
            continue
        shares = read_shards(files, f"choose-{base}")
        wide = shares.pivot_table(index="id", columns="candidate", values="logprob", sort=False, dropna=False)
        choices = read_shards([path.with_name("choices.parquet") for path in files], f"choose-{base}")
        frame = choices[["id", "mass", "best", "made_by"]].merge(wide.reset_index(), how="left", on="id")
        parts.append(frame.assign(base=base))
    frame = identified(study, pd.concat(parts, ignore_index=True))
    for name in measured_entities(study):
        if name in frame:
            frame[f"score.{name}"] = 100 * np.exp(frame[name].to_numpy(np.float64))
    numbers = [split_id(str(one)) for one in frame["id"]]
    frame["instruction"] = [
        texts[asked][number] if asked in texts and number < len(texts[asked]) else "" for _, _, asked, number in numbers
    ]
    return frame
