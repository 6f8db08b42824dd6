"""Checks of traits, judges, rates and the expectation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from inoc.config.document import KeyPath, Problem, listed
from inoc.config.languages import all_in_latin, known_languages
from inoc.config.models import SCALE_VERSIONS, JudgeSpec
from inoc.errors import MissingExtraError, did_you_mean
from inoc.studies.inoculation.checks.runs import own_runs
from inoc.studies.inoculation.study import Study

RESERVED_TRAITS = ("neutral", "train", "all")
"""Words that tables use beside trait keys; none of them can be a trait key."""

_JUDGE_FIELDS = {
    "language": ("language", "among"),
    "lexical": ("markers", "saturation"),
    "llm": ("model", "question", "property", "language", "scale", "temperature"),
    "regex": ("pattern",),
    "python": ("file",),
}
_QUESTION_FIELDS = {"property": "property", "language": "language"}


def trait_judges(study: Study) -> Iterator[Problem]:
    """Every trait has a judge, whose settings belong to it; its key is not a reserved word."""
    for key, trait in study.traits.items():
        path: KeyPath = ("traits", key)
        if key in RESERVED_TRAITS:
            yield Problem(path, f"the word is reserved; accepted: any key but {listed(RESERVED_TRAITS)}")
        if trait.judge is None:
            yield Problem((*path, "judge"), f"the trait has no judge; accepted: a judge named {listed(_JUDGE_FIELDS)}")
        else:
            yield from _judge(trait.judge, (*path, "judge"))


def _pattern(pattern: str, path: KeyPath) -> Iterator[Problem]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield Problem((*path, "pattern"), f"is not a regular expression ({error})", pattern)


def _judge(judge: JudgeSpec, path: KeyPath) -> Iterator[Problem]:
    if judge.name not in _JUDGE_FIELDS:
        told = f"gives a category, and a trait needs a score; accepted: {listed(_JUDGE_FIELDS)}"
        yield Problem((*path, "name"), told, judge.name)
        return
    own = _JUDGE_FIELDS[judge.name]
    for field in sorted(judge.model_fields_set - {"name", "version", *own}):
        yield Problem(
            (*path, field),
            f"the judge `{judge.name}` has no such setting; accepted: {listed(own)}",
            getattr(judge, field),
        )
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


def rate_conditions(study: Study) -> Iterator[Problem]:
    """Every rate has a condition, on traits that exist."""
    for key, rate in study.rates.items():
        if not rate.above and not rate.below:
            yield Problem(("rates", key), "has no condition; accepted: `above` or `below` with a trait and a score")
        for side, limits in (("above", rate.above), ("below", rate.below)):
            for trait in limits:
                if trait not in study.traits:
                    hint = did_you_mean(trait, study.traits)
                    known = f"there is no trait of this key; accepted: {listed(study.traits)}{hint}"
                    yield Problem(("rates", key, side, trait), known)


def expectation(study: Study) -> Iterator[Problem]:
    """The expected trait exists, and there is a control run to judge it by."""
    if study.expect is None:
        return
    if study.expect.trait not in study.traits:
        yield Problem(
            ("expect", "trait"),
            f"there is no trait of this key; accepted: {listed(study.traits)}"
            f"{did_you_mean(study.expect.trait, study.traits)}",
            study.expect.trait,
        )
    if not any(spec.control for _, spec in own_runs(study)):
        yield Problem(("expect",), "needs a control run; accepted: runs with `control: true`")
