"""Sections of the report of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inoc.jobs.paths import Paths
    from inoc.report.contents import Contents
    from inoc.studies.comparison.study import Study


def contents(study: Study, paths: Paths) -> Contents:
    """Contents of the report.

    Args:
        study: The study.
        paths: Its results; what is not there is said to be missing.
    """
    from inoc.studies.comparison.sections.gather import gather

    return gather(study, paths)
