"""Which parts of the stages a study has for concepts and steering."""

from __future__ import annotations

from inoc.studies.preferences.inside import SteeredTarget
from inoc.studies.preferences.roles import template_of
from inoc.studies.preferences.study import Study

STEERING_PARTS = ("concepts", "contrasts", "steering")
"""Parts of the stages that concepts and steering have."""


def targets_of(study: Study, *, is_open: bool) -> dict[str, SteeredTarget]:
    """Targets whose instrument is an open question, or one that is not."""
    if study.steering is None:
        return {}
    return {
        key: target
        for key, target in study.steering.targets.items()
        if (template_of(study.instruments[target.instrument]).kind == "open") == is_open
    }


def has_steering_part(study: Study, stage: str, part: str) -> bool:
    """Whether a study has work of a part about concepts or steering."""
    if part in ("concepts", "contrasts"):
        return bool(study.concepts)
    if stage == "judge":
        given = study.steering
        judged = given is not None and bool(given.attitude or given.coherence or study.parsing.tone)
        return judged and bool(targets_of(study, is_open=True))
    return bool(targets_of(study, is_open=stage == "sample"))
