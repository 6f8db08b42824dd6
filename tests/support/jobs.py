"""Jobs of a stage for a study that is in no file."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from inoc.config.models import BaseStudy
from inoc.config.workflow import Shards
from inoc.jobs.job import Job
from inoc.jobs.make import Made
from inoc.stages import stage_named
from inoc.store import Unit


@dataclass
class StudyJob(Job):
    """A job that knows its study, so that tests need not read one from a file."""

    of: BaseStudy | None = None
    split: Shards | None = None


def plan_of(job: StudyJob) -> Any:
    """The plan of a job's stage, as the kind of study makes it."""
    assert job.of is not None
    return Made(job, job.of, job.split or {}).plan()


def run_job(job: StudyJob) -> str:
    """Do a job as its verb would."""
    return str(importlib.import_module(stage_named(job.stage).step).run(job, plan_of(job)))


def units_of(job: StudyJob) -> list[Unit]:
    """The units of the store that a job needs."""
    units: list[Unit] = importlib.import_module(stage_named(job.stage).step).units(job, plan_of(job))
    return units
