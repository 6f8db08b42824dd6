"""Plans of the stages for a comparison."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from inoc.config.workflow import Shards
from inoc.jobs.job import Job
from inoc.studies.comparison.study import Study

if TYPE_CHECKING:
    from inoc.analyse.step import Plan as AnalysePlan
    from inoc.figures.step import Plan as FiguresPlan
    from inoc.report.contents import Contents


def analyse(study: Study, job: Job, shards: Shards) -> AnalysePlan:
    """Every table of `analyse.names.TABLES`."""
    from inoc.analyse.step import Plan
    from inoc.studies.comparison.analyse.step import analyse as compute

    return Plan(partial(compute, study))


def figures(study: Study, job: Job, shards: Shards) -> FiguresPlan[Study]:
    """The figures that apply to the study."""
    from inoc.figures.step import Plan
    from inoc.studies.comparison.figures.entries import ENTRIES

    return Plan(study, ENTRIES)


def report(study: Study, job: Job, shards: Shards) -> Contents:
    """Contents of the study's report page."""
    from inoc.studies.comparison.sections import contents

    return contents(study, job.paths)
