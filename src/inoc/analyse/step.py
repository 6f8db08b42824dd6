"""The stage `analyse`: the tables of a study's results."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from inoc.jobs.job import Job


class Plan(NamedTuple):
    """The analysis of a study."""

    analyse: Callable[[Job], str]  # computes and writes every table; returns one line for the log


def run(job: Job, plan: Plan) -> str:
    """Write every table of the analysis, each with its CSV twin, and what is missing from them."""
    return plan.analyse(job)
