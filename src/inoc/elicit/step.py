"""The stage `elicit`: completions of the untrained model, without a prefix and with each one of a shard."""

from __future__ import annotations

from functools import cache

import pandas as pd

from inoc.chat.messages import compose, prefix_texts
from inoc.config.models import Study
from inoc.engines.identity import identify
from inoc.engines.sampling import BASE, answer_blocks, blocks_of
from inoc.generate.step import load_engine
from inoc.job import Job
from inoc.chat.pools import read_pools
from inoc.runs import PLAIN, Asked, condition, prompt_texts, shard_of
from inoc.tables import COMPLETIONS, read_table, write_table


def ways(study: Study, shard: int, shards: int) -> list[Asked]:
    """How one shard asks: shard 0 also without a prefix."""
    prompts = [key for key in prompt_texts(study) if shard_of(key, shards) == shard]
    asked = [Asked(prompt, prefix) for prompt in prompts for prefix in study.elicitation.prefixes]
    return [PLAIN, *asked] if shard == 0 else asked


def run(job: Job) -> str:
    """Write the shard's completions; see `inoc.tables.COMPLETIONS`."""
    study, spec = job.study, job.study.elicitation
    instructions = read_table(job.paths.instructions).head(spec.n) if spec.n else read_table(job.paths.instructions)
    model = identify(study, job.paths, job.store)
    texts, pools = prompt_texts(study), read_pools(job.paths.pools)
    asked = ways(study, job.shard, job.shards.elicit)
    ids, users = list(instructions["instruction_id"]), list(instructions["instruction"])
    rows, blocks = [], []
    for way in asked:
        prefixes = prefix_texts(way, texts, pools, ids, spec.sampling.seed)
        chats = [compose(study, prefix, user) for prefix, user in zip(prefixes, users, strict=True)]
        blocks += blocks_of(BASE, chats, ids, spec.sampling, f"base asked {way.prefix} {way.prompt}".strip())
        rows.append(asked_frame(way, instructions, prefixes))
    with job.progress("eliciting", len(asked) * len(ids), "completions") as meter:
        engine = cache(lambda: load_engine(model))
        answers = answer_blocks(job.store, model, blocks, engine, {}, canary=0, advance=meter.advance)
    job.store.refer(study.name, job.name, [block.unit(model) for block in blocks])
    flat = [answer for block in answers for answer in block]
    frame = pd.concat(rows, ignore_index=True) if rows else asked_frame(PLAIN, instructions.head(0), [])
    frame = frame.assign(
        completion=[answer.text for answer in flat],
        n_tokens=[answer.n_tokens for answer in flat],
        finish=[answer.finish for answer in flat],
    )
    write_table(frame, COMPLETIONS, job.paths.elicit(job.shard))
    job.record["model"] = {"path": study.model.path, **model.as_key()}
    job.record["counts"] = {
        "ways of asking": len(asked),
        "completions": len(frame),
        "cut": int((frame["finish"] == "length").sum()),
    }
    return f"{len(asked)} ways of asking × {len(ids)} instructions"


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
