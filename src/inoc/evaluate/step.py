"""The stage `evaluate`: completions of every checkpoint of a shard of runs, several adapters with one model load."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.chat.messages import compose, prefix_texts
from inoc.chat.pools import read_pools
from inoc.engines.identity import identify
from inoc.engines.sampling import BASE, Block, answer_blocks, blocks_of
from inoc.generate.step import load_engine
from inoc.job import Job
from inoc.runs import Asked, Run, asked_of, condition, prompt_texts
from inoc.tables import COMPLETIONS, read_table, write_table


class Checkpoint(NamedTuple):
    """One saved adapter."""

    run: Run
    step: int
    folder: Path
    digest: str


def run(job: Job) -> str:
    """Write the shard's completions; see `inoc.tables.COMPLETIONS`."""
    study, spec = job.study, job.study.evaluation
    instructions = read_table(job.paths.instructions)
    instructions = instructions.head(spec.n) if spec.n else instructions
    ids, users = list(instructions["instruction_id"]), list(instructions["instruction"])
    model = identify(study, job.paths, job.store)
    texts, pools = prompt_texts(study), read_pools(job.paths.pools)
    found = checkpoints(job)
    rows: list[pd.DataFrame] = []
    blocks: list[Block] = []
    for checkpoint in found:
        for way in asked_of(study, checkpoint.run, checkpoint.step):
            # The draw does not depend on the run, so a control is asked with the very rephrasings of its partner.
            prefixes = prefix_texts(way, texts, pools, ids, spec.sampling.seed)
            chats = [compose(study, prefix, user) for prefix, user in zip(prefixes, users, strict=True)]
            label = f"{checkpoint.run.name} step {checkpoint.step} asked {way.prefix} {way.prompt}".strip()
            blocks += blocks_of(checkpoint.digest, chats, ids, spec.sampling, label)
            rows.append(_asked_frame(checkpoint, way, instructions, prefixes))
    adapters = {checkpoint.digest: checkpoint.folder for checkpoint in found if checkpoint.digest != BASE}
    with job.progress("evaluating", len(rows) * len(ids), "completions") as meter:
        engine = cache(lambda: load_engine(model))
        answers = answer_blocks(job.store, model, blocks, engine, adapters, canary=spec.canary, advance=meter.advance)
    job.store.refer(study.name, job.name, [block.unit(model) for block in blocks])
    flat = [answer for block in answers for answer in block]
    frame = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=COMPLETIONS.names)
    frame = frame.assign(
        completion=[answer.text for answer in flat],
        n_tokens=[answer.n_tokens for answer in flat],
        finish=[answer.finish for answer in flat],
    )
    write_table(frame, COMPLETIONS, job.paths.evaluate(job.shard))
    job.record["model"] = {"path": study.model.path, **model.as_key()}
    cut = sum(answer.finish == "length" for answer in flat)
    job.record["counts"] = {"checkpoints": len(found), "completions": len(frame), "cut": cut}
    return f"{len(found)} checkpoints, {len(rows)} ways of asking × {len(ids)} instructions, {cut} completions cut"


def checkpoints(job: Job) -> list[Checkpoint]:
    """The adapters that the shard's training left."""
    path = job.paths.checkpoints(job.shard)
    table = read_table(path)
    return [
        Checkpoint(
            Run(str(row["prompt"]), str(row["prefix"]), float(row["learning_rate"]), int(row["seed"])),
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
