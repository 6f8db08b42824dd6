"""Plans: what the stages are to do for a study of preferences, in their own plain values."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from inoc.config.models import WorldSpec
from inoc.config.workflow import Shards
from inoc.errors import ConfigError
from inoc.jobs.job import Job
from inoc.studies.preferences.study import Study

if TYPE_CHECKING:
    from inoc.analyse.step import Plan as AnalysePlan
    from inoc.figures.step import Plan as FiguresPlan
    from inoc.report.contents import Contents


def world(study: Study, job: Job, shards: Shards) -> WorldSpec:
    """The miniature world.

    Raises:
        ConfigError: If the study has none.
    """
    if study.world is None:
        msg = f"study {study.name} has no section `world`; add one, `world: {{}}` for its defaults"
        raise ConfigError(msg)
    return study.world


def analyse(study: Study, job: Job, shards: Shards) -> AnalysePlan:
    """Every table of `analyse.names.TABLES`."""
    from inoc.analyse.step import Plan
    from inoc.studies.preferences.analyse.step import analyse as compute

    return Plan(partial(compute, job.paths, study, shards))


def figures(study: Study, job: Job, shards: Shards) -> FiguresPlan[Study]:
    """The figures that apply to the study."""
    from inoc.figures.step import Plan
    from inoc.studies.preferences.figures.entries import ENTRIES

    return Plan(study, ENTRIES)


def report(study: Study, job: Job, shards: Shards) -> Contents:
    """Contents of the study's report page."""
    from inoc.studies.preferences.sections import contents

    return contents(study, job.paths)
