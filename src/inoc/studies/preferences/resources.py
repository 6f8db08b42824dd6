"""The shipped templates, anchors, system turns and refusals, as they are read from `resources/preferences`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from inoc.config.document import read_document
from inoc.errors import ConfigError, did_you_mean
from inoc.studies.preferences.templates import Anchors, Template

FOLDER = Path("resources") / "preferences"
TEMPLATE_FILES = ("ratings", "choices", "rankings", "open")


class ShippedTurn(NamedTuple):
    """A system turn, and words by which a completion gives it away."""

    text: str
    mentions: tuple[str, ...]


class Refusals(NamedTuple):
    """Signs of a refusal."""

    openings: tuple[str, ...]  # beginnings of an answer
    policy: re.Pattern[str]  # refuses the task, or the question, for what it is about
    preferences: re.Pattern[str]  # says that there are no preferences to tell


def _folder() -> Path:
    """The resources of the working copy that is run in, else of the one that this file is part of."""
    return FOLDER if FOLDER.is_dir() else Path(__file__).parents[4] / FOLDER


def _read(name: str) -> Mapping[str, Any]:
    return _read_file(_folder() / f"{name}.yaml")


@cache
def _read_file(path: Path) -> Mapping[str, Any]:
    return read_document(path).value


@cache
def shipped_templates() -> dict[str, Template]:
    """Name → template, in the order of the files.

    Raises:
        ConfigError: If a file is missing, or an entry is no template.
    """
    found: dict[str, Template] = {}
    for name in TEMPLATE_FILES:
        for key, value in _read(name).items():
            try:
                found[key] = Template.model_validate(value)
            except ValidationError as error:
                where = _folder() / f"{name}.yaml"
                raise ConfigError(f"{where}, {key}: {error.errors()[0]['msg']}. Restore the file") from None
    return found


def template_named(name: str) -> Template:
    """A shipped template.

    Raises:
        ConfigError: If there is none of this name.
    """
    known = shipped_templates()
    if name not in known:
        raise ConfigError(f"there is no template {name!r}; accepted: {', '.join(known)}{did_you_mean(name, known)}")
    return known[name]


@cache
def shipped_anchors() -> Anchors:
    """The clearly good and the clearly bad tasks."""
    return Anchors.model_validate(_read("anchors"))


@cache
def shipped_turns() -> dict[str, ShippedTurn]:
    """Name → system turn."""
    return {key: ShippedTurn(value["text"], tuple(value["mentions"])) for key, value in _read("turns").items()}


@cache
def refusals() -> Refusals:
    """Signs of a refusal."""
    found = _read("refusals")
    policy, preferences = (re.compile("|".join(found[name]), re.IGNORECASE) for name in ("policy", "preferences"))
    return Refusals(tuple(found["openings"]), policy, preferences)
