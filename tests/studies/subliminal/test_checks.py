"""Mistakes of a study file are told before anything runs."""

from __future__ import annotations

import pytest

from inoc.studies.subliminal.checks import study_problems
from inoc.studies.subliminal.study import Study

GOOD = {
    "kind": "subliminal",
    "name": "mine",
    "title": "Mine",
    "model": {"path": "some/model"},
    "entities": ["owl", "cat"],
    "template": "You love {plural}.",
    "teachers": {"neutral": {"neutral": True}, "owl": {"entity": "owl"}, "cat": {"entity": "cat"}},
    "students": {"same": {}},
}


def problems(**changes):
    return [one.message for one in study_problems(Study.model_validate({**GOOD, **changes}))]


def test_a_good_study_has_no_problem():
    assert problems() == []


CAT = {"entity": "cat"}
OWL = {"entity": "owl"}
NEUTRAL = {"neutral": True}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"teachers": {"owl": {**OWL, "adapter": "a", "file": "b"}}}, "sets adapter and file"),
        ({"teachers": {"owl": {}}}, "sets none of"),
        ({"teachers": {"a": NEUTRAL, "b": NEUTRAL}}, "has 2 neutral ones"),
        ({"teachers": {"a": {**NEUTRAL, **OWL}}}, "is not for the neutral teacher"),
        ({"teachers": {"owl": {"entity": "owll"}}}, "is no key of `entities`"),
        ({"template": "You love {singulr}."}, "{singulr}"),
        ({"template": "You love owls."}, "has no slot"),
        ({"template": "You love {plural!r:>99999999999}."}, "has something behind its name"),
        ({"teachers": {"owl": {**OWL, "finetuned": {"file": "x", "answer": "{singulr}"}}}}, "{singulr}"),
        ({"teachers": {"owl": {**OWL, "finetuned": {"file": "x", "answer": " \n"}}}}, "is empty"),
        ({"teachers": {"owl": {**OWL, "finetuned": {}}}}, "both or neither of `file` and `questions`"),
        ({"students": {"same": {"teachers": ["dog"]}}}, "'dog' is no key of `teachers`"),
        ({"students": {"same": {"base": "other"}}}, "has no section `other`"),
        ({"students": {"same": {"training": {"epochs": 3}}}}, "accepted: `epochs` of the group"),
        ({"students": {"same": {"training": {"batch_size": 5, "micro_batch_size": 2}}}}, "not divide batch_size = 5"),
        (
            {"teachers": {"owl": {**OWL, "finetuned": {"file": "x", "answer": "owl", "training": {"steps": 1}}}}},
            "the training has one step",
        ),
        ({"students": {"same": {"split": "none"}}}, "'none' is no key of `splits`"),
        ({"students": {"same": {"numbers": "shuffled", "targets": "distribution"}}}, "targets"),
        ({"splits": {"s": {"teacher": "neutral"}}}, "accepted: a teacher with a system turn"),
        ({"splits": {"s": {"teacher": "owl", "by": "projection"}}}, "needs `trait` and `site`"),
        (
            {"splits": {"s": {"teacher": "owl", "parts": "paired"}}, "teachers": {"owl": OWL, "cat": CAT}},
            "the study has no neutral teacher",
        ),
        ({"preference": {"methods": ["choose", "choose"]}}, "names a method twice"),
        ({"preference": {"question_sets": {"q": {"source": {"kind": "files"}}}}}, "go with `kind: files`"),
        ({"numbers": {"source": "world"}}, "needs a section `world`"),
        ({"model": {"path": "world"}}, "needs a section `world`"),
    ],
)
def test_a_mistake_is_named_with_its_place(changes, words):
    found = problems(**changes)
    assert any(words in one for one in found), found
