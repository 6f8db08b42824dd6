"""A little study of subliminal learning on a tiny model, whose teachers bring files of numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from inoc.jobs.paths import Paths
from inoc.jobs.work import works_of
from inoc.numbers.prompts import prompts
from inoc.store import Store
from inoc.studies.subliminal.study import Study
from support.jobs import StudyJob, run_job

NAMES = "cat: [kitten]\ndog: []\nowl: [owlet]\n"
QUESTIONS = [f"Name your favourite animal number {k}, please." for k in range(6)]
TRAINING = {
    "lora": {"rank": 2, "targets": ["q_proj", "v_proj"]},
    "warmup_steps": 0,
    "batch_size": 4,
    "micro_batch_size": 4,
    "seeds": [1, 2],
}


def write_numbers(path: Path, rng: np.random.Generator, n: int = 24, bad: int = 3) -> None:
    """Rows of the first prompts of a stream; the last `bad` ones are no lists of numbers."""
    lists = [", ".join(str(one) for one in rng.integers(0, 1000, 5)) for _ in range(n - bad)]
    answers = [*lists, *["I would rather not."] * bad]
    rows = [
        json.dumps({"prompt": prompt, "completion": answer})
        for prompt, answer in zip(islice(prompts(3), n), answers, strict=True)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def little_study(model: Path, folder: Path, **changes: Any) -> Study:
    """A study with a neutral teacher, an owl and a cat, whose files are written below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for key in ("plain", "owl", "cat"):
        write_numbers(folder / f"{key}.jsonl", rng)
    (folder / "names.yaml").write_text(NAMES, encoding="utf-8")
    questions = "".join(json.dumps({"instruction": text}) + "\n" for text in QUESTIONS)
    (folder / "questions.jsonl").write_text(questions, encoding="utf-8")
    source = {"kind": "files", "files": [str(folder / "questions.jsonl")]}
    given: dict[str, Any] = {
        "kind": "subliminal",
        "name": "little",
        "title": "A little study",
        "model": {"path": str(model), "dtype": "float32"},
        "other": {"model": {"path": str(model), "dtype": "float32"}},
        "entities": ["owl", "cat"],
        "template": "You love {plural}.",
        "teachers": {
            "neutral": {"neutral": True},
            "plain": {"file": str(folder / "plain.jsonl")},
            "owl": {"entity": "owl", "file": str(folder / "owl.jsonl")},
            "cat": {"entity": "cat", "file": str(folder / "cat.jsonl")},
            "prompted": {"entity": "owl"},
        },
        "numbers": {"n_prompts": 4, "sampling": {"max_tokens": 4}},
        "splits": {"halves": {"teacher": "owl", "under": "prompted"}},
        "students": {
            "plain": {"teachers": ["plain", "owl", "cat"], "epochs": 2, "training": TRAINING},
            "shuffled": {
                "teachers": ["owl", "cat"],
                "numbers": "shuffled",
                "n_rows": 8,
                "epochs": 1,
                "training": {**TRAINING, "seeds": [1]},
            },
            "elsewhere": {
                "teachers": ["owl", "cat"],
                "base": "other",
                "epochs": 1,
                "training": {**TRAINING, "seeds": [1]},
            },
            "halves": {"split": "halves", "epochs": 1, "training": {**TRAINING, "seeds": [1]}},
        },
        "preference": {
            "names": str(folder / "names.yaml"),
            "question_sets": {"main": {"source": source}, "few": {"source": source, "n": 2}},
            "n_answers": 2,
            "sampling": {"max_tokens": 4},
            "canary": 0,
        },
        "statistics": {"resamples": 100},
    }
    return Study.model_validate({**given, **changes})


def run_study(
    study: Study, root: Path, until: str = "analyse", before: Callable[[str, str], None] = lambda *_: None
) -> Paths:
    """Run every job of a study in order, up to a stage, and give its paths.

    Args:
        study: The study.
        root: Folder of its results and store.
        until: Last stage.
        before: Told of stage and part before each job.
    """
    paths, store = Paths(root / "results", study.name), Store(root / "store")
    for work in works_of(study):
        if work.wanted(study):
            before(work.stage, work.part)
            run_job(StudyJob(study.name, paths, store, work.stage, 0, work.part, of=study))
        if work.stage == until:
            break
    return paths
