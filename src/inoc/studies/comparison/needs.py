"""Everything that a comparison needs: tables of other studies, and no model."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.models import ModelSpec
from inoc.config.needs import Needs
from inoc.config.workflow import Shards
from inoc.errors import InocError
from inoc.jobs.costs import CostRow, Rates
from inoc.studies.comparison.measures import chosen
from inoc.studies.comparison.sides import unfinished
from inoc.studies.comparison.study import Study

_NONE = ModelSpec(path="none")
"""Stands where other kinds have the model under study; it is not loaded."""


def needs(study: Study) -> Needs:
    """Studies that are not finished are among the problems, each with what to run."""
    return Needs(_NONE, problems=tuple(unfinished(study)), row_problems=lambda: _rows(study), loaded=False)


def _rows(study: Study) -> Iterator[str]:
    from inoc.studies.comparison.analyse.step import nothing_common

    try:
        yield from nothing_common(study)
    except InocError as error:
        yield str(error)


def summary(study: Study) -> str:
    """One line that says what is compared."""
    n = len(study.studies)
    measures = ", ".join(one.of.name for one in chosen(study))
    return f"{n} studies of kind {study.of}, {n * (n - 1) // 2} pairs: {measures}"


def costs(study: Study, shards: Shards, rates: Rates) -> list[CostRow]:
    """One job that reads tables."""
    del shards, rates
    return [CostRow("analyse", 1, f"{len(study.studies)} studies")]
