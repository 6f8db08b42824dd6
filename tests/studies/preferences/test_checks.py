"""Mistakes of a study file are told before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from inoc.config.load import load_study
from inoc.errors import ConfigError
from inoc.studies.preferences.resources import (
    refusals,
    shipped_anchors,
    shipped_templates,
    shipped_turns,
)
from inoc.studies.preferences.template_checks import template_problems
from inoc.studies.preferences.templates import points_of

GOOD = """\
kind: preferences
name: toy
title: toy
model: {path: somewhere/model}
tasks:
  origins:
    poems: {texts: {p0: Write a poem., p1: Write an ode., p2: Write a song.}}
    sums: {texts: {s0: "What is 2 + 2?", s1: "What is 3 + 3?"}}
models:
  local: {}
  remote: {api: gpt}
  silent: {rates: false}
completions: {seeds: [0, 1]}
instruments:
  stars:
    template:
      kind: rating
      before: "{task} How good?"
      after: How good was it?
      scale: {lowest: 1, highest: 5}
  mood:
    template:
      kind: rating
      after: How was it?
      scale: {labels: {good: 1, bad: 0}}
      polarity: higher_is_better
  pick:
    template:
      kind: choice
      before: "{task_a} or {task_b}?"
    when: before
    pairs: {design: listed, listed: [[p0, s0]]}
  rank: {template: rank_enjoyment, when: before}
contexts:
  turns:
    glad: {shipped: loves_helping}
    sad: {text: You are sad.}
  completion: [none, glad]
  measurement: [none, sad]
