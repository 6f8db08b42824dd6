"""Studies of inoculation: fine-tune behind a prefix, and see how far the unwanted trait still leaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inoc.jobs.job import Job


def draw(job: Job) -> str:
    """Draw the figures of a study; see `inoc.figures.step.run`."""
    from inoc.figures.step import run
    from inoc.studies.inoculation.figures.catalogue import ENTRIES

    return run(job, ENTRIES)


def write_report(job: Job) -> str:
    """Write the report of a study; see `inoc.report.step.run`."""
    from inoc.report.step import run
    from inoc.studies.inoculation.sections import contents

    return run(job, contents(job.study, job.paths))
