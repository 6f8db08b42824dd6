"""The scores of a made-up likelihood-shift study, as its stage `score` would leave them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from inoc.jobs.paths import Paths
from inoc.studies.likelihood_shift.study import Study
from inoc.tables import LOGPROBS, write_row_groups


def make_study(n_candidates: int, n_datasets: int, folder: Path, **changes: Any) -> Study:
    """Candidates p0, p1, …, one control; dataset dk was written under pk, the last one under no prompt."""
    prompts = {f"p{k}": f"You love {k}." for k in range(n_candidates)}
    written = {f"d{k}": {"written_under": f"p{k}"} for k in range(n_datasets - 1)}
    datasets = {**written, "neutral": {}}
    return Study.model_validate(
        {
            "kind": "likelihood_shift",
            "name": "made",
            "title": "Made up",
            "model": {"path": "none"},
            "base": {"kind": "none"},
            "prompts": {"candidates": {"texts": prompts}, "controls": {"role": "control", "texts": {"c": "Hello."}}},
            "datasets": {key: {"file": str(folder / f"{key}.jsonl"), **one} for key, one in datasets.items()},
            **changes,
        }
    )


def write_answers(study: Study, n_rows: int, rng: np.random.Generator) -> None:
    """The file of each dataset: lists of ten numbers, of which some are in brackets."""
    for spec in study.datasets.values():
        path = Path(str(spec.file))
        path.parent.mkdir(parents=True, exist_ok=True)
        numbers = rng.integers(0, 1000, (n_rows, 10))
        lists = [", ".join(map(str, row)) for row in numbers.tolist()]
        answers = [
            f"[{one}]" if bracketed else one for one, bracketed in zip(lists, rng.random(n_rows) < 0.2, strict=True)
        ]
        rows = [json.dumps({"prompt": f"Go on, {k}", "completion": answer}) for k, answer in enumerate(answers)]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_scores(study: Study, paths: Paths, n_rows: int, rng: np.random.Generator, own: float = 0.02) -> None:
    """Log-probabilities of every row under every prompt and the base turn; own prompts are `own` above the others."""
    prompts = [key for group in study.prompts.values() for key in group.texts]
    write_row_groups(_groups(study, prompts, n_rows, rng, own), LOGPROBS, paths.logprobs(0))


def _groups(study: Study, prompts: list[str], n: int, rng: np.random.Generator, own: float) -> Iterator[pa.Table]:
    ids = pa.array([f"row{k + 1:06d}" for k in range(n)])
    fixed = [pa.array(np.full(n, 40, dtype=np.int32))]
    tokens = pa.array([[]] * n, type=pa.list_(pa.float32()))
    for dataset, spec in study.datasets.items():
        base, shared = rng.normal(-1, 0.3, n), rng.normal(0, 0.15, n)
        for prompt in ["", *prompts]:
            shift = shared + rng.normal(0.1, 0.05, n) + own * (prompt == spec.written_under) if prompt else 0.0
            keys = [_constant(one, n) for one in (prompt, "system" if prompt else "none", dataset)]
            columns = [*keys, ids, pa.array([""] * n), *fixed, pa.array(base + shift), tokens]
            yield pa.Table.from_arrays(columns, schema=LOGPROBS)


def _constant(value: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int32)), pa.array([value]))
