"""The tables of the stage `choose`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from inoc.engines.candidates import Candidate, Choice
from inoc.jobs.job import Job
from inoc.tables import INDEX, NUMBER, STRING, to_arrow, write_row_groups

CHOICES = pa.schema(
    [
        ("id", STRING),
        ("n_candidates", INDEX),
        ("mass", NUMBER),  # probability of all candidates together; NaN if it was not measured
        ("best", STRING),  # the likeliest candidate; empty where nothing is covered
        ("expectation", NUMBER),  # of the candidates' values, given that one of them is answered; NaN without values
        ("reason", STRING),  # why it was not measured; empty if it was
    ]
)
"""`choose/<part>/<shard>/choices.parquet`. Key: id."""

CANDIDATES = pa.schema(
    [
        ("id", STRING),
        ("candidate", STRING),
        ("value", NUMBER),  # NaN for none
        ("logprob", NUMBER),  # nats, summed over its spellings
        ("share", NUMBER),  # of the covered mass
    ]
)
"""`choose/<part>/<shard>/candidates.parquet`. Key: id, candidate."""

Measured = tuple[Sequence[str], Sequence[Choice], Sequence[tuple[Candidate, ...]]]
"""Ids of questions, their choices, and their candidates."""


def write_tables(job: Job, folder: Path, blocks: Sequence[Measured]) -> str:
    """Write both tables, a row group for each block; returns a summary, and counts for the manifest."""
    for schema, rows, name in ((CHOICES, choice_rows, "choices"), (CANDIDATES, candidate_rows, "candidates")):
        path = folder / f"{name}.parquet"
        write_row_groups((to_arrow(rows(*block), schema, path) for block in blocks), schema, path)
    masses = [choice.mass for _, found, _ in blocks for choice in found]
    measured = [mass for mass in masses if not math.isnan(mass)]
    n_nan = len(masses) - len(measured)
    job.record["counts"] = {"questions": len(masses), "NaN": n_nan}
    mean = sum(measured) / len(measured) if measured else float("nan")
    return f"{len(masses)} questions, mean covered mass {mean:.3f}, {n_nan} NaN"


def choice_rows(ids: Sequence[str], found: Sequence[Choice], candidates: Sequence[Sequence[Candidate]]) -> pd.DataFrame:
    """Rows of `CHOICES`."""
    rows = [
        (
            name,
            len(answers),
            choice.mass,
            answers[choice.best()].name if choice.best() >= 0 else "",
            choice.expectation(answers),
            choice.reason,
        )
        for name, choice, answers in zip(ids, found, candidates, strict=True)
    ]
    return pd.DataFrame(rows, columns=CHOICES.names)


def candidate_rows(
    ids: Sequence[str], found: Sequence[Choice], candidates: Sequence[Sequence[Candidate]]
) -> pd.DataFrame:
    """Rows of `CANDIDATES`."""
    rows = [
        (name, answer.name, answer.value, logprob, share)
        for name, choice, answers in zip(ids, found, candidates, strict=True)
        for answer, logprob, share in zip(answers, choice.logprobs, choice.shares(), strict=True)
    ]
    return pd.DataFrame(rows, columns=CANDIDATES.names)
