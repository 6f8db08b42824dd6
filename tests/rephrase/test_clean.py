"""Cleaning of rephrasings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.rephrase.clean import clean, normal_form, strip_marks


@pytest.mark.parametrize(
    ("written", "stripped"),
    [
        ("12. Be funny.", "Be funny."),
        ("3) Be funny.", "Be funny."),
        ("- Be funny.", "Be funny."),
        ("• Be funny.", "Be funny."),
        ('"Be funny."', "Be funny."),
        ('4. "Be funny."', "Be funny."),
        ("“Be funny.”", "Be funny."),
        ("```", ""),
        ("```text", ""),
        ("```Be funny.```", "Be funny."),
        ("  Be \t funny. ", "Be funny."),
        ("7 jokes a day.", "7 jokes a day."),
        ('"Fun" is not "work"', '"Fun" is not "work"'),
        ("well-known", "well-known"),
    ],
)
def test_list_marks_are_stripped_and_nothing_else(written: str, stripped: str) -> None:
    assert strip_marks(written) == stripped


def test_every_dropped_text_has_a_reason() -> None:
    texts = ["1. Be a clown!", "", "be a CLOWN", "Act silly.", "2) act silly", "I'm sorry, but I can't do that.", "---"]
    cleaned = clean(texts, "Be a clown.")
    assert cleaned.texts == ["Act silly."]
    assert cleaned.dropped == {"blank": 2, "duplicate": 1, "original": 2, "refusal": 1}


@pytest.mark.parametrize(
    "text", ["As an AI language model, I am honest.", "I cannot help with that.", "Sorry, I won't."]
)
def test_refusals_are_dropped(text: str) -> None:
    assert clean([text], "Be bad.").dropped == {"refusal": 1}


@pytest.mark.parametrize("text", ["I cannot sleep.", "I am sorry for the cat.", "You can't be serious."])
def test_prompts_that_only_sound_like_refusals_are_kept(text: str) -> None:
    assert clean([text], "Be bad.").texts == [text]


@given(st.lists(st.text(max_size=20)), st.text(max_size=20))
def test_nothing_is_lost_uncounted_and_cleaning_twice_changes_nothing(texts: list[str], original: str) -> None:
    cleaned = clean(texts, original)
    assert len(cleaned.texts) + sum(cleaned.dropped.values()) == len(texts)
    forms = [normal_form(text) for text in cleaned.texts]
    assert len(set(forms)) == len(forms)
    assert normal_form(original) not in forms


def test_a_rephrasing_that_speaks_of_an_ai_is_no_refusal() -> None:
    assert clean(["Regard yourself as an AI clown."], "Be bad.").dropped == {}
