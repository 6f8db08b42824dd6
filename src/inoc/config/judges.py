"""Checks of a judge's settings, which every kind of study shares."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from inoc.config.document import KeyPath, Problem, listed
from inoc.config.judge_spec import MOST_CATEGORIES, SCALE_VERSIONS, JudgeSpec, category_names
from inoc.config.languages import all_in_latin, known_languages
from inoc.errors import MissingExtraError, did_you_mean

SCORING = {
    "language": ("language", "among"),
    "lexical": ("markers", "saturation"),
    "llm": ("model", "question", "property", "language", "scale", "temperature"),
    "regex": ("pattern",),
    "python": ("file",),
}
"""Judge that gives a score → its own settings."""
SORTING = {
    "names": ("file",),
    "category": ("model", "question", "property", "temperature", "categories"),
}
"""Judge that gives a category → its own settings."""
_OPTIONAL = {
    "llm": ("engine", "revision", "dtype"),
    "names": ("rule", "counted"),
    "category": ("engine", "revision", "dtype", "counted"),
}
"""Judge → its settings that have a default."""
_QUESTION_FIELDS = {"property": "property", "language": "language"}
_CATEGORY_QUESTIONS = ("property", "refusal", "choice")


def _pattern(pattern: str, path: KeyPath) -> Iterator[Problem]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield Problem((*path, "pattern"), f"is not a regular expression ({error})", pattern)


def _of_others(judge: JudgeSpec, path: KeyPath, own: Collection[str]) -> Iterator[Problem]:
    for field in sorted(judge.model_fields_set - {"name", "version", *own}):
        told = f"the judge `{judge.name}` has no such setting; accepted: {listed(own)}"
        yield Problem((*path, field), told, getattr(judge, field))


def _model_problems(judge: JudgeSpec, path: KeyPath) -> Iterator[Problem]:
    """Settings of a judging model that go with another engine."""
    if judge.engine == "transformers":
        if "temperature" in judge.model_fields_set:
            told = "goes with an API; with `engine: transformers` nothing is sampled"
            yield Problem((*path, "temperature"), told, judge.temperature)
        return
    for field in sorted({"revision", "dtype"} & judge.model_fields_set):
        yield Problem((*path, field), "goes with `engine: transformers` and with no other", getattr(judge, field))


def _sorting_problems(judge: JudgeSpec, path: KeyPath) -> Iterator[Problem]:
    """Problems of a judge that gives a category."""
    if judge.version > 1:
        yield Problem((*path, "version"), f"the judge `{judge.name}` has version 1 only", judge.version)
    if judge.name == "names":
        if not judge.file:
            yield Problem((*path, "file"), f"is missing. {JudgeSpec.model_fields['file'].description}", judge.file)
        return
    if not judge.model:
        yield Problem((*path, "model"), f"is missing. {JudgeSpec.model_fields['model'].description}", judge.model)
    if judge.question not in _CATEGORY_QUESTIONS:
        told = f"is no question of the judge `category`; accepted: {listed(_CATEGORY_QUESTIONS)}"
        yield Problem((*path, "question"), told, judge.question)
        return
    if (judge.question == "property") != bool(judge.property):
        yield Problem((*path, "property"), "goes with `question: property` and with no other", judge.property)
        return
    if judge.question == "refusal" and judge.categories:
        told = "go with `question: choice` or `property`; those of a refusal are fixed"
        yield Problem((*path, "categories"), told, list(judge.categories))
        return
    names = category_names(judge)
    if judge.question != "refusal":
        reserved = {*names[len(judge.categories) :], "failed"} & set(judge.categories)
        if not 2 <= len(judge.categories) <= MOST_CATEGORIES or reserved:
            own = listed([*names[len(judge.categories) :], "failed"])
            told = f"accepted: 2 to {MOST_CATEGORIES}, none of them {own}"
            yield Problem((*path, "categories"), told, list(judge.categories))
            return
    for position, name in enumerate(judge.counted):
        if name not in names:
            told = f"is not a category of the judge; accepted: {listed(names)}{did_you_mean(name, names)}"
            yield Problem((*path, "counted", position), told, name)


def judge_problems(judge: JudgeSpec, path: KeyPath) -> Iterator[Problem]:
    """Settings that are missing, wrong, or of another judge, where a score is needed.

    Args:
        judge: The judge.
        path: Its place in the study file.
    """
    if judge.name in SORTING and not judge.counted:
        told = (
            f"gives a category, and a score is needed; accepted: `counted`, the categories that a score is made of, or "
            f"one of {listed(SCORING)}"
        )
        yield Problem((*path, "name"), told, judge.name)
        return
    yield from any_judge_problems(judge, path)


def any_judge_problems(judge: JudgeSpec, path: KeyPath) -> Iterator[Problem]:
    """Settings that are missing, wrong, or of another judge, where a score or a category is needed.

    Args:
        judge: The judge.
        path: Its place in the study file.
    """
    if judge.name in SORTING:
        yield from _of_others(judge, path, (*SORTING[judge.name], *_OPTIONAL[judge.name]))
        yield from _model_problems(judge, path)
        yield from _sorting_problems(judge, path)
        return
    own = SCORING[judge.name]
    yield from _of_others(judge, path, (*own, *_OPTIONAL.get(judge.name, ())))
    yield from _model_problems(judge, path)
    if judge.name == "llm" and judge.question == "choice":
        yield Problem((*path, "question"), "is a question of the judge `category`; accepted: any other", "choice")
    # Some questions of the llm judge have a setting that belongs to no other question.
    others = {name for question, name in _QUESTION_FIELDS.items() if question != judge.question}
    for field in others & judge.model_fields_set if judge.name == "llm" else ():
        yield Problem((*path, field), f"goes with `question: {field}` and with no other", getattr(judge, field))
    for field in own:
        value = getattr(judge, field)
        if judge.name == "llm" and field in others:
            continue
        if value is None or value in ((), "") or (isinstance(value, str) and not value.strip()):
            description = type(judge).model_fields[field].description
            yield Problem((*path, field), f"is missing. {description}", value)
    if judge.name == "llm" and judge.version != SCALE_VERSIONS[judge.scale]:
        yield Problem(
            (*path, "version"),
            f"`scale: {judge.scale}` is version {SCALE_VERSIONS[judge.scale]} of the judge; accepted: that",
            judge.version,
        )
    if judge.name == "regex" and judge.pattern:
        yield from _pattern(judge.pattern, path)
    if judge.name in ("regex", "python") and judge.version > 1:
        yield Problem((*path, "version"), f"the judge `{judge.name}` has version 1 only", judge.version)
    elif judge.name != "llm" and judge.version > 2:
        yield Problem((*path, "version"), f"the judge `{judge.name}` has the versions 1 and 2", judge.version)
    if judge.name == "language" and judge.version == 1 and not all_in_latin(judge.among):
        yield Problem(
            (*path, "version"),
            "version 1 takes a text in several scripts for one language; accepted: 2, where one of `among` is not "
            "written in Latin letters",
            judge.version,
        )
    if judge.name == "language":
        yield from _languages(judge, path)
    if judge.name == "language" and judge.language and judge.among and judge.language not in judge.among:
        hint = did_you_mean(judge.language, judge.among)
        yield Problem(
            (*path, "language"),
            f"is not in `among`; accepted: {listed(judge.among)}{hint}",
            judge.language,
        )


def _languages(judge: JudgeSpec, path: KeyPath) -> Iterator[Problem]:
    """Languages that the identifier knows, and at least two of them."""
    try:
        known = known_languages()
    except MissingExtraError:
        return  # the needs of the study name it
    places = [(("among", position), name) for position, name in enumerate(judge.among)]
    for place, name in places:
        if name not in known:
            yield Problem((*path, *place), _unknown_language(name, known), name)
    if judge.language and judge.language.strip() and judge.language not in known and judge.language in judge.among:
        yield Problem((*path, "language"), _unknown_language(judge.language, known), judge.language)
    if len(set(judge.among)) == 1:
        yield Problem(
            (*path, "among"), "names one language; accepted: all that are considered, two or more", list(judge.among)
        )


def _unknown_language(name: str, known: Collection[str]) -> str:
    hint = did_you_mean(name.strip().lower(), known)
    return f"the judge knows no such language{hint}; accepted, in lower case: {', '.join(sorted(known))}"
