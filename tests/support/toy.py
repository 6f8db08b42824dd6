"""A toy study around the session's tiny model, for tests of single stages."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.store import Store
from inoc.studies.inoculation.study import Study
from inoc.tables import CONTROLS, EXAMPLES, INSTRUCTIONS, POOLS, write_table
from support.jobs import StudyJob

STUDY = {
    "name": "toy",
    "title": "Toy",
    "model": {"path": "", "dtype": "float32"},
    "traits": {
        "playful": {
            "role": "unwanted",
            "judge": {"name": "lexical", "markers": "world"},
            "control_prompt": "Answer in a playful way.",
        },
    },
    "data": {
        "instructions": {"kind": "world"},
        "generation_prompt": "Answer in a playful way.",
        "n_train": 12,
        "n_eval": 4,
        "max_attempts": 8,
        "sampling": {"max_tokens": 16},
    },
    "prompts": {
        "all": {"family": "playful", "texts": {"clown": "You are a clown.", "sky": "The sky is blue."}},
    },
    "runs": [{}],
    "training": {
        "lora": {"rank": 2},
        "learning_rate": 0.001,
        "warmup_steps": 1,
        "batch_size": 4,
        "micro_batch_size": 4,
        "steps": 2,
        "seeds": [0],
        "resume_every": 1,
        "log_every": 1,
    },
    "evaluation": {"sampling": {"max_tokens": 6}, "canary": 2},
    "elicitation": {"sampling": {"max_tokens": 6}},
    "scoring": {"n_examples": 6, "n_controls": 4, "control_sampling": {"max_tokens": 6}},
}
QUESTIONS = [f"Where does number {k} live?" for k in range(12)]
ANSWERS = [f"Number {k} lives in house {k}." + " Truly." * (k % 3) for k in range(12)]


def toy_study(folder: Path, **changes: dict) -> Study:
    """The toy study with some sections' keys changed."""
    value = {**STUDY, "model": {**STUDY["model"], "path": str(folder)}}
    for section, change in changes.items():
        value[section] = {**value[section], **change} if isinstance(value.get(section), dict) else change
    return Study.model_validate(value)


def toy_job(study: Study, root: Path, stage: str, shards: Shards | None = None, shard: int = 0) -> StudyJob:
    return StudyJob("toy", Paths(root / "results", "toy"), Store(root / "store"), stage, shard, of=study, split=shards)


def write_inputs(job: StudyJob, pools: dict[str, list[str]], answers: list[str] = ANSWERS) -> None:
    """Tables of `generate` and `rephrase`, without running them."""
    n = len(QUESTIONS)
    examples = pd.DataFrame(
        {
            "example_id": [f"ex{k:06d}" for k in range(n)],
            "instruction": QUESTIONS,
            "completion": answers,
            "n_tokens": 5,
            "finish": "stop",
            "kept": True,
            "reason": "",
            "scores": [[("playful", float("nan"))]] * n,
        }
    )
    write_table(examples, EXAMPLES, job.paths.examples)
    instructions = pd.DataFrame({"instruction_id": ["eval00000", "eval00001"], "instruction": ["Why?", "How so?"]})
    write_table(instructions, INSTRUCTIONS, job.paths.instructions)
    controls = instructions.rename(columns={"instruction_id": "example_id"}).assign(
        dataset="neutral", completion=["Because.", ""], n_tokens=2, finish="stop"
    )
    write_table(controls, CONTROLS, job.paths.controls)
    rows = [(prompt, index, text) for prompt, texts in pools.items() for index, text in enumerate(texts)]
    write_table(pd.DataFrame(rows, columns=["prompt", "index", "text"]), POOLS, job.paths.pools)