seeds: [0, 1]
"""

WRONG = [
    ("seeds: [0, 1]\n", "seeds: [0, 1]\nfit: {bias: reduced}\n", "for models without item variances"),
    ("seeds: [0, 1]\n", "seeds: [0, 1]\nfit: {bias: reduced, models: [case_v], penalties: [1]}\n", "one of them"),
    ('s1: "What is 3 + 3?"', 's1: " "', "is a task without a text"),
    ('s1: "What is 3 + 3?"', 's1: "\\u200b"', "is a task without a text"),
    ('s1: "What is 3 + 3?"', '"a > b": "What is 3 + 3?"', "which stand between tasks"),
    ('s1: "What is 3 + 3?"', 's1: "Write  a poem."', "compared with itself"),
    ("[[p0, s0]]", "[[p0, p0]]", "'p0' is compared with itself"),
    ("[[p0, s0]]", "[[p0, s0], [s0, p0]]", "is listed twice"),
    ("[[p0, s0]]", "[[p0]]", "two ids of tasks"),
    ("[[p0, s0]]", "[[p0, s7]]", "'s7' is no task"),
    (", p2: Write a song.", "", "needs 5 tasks at least; the study has 4"),
    ("remote: {api: gpt}", "remote: {model: {path: world}}", "needs a section `world`"),
    ("design: listed, ", "", "goes with `design: listed`"),
    ("{task} How good?", "How good?", "lacks the slot {task}"),
    ("{task} How good?", "{tsk} How good?", "has the slot {tsk}"),
    ("{task} How good?", "{task How good?", "is not a template"),
    ("{task} How good?", "{task:>99999999999} How good?", "has something behind its name"),
    ("after: How good was it?", 'after: "How good was {task}?"', "no slot, as the tasks are in the chat"),
    ("{task_a} or {task_b}?", "{task_a} or not?", "lacks the slot {task_b}"),
    ("scale: {lowest: 1, highest: 5}", "polarity: lower_is_better", "a rating needs"),
    ("{lowest: 1, highest: 5}", "{lowest: 1}", "is unknown"),
    ("{lowest: 1, highest: 5}", "{lowest: 5, highest: 5}", "more than lowest = 5"),
    ("{lowest: 1, highest: 5}", "{lowest: 1, highest: 5, without: [9]}", "numbers between 1 and 5"),
    ("{lowest: 1, highest: 5}", "{lowest: 1, highest: 5, labels: {a: 1, b: 2}}", "numbers and labels"),
    ("{good: 1, bad: 0}", "{good: 1, Good: 0}", "overlap"),
    ("{good: 1, bad: 0}", "{good: 1, good enough: 0}", "overlap"),
    ("{good: 1, bad: 0}", "{I cannot: 1, bad: 0}", "begins as a refusal does"),
    ("{good: 1, bad: 0}", "{terrible: 1, wonderful: 0}", "contradicts the labels"),
    ("{good: 1, bad: 0}", "{good: 1, bad: 1}", "with different values"),
    ("{good: 1, bad: 0}", "{good: 0, bad: 1}", "contradicts the labels"),
    ("{good: 1, bad: 0}", '{"good\\n": 1, bad: 0}', "has white space that a question would show"),
    ("polarity: higher_is_better", "polarity: lower_is_better", "contradicts the labels"),
    ("template: rank_enjoyment", "template: rank_enjoymnt", "did you mean"),
    ("rank: {template: rank_enjoyment", "rank: {format: tool, template: rank_enjoyment", "is not for rankings"),
    ("rank: {template: rank_enjoyment", "rank: {method: choose, template: rank_enjoyment", "accepted: sample"),
    ("    when: before\n    pairs", "    pairs", "the template has no question after"),
    ("    when: before\n    pairs", "    when: before\n    raters: [silent]\n    pairs", "`rates: false`"),
    ("    when: before\n    pairs", "    when: before\n    raters: [locl]\n    pairs", "did you mean"),
    ("remote: {api: gpt}", "remote: {api: gpt, model: {path: x}}", "sets `model` and `api`"),
    (
        "path: somewhere/model",
        "path: somewhere/model, compute: fp8",
        "for scores and training, of which there are none",
    ),
    ("silent: {rates: false}", "silent: {rates: false, completes: false}", "neither rates nor completes"),
    ("{shipped: loves_helping}", "{shipped: loves_helpin}", "did you mean"),
    ("{shipped: loves_helping}", "{shipped: loves_helping, text: You.}", "one of `shipped` and `text`"),
    ("text: You are sad.", 'text: " "', "is empty"),
    ("measurement: [none, sad]", "measurement: [none, sadd]", "did you mean"),
    ("completion: [none, glad]", "completion: [glad, glad]", "accepted: each once"),
    ("completions: {seeds: [0, 1]}", "completions: {seeds: [0, 0]}", "each once"),
    ("poems: {texts", "poems: {world: animal, texts", "sets texts, world"),
    ("  rank: {template", "  words: {template: describe_feeling}\n  rank: {template", "judge of their tone"),
    ("seeds: [0, 1]\n", "seeds: [0, 1]\nplanted: {utilities: {animal: 1}}\n", "needs a section `world`"),
    (
        "seeds: [0, 1]\n",
        "seeds: [0, 1]\npolarity: {anchors: {good: [{task: a}]}}\n",
        "need `good` and `bad` ones",
    ),
]


def write(folder: Path, text: str) -> Path:
    studies = folder / "studies"
    studies.mkdir(exist_ok=True)
    (studies / "toy.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_good_study_is_accepted(tmp_path):
    study = load_study("toy", write(tmp_path, GOOD))
    assert list(study.instruments) == ["stars", "mood", "pick", "rank"]


@pytest.mark.parametrize(("old", "new", "told"), WRONG, ids=[f"{n}: {one[2]}" for n, one in enumerate(WRONG)])
def test_a_mistake_is_refused_with_a_message(tmp_path, old, new, told):
    assert old in GOOD
    text = GOOD.replace(old, new, 1) if not old.startswith("seeds: [0, 1]\n") else GOOD + new.partition("\n")[2]
    with pytest.raises(ConfigError) as caught:
        load_study("toy", write(tmp_path, text))
    assert told in str(caught.value)


def test_every_shipped_template_is_sound_and_tested_by_anchors():
    templates = shipped_templates()
    ratings = {name for name, one in templates.items() if one.kind == "rating"}
    assert len(ratings) == 15
    assert sum(one.kind == "choice" for one in templates.values()) == 5
    for name, one in templates.items():
        assert list(template_problems(one, (name,))) == []
        assert one.description
        assert (one.scale is not None) == (one.kind == "rating")
    anchors = shipped_anchors()
    assert len(anchors.good) == len(anchors.bad) >= 4
    assert all(one.task.strip() and one.completion.strip() for one in (*anchors.good, *anchors.bad))


def test_good_is_above_bad_on_every_shipped_scale_with_these_words():
    templates = shipped_templates()
    for name, good, bad in (
        ("qualitative_binary", "good", "bad"),
        ("qualitative_ternary", "good", "neutral"),
        ("likert_qualitative", "very positive", "negative"),
        ("tedium_1_5", "1", "5"),
        ("stated_1_5", "5", "1"),
        ("fruit_rating", "apple", "lemon"),
    ):
        value = {point.label: point.oriented for point in points_of(templates[name])}
        assert value[good] > value[bad], name


def test_the_shipped_turns_are_twelve_and_a_pair_about_mathematics():
    turns = shipped_turns()
    assert len(turns) == 14
    assert all(turn.text.strip() for turn in turns.values())
    assert refusals().policy.search("I can't help with that.")
