"""The stage `elicit`: completions of the untrained model, without a prefix and with each one of a shard."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from inoc.chat.pools import read_pools
from inoc.config.models import Study
from inoc.engines.asking import Asker, ask_and_write, evaluation_instructions, joined, untrained_canary
from inoc.engines.identity import ModelIdentity, identify
from inoc.engines.sampling import BASE, Block
from inoc.jobs.job import Job
from inoc.store import Unit
from inoc.studies.inoculation.runs import PLAIN, Asked, condition, prompt_texts, shard_of


def ways(study: Study, shard: int, shards: int) -> list[Asked]:
    """How one shard asks: shard 0 also without a prefix."""
    prompts = [key for key in prompt_texts(study) if shard_of(key, shards) == shard]
    asked = [Asked(prompt, prefix) for prompt in prompts for prefix in study.elicitation.prefixes]
    return [PLAIN, *asked] if shard == 0 else asked


class Plan(NamedTuple):
    """What a shard asks."""

    model: ModelIdentity
    ways: list[Asked]
    blocks: list[Block]
    rows: pd.DataFrame  # tables.COMPLETIONS without the answers, in the order of the blocks


def run(job: Job) -> str:
    """Write the shard's completions; see `inoc.tables.COMPLETIONS`."""
    model, asked, blocks, rows = plan(job)
    canary = untrained_canary(job.study, job.study.elicitation.sampling)
    counts = ask_and_write(job, model, blocks, rows, job.paths.elicit(job.shard), doing="eliciting", canary=canary)
    job.record["counts"] = {"ways of asking": len(asked), **counts}
    return f"{len(asked)} ways of asking, {counts['completions']} completions, {counts['cut']} of them cut"


def units(job: Job) -> list[Unit]:
    """The shard's units of the store."""
    found = plan(job)
    return [block.unit(found.model) for block in found.blocks]


def plan(job: Job) -> Plan:
    """Everything that the shard asks, before any model is loaded."""
    study, spec = job.study, job.study.elicitation
    instructions = evaluation_instructions(job.paths, spec.n)
    asker = Asker(study, instructions, prompt_texts(study), read_pools(job.paths.pools), spec.sampling)
    asked = ways(study, job.shard, job.shards.elicit)
    questions = [asker.questions(way, BASE, "base") for way in asked]
    blocks = [block for each in questions for block in each.blocks]
    rows = [asked_frame(way, instructions, each.prefixes) for way, each in zip(asked, questions, strict=True)]
    return Plan(identify(study, job.paths, job.store), asked, blocks, joined(rows))


def asked_frame(way: Asked, instructions: pd.DataFrame, prefixes: list[str]) -> pd.DataFrame:
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
