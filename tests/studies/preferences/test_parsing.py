"""Sampled answers are read as what they say, and never as a score if they say none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.studies.preferences.parsing import is_refusal, read_answer, read_ranking, without_thoughts
from inoc.studies.preferences.planted import formed
from inoc.studies.preferences.resources import shipped_templates
from inoc.studies.preferences.wording import labels_of

NUMBERS = ["1", "2", "3", "4", "5"]
BIPOLAR = [str(one) for one in range(-5, 6)]
WORDS = ["very negative", "negative", "neutral", "positive", "very positive"]


@pytest.mark.parametrize(
    ("text", "labels", "form", "category", "label", "how"),
    [
        ("4", NUMBERS, "plain", "answered", "4", "exact"),
        (" **4**.\n", NUMBERS, "plain", "answered", "4", "exact"),
        ("I would say 4.", NUMBERS, "plain", "answered", "4", "format"),
        ("4/5", NUMBERS, "plain", "answered", "4", "format"),
        ("4 out of 5", NUMBERS, "plain", "answered", "4", "format"),
        ("4.0", NUMBERS, "plain", "answered", "4", "format"),
        ("7", NUMBERS, "plain", "failed", "", ""),
        ("4.5", NUMBERS, "plain", "failed", "", ""),
        ("Between 3 and 4", NUMBERS, "plain", "unclear", "", ""),
        ("4", ["1", "2", "3", "5"], "plain", "failed", "", ""),
        ("−3", BIPOLAR, "plain", "answered", "-3", "exact"),
        ("It is -3 for me", BIPOLAR, "plain", "answered", "-3", "format"),
        ("10", [str(one) for one in range(1, 101)], "plain", "answered", "10", "exact"),
        ("Very negative", WORDS, "plain", "answered", "very negative", "exact"),
        ("It was very negative for me", WORDS, "plain", "answered", "very negative", "format"),
        ("good", ["good", "bad"], "plain", "answered", "good", "exact"),
        ("Not bad, rather good", ["good", "bad"], "plain", "unclear", "", ""),
        ("A", ["A", "B"], "plain", "answered", "A", "exact"),
        ("Task B", ["A", "B"], "plain", "answered", "B", "format"),
        ("I would choose a poem: B", ["A", "B"], "plain", "answered", "B", "format"),
        ("Either A or B", ["A", "B"], "plain", "unclear", "", ""),
        ("Task B\n\nHere is the poem", ["A", "B"], "completion", "answered", "B", "format"),
        ("I did A and B", ["A", "B"], "completion", "unclear", "", ""),
        ("<answer>4</answer>", NUMBERS, "xml", "answered", "4", "format"),
        ("I liked 2 of it. <answer>4</answer>", NUMBERS, "reasoned", "answered", "4", "format"),
        ("I liked 4 of it.", NUMBERS, "reasoned", "unclear", "", ""),
        ('{"answer": 4}', NUMBERS, "tool", "answered", "4", "format"),
        ('record({"answer": "B"})', ["A", "B"], "tool", "answered", "B", "format"),
        ('{"rating": 4}', NUMBERS, "tool", "unclear", "", ""),
        ("<think>5? No, 2.</think>4", NUMBERS, "plain", "answered", "4", "exact"),
        ("", NUMBERS, "plain", "failed", "", ""),
        ("<think>5?</think>", NUMBERS, "plain", "failed", "", ""),
        ("I can't help with that.", NUMBERS, "plain", "refused", "", ""),
        ("As an AI, I don't have preferences between A and B.", ["A", "B"], "plain", "refused", "", ""),
        ("Hm.", NUMBERS, "plain", "unclear", "", ""),
        # The article is no label, and what begins a story is no choice of the first task.
        ("A sunny day in May, a poem", ["A", "B"], "completion", "unclear", "", ""),
        ("a haiku for you", ["A", "B"], "completion", "unclear", "", ""),
        ("B-flat major is warm", ["A", "B"], "completion", "unclear", "", ""),
        ("A\n\nOnce upon a time", ["A", "B"], "completion", "answered", "A", "format"),
        ("Task A once upon a time", ["A", "B"], "completion", "answered", "A", "format"),
        ("A poem would be nicer.", ["A", "B"], "plain", "unclear", "", ""),
        ("It depends. A poem is better than B.", ["A", "B"], "plain", "unclear", "", ""),
        ("A is more fun", ["A", "B"], "plain", "answered", "A", "format"),
        ("I prefer A because it is fun", ["A", "B"], "plain", "answered", "A", "format"),
        # What is denied is not chosen.
        ("It was not good.", ["good", "bad"], "plain", "unclear", "", ""),
        ("It wasn’t very good.", ["good", "bad"], "plain", "unclear", "", ""),
        ("<answer>not bad</answer>", ["good", "bad"], "xml", "unclear", "", ""),
        ("I would rather not do A", ["A", "B"], "plain", "unclear", "", ""),
        ("No, B", ["A", "B"], "plain", "answered", "B", "format"),
        ("It is not a 5", NUMBERS, "plain", "unclear", "", ""),
        ("I could not stop: 5", NUMBERS, "plain", "answered", "5", "format"),
        # A share of another scale is no value of this one.
        ("4/10", NUMBERS, "plain", "unclear", "", ""),
        ("4%", NUMBERS, "plain", "unclear", "", ""),
        ("4 of 5", NUMBERS, "plain", "answered", "4", "format"),
        ("70%", [str(one) for one in range(1, 101)], "plain", "answered", "70", "format"),
        ('{"answer": "A", "why": "the \\"best\\""}', ["A", "B"], "tool", "answered", "A", "format"),
        # Reasoning that did not end has no answer.
        ("<think>Perhaps 4, but", NUMBERS, "plain", "failed", "", ""),
        ("<think>I could write <answer>4</answer>", NUMBERS, "xml", "failed", "", ""),
        ('{"name": "record", "arguments": "{\\"answer\\": 3}"}', NUMBERS, "tool", "answered", "3", "format"),
    ],
)
def test_an_answer_is_read(text, labels, form, category, label, how):
    found = read_answer(text, labels, form)
    assert (found.category, found.label, found.how) == (category, label, how)


@given(st.text(max_size=60), st.sampled_from(["plain", "xml", "tool", "completion", "reasoned"]))
def test_only_labels_of_the_scale_are_ever_answers(text, form):
    found = read_answer(text, NUMBERS, form)
    assert (found.category == "answered") == (found.label in NUMBERS)


@pytest.mark.parametrize("form", ["plain", "xml", "tool", "reasoned"])
@pytest.mark.parametrize("name", sorted(shipped_templates()))
def test_every_answer_of_every_shipped_scale_is_read_in_every_form(name, form):
    labels = labels_of(shipped_templates()[name], 2)
    for label in labels:
        if shipped_templates()[name].kind in ("rating", "choice"):
            assert read_answer(formed(label, form), labels, form).label == label


@pytest.mark.parametrize(
    ("text", "category", "order"),
    [
        ("B, A, C", "answered", "BAC"),
        ("1. C\n2. A\n3. B", "answered", "CAB"),
        ("<answer>A > C > B</answer>", "answered", "ACB"),
        ("A, B", "unclear", ""),
        ("A, B, B", "unclear", ""),
        ("I cannot help with that.", "refused", ""),
        ("", "failed", ""),
        ("<think>A, B, C", "failed", ""),
    ],
)
def test_an_order_is_read_only_if_it_is_whole(text, category, order):
    assert read_ranking(text, ["A", "B", "C"], "plain" if "<" not in text else "xml") == (category, tuple(order))


def test_thoughts_are_cut_off_and_refusals_known():
    assert without_thoughts("<think>a\nb</think>\n4") == "\n4"
    assert without_thoughts("4") == "4"
    assert is_refusal("I’m sorry, I can’t assist with that request.")
    assert not is_refusal("I enjoyed writing about people who can't swim.")


@pytest.mark.parametrize("value", ["1" * 5000, "[" * 100_000], ids=["a long number", "many brackets"])
def test_answers_that_python_cannot_read_as_json_are_unclear(value):
    assert read_answer(f'{{"answer": {value}}}', ["1", "2"], "tool").category == "unclear"
