"""The stage `evaluate`: completions of every checkpoint of a shard of runs, several adapters with one model load."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.chat.pools import read_pools
from inoc.engines.asking import Asker, ask_and_write, evaluation_instructions, joined
from inoc.engines.identity import ModelIdentity, identify
from inoc.engines.sampling import BASE, Block
from inoc.jobs.job import Job
from inoc.store import Unit
from inoc.studies.inoculation.runs import Asked, Run, asked_of, condition, prompt_texts
from inoc.tables import CHECKPOINTS, read_table


class Checkpoint(NamedTuple):
    """One saved adapter."""

    run: Run
    step: int
    folder: Path
    digest: str


class Plan(NamedTuple):
    """What a shard asks."""

    model: ModelIdentity
    checkpoints: list[Checkpoint]
    blocks: list[Block]
    rows: pd.DataFrame  # tables.COMPLETIONS without the answers, in the order of the blocks


def run(job: Job) -> str:
    """Write the shard's completions; see `inoc.tables.COMPLETIONS`."""
    model, found, blocks, rows = plan(job)
    adapters = {checkpoint.digest: checkpoint.folder for checkpoint in found if checkpoint.digest != BASE}
    path, canary = job.paths.evaluate(job.shard), job.study.evaluation.canary
    counts = ask_and_write(job, model, blocks, rows, path, doing="evaluating", adapters=adapters, canary=canary)
    job.record["counts"] = {"checkpoints": len(found), **counts}
    return f"{len(found)} checkpoints, {counts['completions']} completions, {counts['cut']} of them cut"


def units(job: Job) -> list[Unit]:
    """The shard's units of the store."""
    found = plan(job)
    return [block.unit(found.model) for block in found.blocks]


def plan(job: Job) -> Plan:
    """Everything that the shard asks, before any model is loaded."""
    study, spec = job.study, job.study.evaluation
    instructions = evaluation_instructions(job.paths, spec.n)
    asker = Asker(study, instructions, prompt_texts(study), read_pools(job.paths.pools), spec.sampling)
    found = checkpoints(job)
    rows: list[pd.DataFrame] = []
    blocks: list[Block] = []
    for checkpoint in found:
        for way in asked_of(study, checkpoint.run, checkpoint.step):
            who = f"{checkpoint.run.name} step {checkpoint.step}"
            questions = asker.questions(way, checkpoint.digest, who)
            blocks += questions.blocks
            rows.append(_asked_frame(checkpoint, way, instructions, questions.prefixes))
    return Plan(identify(study, job.paths, job.store), found, blocks, joined(rows))


def checkpoints(job: Job) -> list[Checkpoint]:
    """The adapters that the shard's training left."""
    path = job.paths.checkpoints(job.shard)
    table = read_table(path, CHECKPOINTS.names)
    return [
        Checkpoint(
            Run(
                str(row["prompt"]), str(row["prefix"]), float(row["learning_rate"]), int(row["seed"]), str(row["data"])
            ),
            int(row["step"]),
            path.parent / str(row["path"]),
            str(row["digest"]),
        )
        for _, row in table.iterrows()
    ]


def _asked_frame(checkpoint: Checkpoint, way: Asked, instructions: pd.DataFrame, prefixes: list[str]) -> pd.DataFrame:
    return instructions.assign(
        run=checkpoint.run.name,
        **checkpoint.run._asdict(),
        step=checkpoint.step,
        condition=condition(checkpoint.run, way),
        asked_prompt=way.prompt,
        asked_prefix=way.prefix,
        prefix_text=prefixes,
    )
