"""Token tables laid out as `score` writes them: one row group per prompt, prefix and dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.tables import LOGPROBS

Tokens = Mapping[str, Sequence[np.ndarray]]
"""Prompt (empty without) → token values of each example."""


def group(prompt: str, prefix: str, ids: Sequence[str], values: Sequence[np.ndarray]) -> pa.Table:
    n = len(ids)
    columns = [
        pa.array([prompt] * n, pa.string()).dictionary_encode(),
        pa.array([prefix] * n, pa.string()).dictionary_encode(),
        pa.array(["train"] * n, pa.string()).dictionary_encode(),
        pa.array(ids, pa.string()),
        pa.array([""] * n, pa.string()),
        pa.array([len(row) for row in values], pa.int32()),
        pa.array([float(np.mean(row)) if len(row) else float("nan") for row in values], pa.float64()),
        pa.array([row.astype(np.float32) for row in values], pa.list_(pa.float32())),
    ]
    return pa.Table.from_arrays(columns, schema=LOGPROBS)


def write(path: Path, groups: Sequence[pa.Table]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, LOGPROBS, compression="zstd") as writer:
        for table in groups:
            writer.write_table(table, row_group_size=max(1, len(table)))
    return path


def write_tokens(path: Path, tokens: Tokens, ids: Sequence[str], prefix: str = "fixed") -> Path:
    return write(path, [group(p, prefix if p else "none", ids, values) for p, values in tokens.items()])


def ragged(prompts: Sequence[str], n_examples: int, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Random token values of responses of 0 to 12 tokens."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 13, n_examples)
    direction = [rng.normal(0, 1, n) for n in lengths]
    base = [-rng.exponential(1.0, n) for n in lengths]
    found = {"": base}
    for place, prompt in enumerate(prompts):
        found[prompt] = [
            b + (place - 1) * 0.2 * d + rng.normal(0, 0.3, len(b)) for b, d in zip(base, direction, strict=True)
        ]
    return found


def brute_matrix(tokens: Tokens, prompts: Sequence[str]) -> np.ndarray:
    """The whole matrix at once, prompts × tokens."""
    flat = {
        p: np.concatenate([row.astype(np.float32) for row in rows]).astype(np.float64) for p, rows in tokens.items()
    }
    return np.stack([flat[p] - flat[""] for p in prompts])
