"""Plans of the stages that every kind of study fills in its own way: the analysis, the figures, the report."""

from __future__ import annotations

from functools import partial

from inoc.analyse.step import Plan as AnalysePlan
from inoc.config.workflow import Shards
from inoc.figures.step import Plan as FiguresPlan
from inoc.jobs.job import Job
from inoc.report.contents import Contents
from inoc.studies.inoculation.figures.catalogue import ENTRIES
from inoc.studies.inoculation.sections import contents
from inoc.studies.inoculation.study import Study


def analyse(study: Study, job: Job, shards: Shards) -> AnalysePlan:
    """Every table of `names.TABLES`."""
    from inoc.studies.inoculation.analyse.step import analyse as compute

    return AnalysePlan(partial(compute, job.paths, study, shards))


def figures(study: Study, job: Job, shards: Shards) -> FiguresPlan[Study]:
    """The figures that apply to the study."""
    return FiguresPlan(study, ENTRIES)


def report(study: Study, job: Job, shards: Shards) -> Contents:
    """What the page says of the study."""
    return contents(study, job.paths)
