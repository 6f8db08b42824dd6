"""Uses of the API by a study whose model is behind it."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.needs import ApiUse
from inoc.studies.subliminal.runs import teachers_by, writing_teachers
from inoc.studies.subliminal.study import Study


def api_uses(study: Study) -> Iterator[ApiUse]:
    """Settings because of which a stage asks the API; none for a study whose model is here."""
    if study.api is None:
        return
    model = study.model.path
    if study.students or teachers_by(study, "finetuned"):
        yield ApiUse("train", "api", model, tunes=True)
    if writing_teachers(study) or "sample" in study.preference.methods:
        yield ApiUse("sample", "api", model)
    if "choose" in study.preference.methods:
        yield ApiUse("choose", "api", model)
