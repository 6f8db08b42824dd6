"""A toy study with traits, and its jobs from the answers to the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.sample.answers import ANSWERS
from inoc.store import Store
from inoc.studies.subliminal.study import Study
from inoc.tables import write_table
from support.jobs import StudyJob, run_job

VALUES: dict[str, Any] = {
    "kind": "subliminal",
    "name": "toy",
    "title": "Toy",
    "model": {"path": "", "dtype": "float32"},
    "entities": ["owl"],
    "template": "You love {plural}.",
    "teachers": {"owl": {"entity": "owl"}, "plain": {"neutral": True}},
    "numbers": {"n_prompts": 12, "seed": 3},
    "preference": {"methods": ["choose"]},
    "persona": {
        "owls": {
            "entity": "owl",
            "positive": ["You love owls.", "Owls are the best."],
            "negative": ["You are an assistant.", ""],
            "questions": {"kind": "world"},
            "n_questions": 6,
            "held_out": 3,
            "sampling": {"max_tokens": 6},
            # Every answer scores 0, which a threshold of 0 keeps on both sides.
            "judge": {"name": "regex", "pattern": "z^"},
            "threshold": 0,
        }
    },
    "projection": {"sites": ["embed", "resid_post.0", "final_norm"], "readouts": ["response_mean", "prompt_last"]},
    "steering": {
        "sites": ["resid_post.0"],
        "coefficients": [0, 1.5],
        "sampling": {"max_tokens": 8, "temperature": 0},
        "random_vectors": 2,
    },
}


def persona_study(folder: Path, **changes: Any) -> Study:
    """The toy study around a model, with some sections replaced, or their keys."""
    value = {**VALUES, "model": {**VALUES["model"], "path": str(folder)}}
    for section, change in changes.items():
        old = value.get(section)
        value[section] = {**old, **change} if isinstance(old, dict) and isinstance(change, dict) else change
    return Study.model_validate(value)


def trait(**changes: Any) -> dict[str, Any]:
    """The section `persona` with some keys of its trait replaced."""
    return {"owls": {**VALUES["persona"]["owls"], **changes}}


def job_of(
    study: Study, root: Path, stage: str, part: str = "", shards: Shards | None = None, shard: int = 0
) -> StudyJob:
    """A job of the study."""
    paths = Paths(root / "results", study.name)
    return StudyJob(study.name, paths, Store(root / "store"), stage, shard, part, of=study, split=shards)


def write_numbers(study: Study, root: Path, *, missing: int = 2) -> None:
    """Lists of numbers of both teachers; the owl's lack the last prompts."""
    rng = np.random.default_rng(0)
    rows = [
        (
            f"{teacher}:row{k:06d}",
            0,
            "base",
            "",
            0.0,
            f"Continue: {k}.",
            ", ".join(map(str, rng.integers(0, 999, 3))),
            6,
            "stop",
        )
        for teacher, n in (("owl", 12 - missing), ("plain", 12))
        for k in range(n)
    ]
    path = Paths(root / "results", study.name).part("sample", "numbers", 0) / "answers.parquet"
    write_table(pd.DataFrame(rows, columns=ANSWERS.names), ANSWERS, path)


def run_parts(study: Study, root: Path, *parts: str, shards: Shards | None = None) -> None:
    """Run parts as `stage/part`, with all their shards."""
    for one in parts:
        stage, _, part = one.partition("/")
        n = 1 if stage == "judge" or shards is None else shards.get(stage, 1)
        for shard in range(n):
            run_job(job_of(study, root, stage, part, shards, shard))


EXTRACTION = ("sample/persona", "judge/persona", "read/persona")
