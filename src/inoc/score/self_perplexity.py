"""Self-perplexity of each prompt under the untrained model: the negative log-likelihood of its own tokens.

A unit of the store is one prompt, scored by itself, so that no other prompt changes a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.chat.messages import Chat, Framing
from inoc.config.models import SystemTurn
from inoc.digest import Json
from inoc.engines.identity import ModelIdentity
from inoc.jobs.job import Job
from inoc.score import VERSION
from inoc.stats.means import NAN
from inoc.store import Unit
from inoc.tables import SELF_PERPLEXITY, write_table

if TYPE_CHECKING:
    from inoc.engines.transformers import TransformersEngine

CONTEXTS = ("raw", "ctx")
FILE = "logprobs.parquet"


def in_its_turn(framing: Framing, text: str) -> Chat:
    """A chat that holds only a prefix: the user turn, or the system turn, wherever prefixes go."""
    if framing.placement == "system":
        return Chat(SystemTurn(kind="text", text=text), "")
    return Chat(framing.system, text)


def plan_alone(model: ModelIdentity, framing: Framing, texts: Mapping[str, str]) -> dict[str, Unit]:
    """Prompt → its unit."""
    return {key: _unit(framing, model, key, text) for key, text in texts.items()}


def _unit(framing: Framing, model: ModelIdentity, key: str, text: str) -> Unit:
    parts: dict[str, Json] = {
        "model": model.as_computed(),
        "engine": "transformers",
        "text": text,
        "chat": in_its_turn(framing, text).as_key(),
    }
    return Unit("self_perplexity", VERSION, parts, f"{key} by itself")


def score_alone(
    job: Job,
    engine: Callable[[], TransformersEngine],
    framing: Framing,
    texts: Mapping[str, str],
    alone: Mapping[str, Unit],
) -> None:
    """Score the prompts that are not in the store."""
    missing = {unit.key for unit in job.store.missing(alone.values())}
    for key, unit in alone.items():
        if unit.key in missing:
            with job.store.claim(unit) as folder:
                if folder is not None:
                    values = self_logprobs(engine(), partial(in_its_turn, framing), texts[key])
                    write_values(folder, values)


def write_values(folder: Path, values: Sequence[np.ndarray]) -> None:
    """Write the entry of a prompt by itself: an array for each of `CONTEXTS`, nats."""
    table = pa.table({"logprobs": pa.array(values, type=pa.list_(pa.float32()))})
    pq.write_table(table, folder / FILE, compression="zstd")


def self_logprobs(engine: TransformersEngine, make: Callable[[str], Chat], text: str) -> list[np.ndarray]:
    """Log-probabilities of a text's tokens, nats: by itself, and in a chat.

    Args:
        engine: The untrained model.
        make: Puts the text into a chat.
        text: The text.

    Returns:
        An array for each of `CONTEXTS`, nats. A first token that nothing precedes is left out: by itself where the
        tokenizer puts none before it, in a chat where the template begins with the text.
    """
    from inoc.chat.render import render_alone, render_part

    rendered = (render_alone(engine.tokenizer, text), render_part(engine.tokenizer, make, text))
    return [engine.logprobs([one], len(one.token_ids))[0] for one in rendered]


def write_alone(job: Job, alone: Mapping[str, Unit]) -> None:
    """Write the shard's table; see `inoc.tables.SELF_PERPLEXITY`."""
    rows = []
    for key, unit in alone.items():
        found = pq.read_table(job.store.folder(unit) / FILE)["logprobs"].to_pylist()
        for context, values in zip(CONTEXTS, found, strict=True):
            nll = -float(np.mean(np.asarray(values, dtype=np.float64))) if values else NAN
            rows.append((key, context, len(values), nll, values))
    table = pd.DataFrame(rows, columns=SELF_PERPLEXITY.names)
    write_table(table, SELF_PERPLEXITY, job.paths.self_perplexity(job.shard))
