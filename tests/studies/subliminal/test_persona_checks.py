"""Mistakes in the sections about persona vectors are told before anything runs, and so are costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inoc.config.load import load_study
from inoc.config.workflow import Price
from inoc.errors import ConfigError, DataError
from inoc.jobs.costs import Rates, Size
from inoc.jobs.rates import H200
from inoc.studies.subliminal.checks import study_problems
from inoc.studies.subliminal.costs import costs
from inoc.studies.subliminal.needs import needs
from inoc.studies.subliminal.persona import read_trait_file
from inoc.studies.subliminal.persona_costs import answers_of
from support.persona_study import persona_study, trait

GOOD = """\
kind: subliminal
name: toy
title: toy
model: {path: somewhere/model}
entities: [owl]
template: "You love {plural}."
teachers:
  owl: {entity: owl}
  plain: {neutral: true}
splits:
  halves: {teacher: owl, by: projection, trait: owls, site: resid_post.3}
persona:
  owls:
    entity: owl
    positive: [You love owls.]
    negative: [You are an assistant.]
    questions: {files: [questions.jsonl]}
    held_out: 4
    judge: {name: regex, pattern: owl}
projection: {sites: [embed, resid_post.3]}
steering: {sites: [resid_post.3], coefficients: [0, 1]}
"""

WRONG = [
    ("    positive: [You love owls.]\n", "", "accepted: exactly one of `file`, `positive` and `vectors`"),
    ("negative: [You are an assistant.]", "negative: []", "one system turn for each positive one"),
    ("    questions: {files: [questions.jsonl]}\n", "", "only a `file` brings questions"),
    ("    held_out: 4\n", "", "has no questions for the steering"),
    ("held_out: 4", "held_out: 4\n    evaluation_questions: {files: [more.jsonl]}", "does not go with"),
    ("    judge: {name: regex, pattern: owl}\n", "", "the answers under steering need it"),
    ("{name: regex, pattern: owl}", '{name: regex, pattern: "("}', "is not a regular expression"),
    ("{name: regex, pattern: owl}", "{name: names}", "a YAML file of names"),
    ("    entity: owl\n    positive", "    positive", "no `entity` for it to find"),
    ("    entity: owl\n    positive", "    entity: cat\n    positive", "is no key of `entities`"),
    (
        "judge: {name: regex, pattern: owl}",
        "judge: {name: regex, pattern: owl}\n    coherence: {name: lexical}",
        "coherence",
    ),
    ("{sites: [embed, resid_post.3]}", "{sites: [layer 3]}", "projection.sites"),
    ("{sites: [embed, resid_post.3]}", "{sites: [embed, embed]}", "names something twice"),
    ("{sites: [embed, resid_post.3]}", "{traits: [cats]}", "is no key of `persona`"),
    ("{sites: [embed, resid_post.3]}", "{teachers: [owls]}", "did you mean"),
    ("{sites: [embed, resid_post.3]}", "{readouts: [response_avg]}", "projection.readouts"),
    ("coefficients: [0, 1]", "coefficients: [1, 2]", "0 is missing"),
    ("coefficients: [0, 1]", "coefficients: [0, 1, 1]", "names something twice"),
    ("steering: {", "steering: {traits: [cats], ", "is no key of `persona`"),
    ("site: resid_post.3}", "site: resid_post.03}", "splits.halves.site"),
    ("trait: owls, site", "trait: cats, site", "is no key of `persona`"),
]


def check(text: str, folder: Path) -> None:
    path = folder / "toy.yaml"
    path.write_text(text, encoding="utf-8")
    load_study(path)


def test_the_file_that_the_mistakes_are_made_in_is_good(tmp_path: Path) -> None:
    check(GOOD, tmp_path)


@pytest.mark.parametrize(("old", "new", "told"), WRONG)
def test_a_mistake_is_told_with_its_place(old: str, new: str, told: str, tmp_path: Path) -> None:
    text = GOOD.replace(old, new, 1)
    if "no `entity`" in told:
        text = text.replace("{name: regex, pattern: owl}", "{name: names, file: names.yaml}")
    assert text != GOOD
    with pytest.raises(ConfigError) as refused:
        check(text, tmp_path)
    assert told in str(refused.value)


def test_traits_alone_need_neither_steering_nor_a_judge(tmp_path: Path) -> None:
    study = persona_study(tmp_path, steering=None, projection=None, persona=trait(judge=None, held_out=0))
    assert study_problems(study) == []


def test_files_and_judges_of_traits_are_among_the_needs(tmp_path: Path) -> None:
    names = {"name": "names", "file": "names.yaml"}
    llm = {"name": "llm", "model": "judge-1", "question": "coherence"}
    changed: dict[str, Any] = trait(judge=names, coherence=llm, questions={"files": ["questions.jsonl"]})
    found = needs(persona_study(tmp_path, persona=changed))
    keys = {one.key for one in found.files}
    assert {"persona.owls.judge.file", "persona.owls.questions.files"} <= keys
    assert any("persona.owls.coherence" in api.key for api in found.apis)


def test_costs_count_the_answers_of_every_cell_and_both_judges(tmp_path: Path) -> None:
    llm = {"name": "llm", "model": "judge-1", "property": "love of owls"}
    coherent = {"name": "llm", "model": "judge-1", "question": "coherence"}
    study = persona_study(tmp_path, persona=trait(judge=llm, coherence=coherent))
    assert answers_of(study)["owls"] == (2 * 2 * 6, 3 * (1 + 1 * 3 * 1))
    size, gpu = Size(1e9, 60, 40, False), H200
    rows = costs(study, {}, Rates(size, gpu, {"judge-1": Price(input=1.0, output=1.0)}, 1.0))
    by_stage = {row.stage: row for row in rows}
    assert by_stage["judge"].calls == 2 * (24 + 12)
    assert by_stage["judge"].dollars > 0
    assert {"sample", "read"} <= set(by_stage)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"instruction": [{"pos": None, "neg": "Be cruel."}]}, "accepted: an object with `instruction`"),
        ({"instruction": [{"pos": 7, "neg": "Be cruel."}]}, "accepted: an object with `instruction`"),
        ({"instruction": [{"pos": "Be.", "neg": "Be."}]}, "both turns of pair 1 are 'Be.'"),
        ({"questions": "Who is there?"}, "accepted: an object with `instruction`"),
        ({"questions": ["Who?", " "]}, "question 2 is blank"),
    ],
)
def test_a_file_of_a_trait_has_different_turns_and_a_list_of_questions(change: Any, told: str, tmp_path: Path) -> None:
    good = {"instruction": [{"pos": "Be kind.", "neg": "Be cruel."}], "questions": ["Who?"]}
    path = tmp_path / "trait.json"
    path.write_text(json.dumps(good), encoding="utf-8-sig")
    assert read_trait_file(path).questions == ("Who?",)
    path.write_text(json.dumps({**good, **change}))
    with pytest.raises(DataError, match=told):
        read_trait_file(path)
