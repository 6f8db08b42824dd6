"""Agreement between the parts of a study of preferences: every check that needs more than one field."""

from __future__ import annotations

from collections.abc import Collection

from inoc.config.checks import Checks, problems_of
from inoc.config.document import Problem
from inoc.studies.preferences.study import Study


def study_problems(study: Study, sections: Collection[str] | None = None) -> list[Problem]:
    """All disagreements between the parts of a study.

    Args:
        study: The study.
        sections: Names of its well-formed sections; checks that read any other are left out. None: all sections.
    """
    return problems_of(_CHECKS, study, sections)


_CHECKS: Checks[Study] = ()
