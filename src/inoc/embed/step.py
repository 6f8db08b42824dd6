"""The stage `embed`: vectors of every prompt and its rephrasings, and the distances between them.

A unit of the store is one prompt with its rephrasings. It keeps all of the vectors; the table has those of the prompts
only, and of the rephrasings what the analysis asks about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.config.embedding import EmbeddingSpec
from inoc.digest import Json, digest
from inoc.embed import VERSION
from inoc.embed.embedders import BATCH_SIZE, EmbedderIdentity, Vectors, identify_embedder, load_embedder
from inoc.embed.lengths import cut_of
from inoc.errors import DataError
from inoc.jobs.job import Job
from inoc.rephrase.spread import effective_rank
from inoc.stats.means import NAN, Floats
from inoc.store import Unit
from inoc.tables import EMBEDDINGS, nan_count, write_table

VECTORS = "vectors.npy"


class Plan(NamedTuple):
    """Texts to embed, and the encoder."""

    spec: EmbeddingSpec
    texts: Mapping[str, str]  # prompt → text
    pools: Mapping[str, Sequence[str]]  # prompt → rephrasings


class Cloud(NamedTuple):
    """A prompt and its rephrasings, before they are embedded."""

    prompt: str
    texts: list[str]  # the prompt itself first
    unit: Unit


def run(job: Job, plan: Plan) -> str:
    """Write a row for each prompt; see `inoc.tables.EMBEDDINGS`."""
    identity, found = clouds(job, plan)
    # Before anything is computed, so that no collection of garbage takes what is found there already.
    job.store.refer(job.study, job.name, [cloud.unit for cloud in found])
    _embed_missing(job, identity, found)
    rows = [{"prompt": cloud.prompt, **cloud_row(_read(job, cloud))} for cloud in found]
    write_table(pd.DataFrame(rows, columns=EMBEDDINGS.names), EMBEDDINGS, job.paths.embeddings)
    n_texts = sum(len(cloud.texts) for cloud in found)
    cut = cut_of(identity, [text for cloud in found for text in cloud.texts])
    n_nan = sum(nan_count(np.asarray(row["cosines"])) for row in rows)
    job.record["model"] = identity.as_key()
    job.record["counts"] = {"prompts": len(found), "texts": n_texts, "NaN": n_nan, "cut": cut.texts}
    return f"{len(found)} prompts, {n_texts} texts, {n_nan} NaN{cut}"


def units(job: Job, plan: Plan) -> list[Unit]:
    """The units of the store."""
    return [cloud.unit for cloud in clouds(job, plan)[1]]


def clouds(job: Job, plan: Plan) -> tuple[EmbedderIdentity, list[Cloud]]:
    """The encoder, and everything that is embedded with it, before it is loaded.

    Raises:
        DataError: If a prompt's pool has fewer rephrasings than are to be embedded.
    """
    spec = plan.spec
    identity = identify_embedder(spec, job.store)
    found = []
    for prompt, text in plan.texts.items():
        pool = plan.pools.get(prompt, [])
        if spec.rephrasings is not None and len(pool) < spec.rephrasings:
            msg = (
                f"embedding.rephrasings = {spec.rephrasings}, and the pool of prompt {prompt!r} has {len(pool)}; "
                "ask for fewer, or raise `rephrase.n`"
            )
            raise DataError(msg)
        texts = [text, *pool[: spec.rephrasings]]
        found.append(Cloud(prompt, texts, _unit(identity, prompt, texts)))
    return identity, found


def _unit(identity: EmbedderIdentity, prompt: str, texts: list[str]) -> Unit:
    parts: dict[str, Json] = {
        "model": identity.as_key(),
        "texts": digest(texts),
        "n": len(texts),
        "batch_size": BATCH_SIZE,
    }
    return Unit("embed", VERSION, parts, f"embeddings of {prompt}")


def _embed_missing(job: Job, identity: EmbedderIdentity, found: list[Cloud]) -> None:
    missing = {unit.key for unit in job.store.missing(cloud.unit for cloud in found)}
    embedder = cache(lambda: load_embedder(identity, lambda: job.api))
    todo = [cloud for cloud in found if cloud.unit.key in missing]
    with job.progress("embedding", sum(len(cloud.texts) for cloud in todo), "texts") as meter:
        for cloud in todo:
            with job.store.claim(cloud.unit) as folder:
                if folder is not None:
                    np.save(folder / VECTORS, embedder().embed(cloud.texts))
            meter.advance(len(cloud.texts))


def _read(job: Job, cloud: Cloud) -> Vectors:
    path: Path = job.store.folder(cloud.unit) / VECTORS
    vectors: Vectors = np.load(path)
    return vectors


def cloud_row(vectors: Vectors) -> dict[str, object]:
    """Row of the table for a prompt and its rephrasings.

    Args:
        vectors: Shape (1 + rephrasings, dimensions), the prompt's first.

    Returns:
        Columns of `EMBEDDINGS` but the prompt's key.
    """
    unit = unit_vectors(vectors)
    known = unit[1:][np.isfinite(unit[1:]).all(axis=1)]
    return {
        "n": len(vectors) - 1,
        "effective_rank": effective_rank(known) if len(known) else NAN,
        "cosines": list(unit[1:] @ unit[0]),
        "vector": list(vectors[0]),
    }


def unit_vectors(vectors: Vectors | Floats) -> Floats:
    """Vectors of length 1 in float64, by row; NaN for a vector of length 0, which has no direction."""
    found = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    unit: Floats = np.divide(found, length, out=np.full(found.shape, NAN), where=length > 0)
    return unit
