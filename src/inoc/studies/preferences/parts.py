"""The parts of a study's stages: kinds of questions, those to models that are here apart from those to an API.

A job is either one or the other, so that questions to an API need no GPU and run where the network is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.preferences.roles import method_of, needed_completions, raters, role, template_of
from inoc.studies.preferences.steering_parts import STEERING_PARTS, has_steering_part
from inoc.studies.preferences.study import Study

API = "api_"
"""Beginning of the names of parts whose questions go to models behind the API."""


def questions_of(part: str) -> str:
    """The kind of questions of a part, wherever they go."""
    return part.removeprefix(API)


def is_asked_in(study: Study, model: str, part: str) -> bool:
    """Whether questions to a model belong to a part, by where the model is."""
    return bool(role(study, model).api) == part.startswith(API)


def asked_parts(study: Study) -> Iterator[tuple[str, str, str]]:
    """Model, stage and part of everything that is asked."""
    for completer, _ in needed_completions(study):
        yield completer, "sample", _part(study, completer, "completions")
    for instrument, given in study.instruments.items():
        template = template_of(given).kind
        for rater in raters(study, instrument):
            method = method_of(study, instrument, rater)
            yield rater, method, _part(study, rater, "open" if template == "open" else "answers")
            if template == "choice" and given.pairs.design == "active":
                yield rater, method, _part(study, rater, "selected")


def _part(study: Study, model: str, kind: str) -> str:
    return API + kind if role(study, model).api else kind


def has_part(study: Study, stage: str, part: str) -> bool:
    """Whether a study has work of a part."""
    if part in STEERING_PARTS:
        return has_steering_part(study, stage, part)
    if stage == "judge":
        given = study.parsing.refusal if part == "completions" else study.parsing.tone
        return given is not None and any(has_part(study, "sample", one) for one in (part, API + part))
    if part == "parsed":
        return study.parsing.judge is not None and any(True for _ in closed_by_sampling(study))
    return any((stage, part) == one[1:] for one in asked_parts(study))


def closed_by_sampling(study: Study) -> Iterator[tuple[str, str]]:
    """Instrument and rater of the ratings and choices that are asked by sampling."""
    for key, given in study.instruments.items():
        if template_of(given).kind in ("rating", "choice"):
            for rater in raters(study, key):
                if method_of(study, key, rater) == "sample":
                    yield key, rater


def part_files(study: Study, paths: Paths, stage: str, kind: str, name: str, shards: Shards) -> list[Path]:
    """A table of all jobs of a kind of questions, here and behind the API; none if the study asks none."""
    return [
        paths.part(stage, part, shard) / name
        for part in (kind, API + kind)
        if has_part(study, stage, part)
        for shard in range(shards.get(stage, 1))
    ]
