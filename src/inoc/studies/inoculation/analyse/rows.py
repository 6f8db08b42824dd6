"""Rows, arms and skips: the parts of all tables of the analysis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from inoc.analyse.step import Skip as Skip
from inoc.stats.means import Estimate
from inoc.studies.inoculation.runs import Run, prompt_families, study_runs
from inoc.studies.inoculation.study import Study

ALL = "all"
"""The seed of rows that pool all seeds, and the trait of predictors that no trait enters."""

Row = dict[str, object]


class Part(NamedTuple):
    """Rows of one table, and what is missing from it."""

    rows: list[Row]
    skipped: list[Skip]


class Arm(NamedTuple):
    """Runs that differ in their seed only."""

    prompt: str  # empty for controls
    prefix: str  # none, fixed, mix or another pool
    learning_rate: float
    data: str = ""  # another dataset; empty for the study's own

    def run(self, seed: int) -> Run:
        """The run of one seed."""
        return Run(self.prompt, self.prefix, self.learning_rate, seed, self.data)

    @property
    def name(self) -> str:
        """The name of its runs, less the seed."""
        return self.run(0).name.rsplit(".", 1)[0]


def families(study: Study) -> dict[str, str]:
    """Prompt → family, by key: rows must not move when a study file is rearranged."""
    return dict(sorted(prompt_families(study).items()))


def traits(study: Study) -> list[str]:
    """Trait keys, sorted."""
    return sorted(study.traits)


def arms(study: Study) -> dict[Arm, list[int]]:
    """Arm → its seeds, all ascending; controls come first."""
    found: dict[Arm, list[int]] = {}
    for run in sorted(study_runs(study)):
        found.setdefault(arm_of(run), []).append(run.seed)
    return found


def arm_of(run: Run) -> Arm:
    """The arm that a run belongs to."""
    return Arm(run.prompt, run.prefix, run.learning_rate, run.data)


def control_of(arm: Arm) -> Arm:
    """The control with the learning rate of an arm."""
    return Arm("", "none", arm.learning_rate)


def interval(estimate: Estimate, value: str = "value") -> Row:
    """Columns of the estimate that a row is about.

    Args:
        estimate: The number.
        value: Name of the column that holds it.
    """
    bounds: Row = dict(zip(("lo", "hi", "n", "n_nan"), estimate[1:], strict=True))
    return {value: estimate.value, **bounds}


def cell(name: str, estimate: Estimate) -> Row:
    """Columns of a further mean in a row, all named after it."""
    return {name + ending: part for ending, part in zip(("", "_lo", "_hi", "_n", "_n_nan"), estimate, strict=True)}


def frame(rows: Iterable[Row], schema: pa.Schema) -> pd.DataFrame:
    """Rows as a table with the columns of a schema, in their order."""
    return pd.DataFrame(list(rows), columns=schema.names)


def joined(frames: Iterable[pd.DataFrame], schema: pa.Schema) -> pd.DataFrame:
    """Parts of a table, one after the other, with the columns of a schema, in their order."""
    parts = list(frames)
    return pd.concat(parts, ignore_index=True)[schema.names] if parts else frame([], schema)
