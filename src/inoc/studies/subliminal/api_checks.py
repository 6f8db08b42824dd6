"""Checks of a study whose model is behind an API: what its server can do, and what needs a model that is here."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.document import KeyPath, Problem
from inoc.config.models import Model, Sampling
from inoc.studies.subliminal.study import ApiTraining, FinetunedTeacher, Study

_HERE = "needs a model that is here, and the study's is behind an API; leave it out"
_OF_A_MODEL_HERE = ("world", "other", "bases", "splits", "persona", "projection", "steering", "capability")
_OF_THE_MODEL = {"path", "system"}
_OF_SAMPLING = {"temperature", "top_p", "max_tokens", "n"}


def api_problems(study: Study) -> Iterator[Problem]:
    """Settings that do not go with the section `api`, or only with it."""
    if study.api is None:
        yield from _without_api(study)
        return
    if study.model.path == "world":
        yield Problem(("model", "path"), "accepted with `api`: the name of a model of the API", study.model.path)
    yield from _only(study.model, ("model",), _OF_THE_MODEL, "is not for a model behind an API; leave it out")
    for name in _OF_A_MODEL_HERE:
        if getattr(study, name):
            yield Problem((name,), _HERE)
    if study.numbers.source != "stream":
        yield Problem(("numbers", "source"), "accepted with `api`: stream", study.numbers.source)
    yield from _sampling(study.numbers.sampling, ("numbers", "sampling"))
    yield from _sampling(study.preference.sampling, ("preference", "sampling"))
    yield from _teachers(study)
    yield from _students(study)


def _without_api(study: Study) -> Iterator[Problem]:
    groups = {("students", key): spec.api for key, spec in study.students.items()}
    for key, teacher in study.teachers.items():
        if teacher.finetuned is not None:
            groups["teachers", key] = teacher.finetuned.api
    for (section, key), given in groups.items():
        if given != ApiTraining():
            path: KeyPath = (section, key, "api") if section == "students" else (section, key, "finetuned", "api")
            yield Problem(path, "is for a study whose model is behind an API; add a section `api`, or use `training`")


def _only(section: Model, path: KeyPath, accepted: set[str], why: str) -> Iterator[Problem]:
    for name in sorted(section.model_fields_set - accepted):
        yield Problem((*path, name), why, getattr(section, name))


def _sampling(sampling: Sampling, path: KeyPath) -> Iterator[Problem]:
    if sampling.engine != "transformers":
        yield Problem((*path, "engine"), "is not for a model behind an API; leave it out", sampling.engine)
    given = _OF_SAMPLING | {"engine"}
    yield from _only(sampling, path, given, "has no effect on a model behind an API; leave it out")


def _teachers(study: Study) -> Iterator[Problem]:
    for key, teacher in study.teachers.items():
        if teacher.base != "own":
            yield Problem(("teachers", key, "base"), "accepted with `api`: own", teacher.base)
        if teacher.adapter is not None:
            yield Problem(("teachers", key, "adapter"), _HERE, teacher.adapter)
        if teacher.finetuned is not None:
            yield from _finetuned(teacher.finetuned, ("teachers", key, "finetuned", "training"))


def _finetuned(spec: FinetunedTeacher, path: KeyPath) -> Iterator[Problem]:
    why = "is not for a model behind an API; accepted: epochs and seeds, and further settings in `finetuned.api`"
    yield from _only(spec.training, path, {"epochs", "seeds"}, why)
    if spec.training.epochs != max(1, round(spec.training.epochs)):
        yield Problem((*path, "epochs"), "accepted with `api`: whole numbers", spec.training.epochs)


def _students(study: Study) -> Iterator[Problem]:
    for key, spec in study.students.items():
        path: KeyPath = ("students", key)
        if spec.targets != "samples":
            msg = "accepted with `api`: samples; no API takes distributions as targets"
            yield Problem((*path, "targets"), msg, spec.targets)
        if spec.base != "own":
            yield Problem((*path, "base"), "accepted with `api`: own", spec.base)
        why = "is not for a model behind an API; accepted: seeds, and further settings in `api`"
        yield from _only(spec.training, (*path, "training"), {"seeds"}, why)
