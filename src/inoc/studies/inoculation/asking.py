"""Plans of the stages `elicit` and `evaluate`: who is asked what, and behind which prefix."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.chat.messages import PLAIN, Asked
from inoc.chat.pools import read_pools
from inoc.config.models import Sampling
from inoc.config.workflow import Shards
from inoc.engines.sampling import BASE, Block
from inoc.jobs.job import Job
from inoc.sample.questions import Asker, evaluation_instructions, joined, untrained_canary
from inoc.sample.step import Plan
from inoc.studies.inoculation.runs import Run, asked_of, condition, framing, prompt_texts, shard_texts
from inoc.studies.inoculation.study import Study
from inoc.tables import CHECKPOINTS, read_table


class Checkpoint(NamedTuple):
    """One saved adapter."""

    run: Run
    step: int
    folder: Path
    digest: str


def _asker(study: Study, job: Job, n: int | None, sampling: Sampling) -> Asker:
    instructions = evaluation_instructions(job.paths.instructions, n)
    return Asker(framing(study), instructions, prompt_texts(study), read_pools(job.paths.pools), sampling)


def elicit(study: Study, job: Job, shards: Shards) -> Plan:
    """The untrained model, asked with each prefix of a shard's prompts; shard 0 also without one."""
    spec = study.elicitation
    asker = _asker(study, job, spec.n, spec.sampling)
    own = shard_texts(study, job.shard, shards.get("elicit", 1))
    asked = [Asked(prompt, prefix) for prompt in own for prefix in spec.prefixes]
    ways = [PLAIN, *asked] if job.shard == 0 else asked
    questions = [asker.questions(way, BASE, "base") for way in ways]
    rows = [_base_rows(way, asker.instructions, each.prefixes) for way, each in zip(ways, questions, strict=True)]
    return Plan(
        job.model(study.model),
        [block for each in questions for block in each.blocks],
        joined(rows),
        job.paths.completions("elicit", job.shard),
        "eliciting",
        ("ways of asking", len(ways)),
        canary=untrained_canary(study.evaluation.canary, spec.sampling),
    )


def _base_rows(way: Asked, instructions: pd.DataFrame, prefixes: list[str]) -> pd.DataFrame:
    """The identifying columns of one way of asking the untrained model."""
    return instructions.assign(
        run="base",
        prompt="",
        prefix="none",
        learning_rate=float("nan"),
        seed=-1,
        step=0,
        condition=condition(None, way),
        asked_prompt=way.prompt,
        asked_prefix=way.prefix,
        prefix_text=prefixes,
    )


def evaluate(study: Study, job: Job, shards: Shards) -> Plan:
    """Every checkpoint of a shard's runs, asked as `asked_of` says."""
    spec = study.evaluation
    asker = _asker(study, job, spec.n, spec.sampling)
    found = checkpoints(job)
    rows: list[pd.DataFrame] = []
    blocks: list[Block] = []
    for checkpoint in found:
        for way in asked_of(study, checkpoint.run, checkpoint.step):
            questions = asker.questions(way, checkpoint.digest, f"{checkpoint.run.name} step {checkpoint.step}")
            blocks += questions.blocks
            rows.append(_checkpoint_rows(checkpoint, way, asker.instructions, questions.prefixes))
    return Plan(
        job.model(study.model),
        blocks,
        joined(rows),
        job.paths.completions("evaluate", job.shard),
        "evaluating",
        ("checkpoints", len(found)),
        adapters={one.digest: one.folder for one in found if one.digest != BASE},
        canary=spec.canary,
    )


def checkpoints(job: Job) -> list[Checkpoint]:
    """The adapters that a shard's training left."""
    path = job.paths.checkpoints(job.shard)
    return [
        Checkpoint(
            Run(
                str(row["prompt"]), str(row["prefix"]), float(row["learning_rate"]), int(row["seed"]), str(row["data"])
            ),
            int(row["step"]),
            path.parent / str(row["path"]),
            str(row["digest"]),
        )
        for _, row in read_table(path, CHECKPOINTS.names).iterrows()
    ]


def _checkpoint_rows(
    checkpoint: Checkpoint, way: Asked, instructions: pd.DataFrame, prefixes: list[str]
) -> pd.DataFrame:
    return instructions.assign(
        run=checkpoint.run.name,
        **checkpoint.run._asdict(),
        step=checkpoint.step,
        condition=condition(checkpoint.run, way),
        asked_prompt=way.prompt,
        asked_prefix=way.prefix,
        prefix_text=prefixes,
    )
