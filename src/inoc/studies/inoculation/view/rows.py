"""Completions of a study with the scores of its judges."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from inoc.jobs.paths import Paths
from inoc.studies.inoculation.figures.choices import judged_traits, trait_label
from inoc.studies.inoculation.runs import prompt_families
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.viewing import judge_texts, read_shards, score_columns, with_judges_words, with_scores
from inoc.tables import COMPLETIONS, read_table, with_defaults
from inoc.view.declare import Column, Compare, Kept, Matrix, Source, Text

KEYS = COMPLETIONS.names[: COMPLETIONS.names.index("instruction")]
STAGES = ("elicit", "evaluate")
_COLUMNS = (
    Column("model", "trained", "base: not trained; control: trained without a prefix; else the kind of its prefix"),
    Column("about", "prompt", "prompt of the training or, for base and control, of the question; empty without"),
    Column("asked", "asked", "kind of prefix in front of the question"),
    Column("family", "family", "trait that the prompt asks for, or neutral", listed=False),
    Column("step", "step", "optimiser steps of the training"),
    Column("seed", "seed", "of the training; −1 for base", listed=False),
    Column("learning_rate", "learning rate", listed=False),
    Column("data", "data", "dataset of the training; empty for the study's own", listed=False),
    Column("condition", "condition", "default: asked without; training: as trained; other: another's", listed=False),
    Column("questions", "questions", "set of questions", listed=False),
    Column("instruction_id", "question", listed=False),
    Column("n_tokens", "tokens", listed=False),
    Column("finish", "ended by", "stop: the model ended its turn; length: it was cut off", listed=False),
    Column("made_by", "made by", "job, as in the table under Provenance", listed=False),
)
_PICKS = ("learning_rate", "seed", "step")


def sources(study: Study, paths: Paths, kept: Kept) -> Iterator[Source]:
    """The list of completions, if there are any."""
    if not any(any(paths.stage(stage).glob("completions-*.parquet")) for stage in STAGES):
        return
    labels = {trait: trait_label(study, trait) for trait in judged_traits(study)}
    judges = {trait: spec for trait in labels if (spec := study.traits[trait].judge) is not None}
    scores = _scores(paths)
    yield Source(
        "completions",
        "Completions",
        "Answers of the untrained model and of every checkpoint, with the scores of the judges.",
        lambda: with_judges_words(completions(study, paths), judges, kept),
        tuple(KEYS),
        (_COLUMNS[0], _COLUMNS[1], _COLUMNS[2], *score_columns(scores, labels), *_COLUMNS[3:]),
        (*turns(study), *judge_texts(judges, labels)),
        "sampled",
        Compare("instruction_id", "model", "asked", "about", ("base", "control", "fixed", "mix"), _PICKS),
        Matrix("about", ("model", "asked"), "step"),
        follows={"prompt": "about", "prefix": "model"},
        words={"none": "control"},
        scored_by=("trait",),
    )


def turns(study: Study, answer: str = "completion") -> tuple[Text, ...]:
    """The texts of a chat, in its order."""
    prefix = Text("prefix_text", "prefix", "prefix", study.separator if study.placement == "user" else "")
    system = Text("system", "system")
    last = (Text("instruction", "user"), Text(answer, "answer"))
    if study.placement == "system":
        return (prefix, system, Text("earlier", "earlier"), *last)
    return (system, Text("earlier", "earlier"), prefix, *last)


def _scores(paths: Paths) -> pd.DataFrame:
    parts = [read_table(paths.scores(stage)) for stage in STAGES if paths.scores(stage).exists()]
    names = [*KEYS, "trait", "judge", "judge_version", "score"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)


def completions(study: Study, paths: Paths) -> pd.DataFrame:
    """All completions, those of the last step first, with their scores."""
    found = [read_shards(paths.stage(stage).glob("completions-*.parquet"), stage) for stage in STAGES]
    frame = with_defaults(pd.concat([part for part in found if len(part)], ignore_index=True), COMPLETIONS)
    scores = _scores(paths)
    keys = [name for name in KEYS if name in scores]
    if len(scores):
        frame = with_scores(frame, scores, keys, dict.fromkeys(judged_traits(study), ""))
    own = (frame["prefix"] == "none") & (frame["run"] != "base")
    control = np.where(own & (frame["data"] != ""), "data " + frame["data"], "control")
    frame["model"] = np.where(frame["run"] == "base", "base", np.where(own, control, frame["prefix"]))
    frame["about"] = np.where(frame["prompt"] != "", frame["prompt"], frame["asked_prompt"])
    frame["asked"] = frame["asked_prefix"].replace({"none": "without", "": "without"})
    frame["family"] = frame["about"].map(prompt_families(study)).fillna("")
    frame["system"] = system_text(study)
    # An untrained model has no seed and no step, which is not the same as a failed measurement.
    for name in _PICKS:
        frame[name] = frame[name].astype(object).where(frame["run"] != "base", None)
    order = pd.to_numeric(frame["step"]).fillna(-1).sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def system_text(study: Study) -> str:
    """The system turn of a chat whose prefix is not one, where the study writes it."""
    return study.model.system.text if study.model.system.kind == "text" else ""


def absent(study: Study, paths: Paths) -> Iterator[str]:
    """Lists that are missing, with the verb that makes them."""
    for stage in STAGES:
        if not any(paths.stage(stage).glob("completions-*.parquet")):
            yield f"No completions of {stage}: run inoc {stage} {study.name}, if the study has this stage."
        elif not paths.scores(stage).exists():
            yield f"No scores of the completions of {stage}: run inoc judge {study.name} {stage}."
