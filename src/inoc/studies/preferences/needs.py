"""Lists of what a study of preferences needs to run: files, engines, APIs."""

from __future__ import annotations

from inoc.config.needs import Needs
from inoc.studies.preferences.study import Study


def needs(study: Study) -> Needs:
    """Everything that the study needs from the machine it runs on."""
    return Needs(study.model)
