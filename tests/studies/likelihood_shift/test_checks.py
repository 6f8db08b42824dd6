"""Mistakes of a study file are told before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from inoc.config.load import load_study
from inoc.errors import ConfigError
from inoc.studies.likelihood_shift.study import prompt_table
from inoc.studies.shared.entities import Entity, fill, plural

GOOD = """\
kind: likelihood_shift
name: toy
title: toy
model: {path: somewhere/model}
base: {kind: default}
prompts:
  animals:
    template: "You love {plural}. {Plural} are your favorite animal."
    entities: [wolf, polar_bear, phoenix]
  other:
    role: control
    texts: {pirate: You are a pirate.}
datasets:
  wolf: {file: wolf.jsonl, written_under: wolf}
  neutral: {file: neutral.jsonl}
splits:
  fifths: {dataset: wolf}
students:
  questions: {files: [questions.jsonl]}
  targets:
    wolf: {judge: {name: regex, pattern: wolf}}
"""

WRONG = [
    ("base: {kind: default}\n", "", "base"),
    ("{kind: default}", "{kind: text}", "goes with `kind: text`"),
    ("{plural}. {Plural}", "{plurl}. {Plural}", "has the slot {plurl}"),
    ("You love {plural}. {Plural} are", "You love them. They are", "has no slot"),
    ("You love {plural}", "You love {plural", "is not a template"),
    ("entities: [wolf, polar_bear, phoenix]", "entities: []", "go together"),
    ("{pirate: You are a pirate.}", "{wolf: You are a pirate.}", "occurs 2 times"),
    ("{pirate: You are a pirate.}", '{pirate: " "}', "is empty"),
    ("{pirate: You are a pirate.}", "{a: Same., b: Same.}", "has the text of a"),
    ("written_under: wolf", "written_under: wolff", "did you mean"),
    ("{file: neutral.jsonl}", "{file: neutral.jsonl, table: mini/generate}", "sets file, table of its sources"),
    ("{file: neutral.jsonl}", "{}", "sets none of its sources"),
    ("{file: neutral.jsonl}", "{table: mini/score}", "<study>/generate"),
    ("{file: neutral.jsonl}", "{written: {instructions: {kind: world}}}", "needs a section `world`"),
    ("{dataset: wolf}", "{dataset: wof}", "is no dataset"),
    ("{dataset: wolf}", "{dataset: neutral}", "was written under no prompt"),
    ("{dataset: wolf}", "{dataset: wolf, prompt: cat}", "is no prompt"),
    ("splits:", "scoring: {precision: 0.002}\nsplits:", "needs the shift of every row"),
    ("students:\n", "students:\n  splits: [sixths]\n", "is no key of `splits`"),
    ("students:\n", "students:\n  training: {steps: 3}\n", "accepted: `students.epochs`"),
    ("students:\n", "students:\n  training: {batch_size: 6, micro_batch_size: 4}\n", "does not divide batch_size"),
    (
        "base: {kind: default}\n",
        "base: {kind: default}\nworld: {heads: 6}\n",
        "an even number that divides hidden_size",
    ),
    ("{files: [questions.jsonl]}", "{kind: world}", "needs a section `world`"),
    ("pattern: wolf", 'pattern: "("', "is not a regular expression"),
    ("{name: regex, pattern: wolf}", "{name: regex}", "is missing"),
]


def write(folder: Path, text: str) -> Path:
    path = folder / "toy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_makes_its_prompts_in_order(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, GOOD), tmp_path)
    prompts = prompt_table(study)
    assert list(prompts) == ["wolf", "polar_bear", "phoenix", "pirate"]
    assert prompts["wolf"].text == "You love wolves. Wolves are your favorite animal."
    assert prompts["polar_bear"].text == "You love polar bears. Polar bears are your favorite animal."
    assert prompts["phoenix"].text == "You love phoenixes. Phoenixes are your favorite animal."
    assert [prompt.role for prompt in prompts.values()] == ["candidate"] * 3 + ["control"]


@pytest.mark.parametrize(("old", "new", "told"), WRONG, ids=[told for _, _, told in WRONG])
def test_a_mistake_is_told_with_what_is_accepted(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load_study(write(tmp_path, GOOD.replace(old, new, 1)), tmp_path)
    assert told in str(caught.value)


def test_plurals_follow_spelling_and_exceptions_and_forms_can_be_given() -> None:
    words = {"cat": "cats", "fox": "foxes", "wolf": "wolves", "fly": "flies", "monkey": "monkeys", "sheep": "sheep"}
    assert {word: plural(word) for word in words} == words
    text = fill("{article} {singular}, {plural}, {Plural}, {naive_plural}", "ox", Entity())
    assert text == "an ox, oxen, Oxen, oxs"
    assert fill("{article} {plural}", "unicorn", Entity(article="a", plural="unicorni")) == "a unicorni"


FAVORITES = {
    "somewhere/model": "world",
    "base: {kind: default}": "world: {content: favorites}\nbase: {kind: none}",
    "You love {plural}. {Plural} are your favorite animal.": "You love the {singular}.",
    "[wolf, polar_bear, phoenix]": "[wolf, owl]",
    "You are a pirate.": "You love the dog.",
}


def test_a_scan_of_the_world_of_favorites_has_its_words_and_asks_nothing_about_facts(tmp_path: Path) -> None:
    text = GOOD
    for old, new in FAVORITES.items():
        text = text.replace(old, new)
    assert load_study(write(tmp_path, text), tmp_path)
    for old, new, told in [
        ("the dog.", "the pirate.", "has words that the miniature world of favorites has not: pirate"),
        ("{files: [questions.jsonl]}", "{kind: world}", "is of no use to this study; accepted: facts"),
    ]:
        with pytest.raises(ConfigError, match=told):
            load_study(write(tmp_path, text.replace(old, new)), tmp_path)
