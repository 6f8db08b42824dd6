"""Token tables laid out as `score` writes them: one row group per prompt, prefix and dataset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.decomposition import TruncatedSVD

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


def token_shifts(tokens: Tokens, prompt: str) -> list[np.ndarray]:
    rows = [(w.astype(np.float32), b.astype(np.float32)) for w, b in zip(tokens[prompt], tokens[""], strict=True)]
    return [w.astype(np.float64) - b.astype(np.float64) for w, b in rows]


def brute_heuristics(rows: Sequence[np.ndarray], base: Sequence[np.ndarray]) -> dict[str, float]:
    """Every heuristic of token shifts by its formula, token by token."""
    flat = [float(one) for row in rows for one in row]
    plain = [float(np.float32(one)) for row in base for one in row]
    n = len(flat)

    def simulate(size: float) -> tuple[float, float]:
        total = 0.0
        for _ in range(32):
            step = 1 - math.exp(-size)
            total, size = total + step, max(size - 0.01 * step, 0.0)
        return total, size

    runs = [simulate(abs(one)) for one in flat]
    largest = sorted(flat, key=abs, reverse=True)[: int(0.25 * n)]
    width = max(map(len, rows))
    table = np.zeros((len(rows), width))
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    kept = min(200, len(rows) - 1, width - 1)
    svd = TruncatedSVD(kept, algorithm="arpack", random_state=42).fit(table)
    ratio = svd.explained_variance_ratio_[np.argsort(-svd.singular_values_)]
    reached = np.flatnonzero(np.cumsum(ratio) >= 0.5)
    shares = [
        np.mean([abs(row[t]) > 0.1 for row in rows if len(row) > t])
        for t in range(width)
        if sum(len(row) > t for row in rows) >= 10
    ]
    h11, h14 = math.fsum(map(abs, flat)) / n, math.fsum(flat) / n
    return {
        "h11": h11,
        "h12": h11 - h14,
        "h13": math.fsum(one**2 for one in flat) / n,
        "h14": h14,
        "ha2": math.fsum(one for one in flat if abs(one) > 0.5) / n,
        "ha3": math.fsum(largest) / len(largest),
        "ha4": math.fsum(1 - math.exp(-abs(one)) for one in flat) / n,
        "ha5": math.fsum(1 - math.exp(-abs(one)) for one in flat if abs(one) > 0.5) / n,
        "hb1": float(ratio[0]),
        "hb2": math.fsum(total for total, _ in runs) / n,
        "hb3": sum(share >= 0.5 for share in shares) / len(shares),
        "hb5": float(reached[0] + 1 if reached.size else kept),
        "hb6": math.fsum(left for _, left in runs) / n,
        "recovered": sum(math.exp(b) < 0.1 < math.exp(b + d) for b, d in zip(plain, flat, strict=True)) / n,
        "absolute_snr": h11 / float(np.std(flat)),
    }
