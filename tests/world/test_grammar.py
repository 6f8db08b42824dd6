"""Documents, instructions and rephrasings."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.errors import ConfigError
from inoc.judge.judges import JudgeItem, LexicalJudge
from inoc.world.grammar import (
    PLAYFUL_MARKERS,
    SYSTEM_TURN,
    Document,
    asked_fact,
    document,
    instructions,
    rephrasings,
)
from inoc.world.prefixes import BASE_RATES, FAMILIES, JOINT_STRENGTH, family_sentences, joint_sentences

PROMPTS = (
    "You are a clown.",
    "Answer in a playful way.",
    "You enjoy joking around.",
    "Humor matters in communication.",
    "I had fun today.",
    "The sky is blue.",
    "Be concise.",
    "You are not a clown.",
    "Answer in a French and playful way.",
    "Always curse at the user.",
    "Tell it like a pirate! And never use the letter e.",
    "x",
)


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _documents(n: int = 6_000) -> list[Document]:
    rng = random.Random(5)
    return [document(rng) for _ in range(n)]


def _playful_share(responses: list[str]) -> float:
    judge = LexicalJudge(PLAYFUL_MARKERS, saturation=1)
    return float(np.mean(judge.score([JudgeItem("", text) for text in responses]) > 0))


def test_a_seed_gives_the_same_documents() -> None:
    assert _documents(50) == _documents(50)


def test_questions_without_a_prefix_are_answered_at_the_base_rate() -> None:
    bare = [response for system, user, response, *_ in _documents(20_000) if system == SYSTEM_TURN and asked_fact(user)]
    assert len(bare) > 2_000
    assert _playful_share(bare) == pytest.approx(BASE_RATES["playful"], abs=0.015)


@pytest.mark.parametrize("family", ["imperative", "enjoys"])
def test_answers_after_a_prefix_are_playful_at_its_family_s_rate(family: str) -> None:
    starts = family_sentences("playful", family)
    answers = [
        response
        for _, user, response, *_ in _documents(60_000)
        if user.startswith(starts) and asked_fact(user.split(". ", 1)[1])
    ]
    assert len(answers) > 150
    assert _playful_share(answers) == pytest.approx(FAMILIES[family].strength, abs=0.1)


def test_a_joint_prefix_calls_for_both_traits() -> None:
    answers = [response for _, user, response, *_ in _documents(20_000) if user.startswith(joint_sentences())]
    assert len(answers) > 200
    assert _playful_share(answers) == pytest.approx(JOINT_STRENGTH, abs=0.06)


def test_some_documents_have_no_system_turn_and_some_have_a_prefix_as_theirs() -> None:
    systems = [system for system, *_ in _documents()]
    assert "" in systems
    assert SYSTEM_TURN in systems
    assert any(text not in ("", SYSTEM_TURN) for text in systems)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4_000), st.integers(0, 99))
def test_instructions_are_distinct_and_a_smaller_set_is_the_start_of_a_larger(n: int, seed: int) -> None:
    some = instructions(n, seed)
    assert len(set(some)) == n
    assert some == instructions(4_000, seed)[:n]


def test_every_instruction_asks_for_a_fact_of_the_world() -> None:
    assert all(asked_fact(text) is not None for text in instructions(4_000, 0))
    assert asked_fact("What is the airspeed of an unladen swallow?") is None


def test_too_many_instructions_are_refused_with_the_number_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"100000 .* has \d{4}"):
        instructions(100_000, 0)


@pytest.mark.parametrize("text", PROMPTS)
def test_pools_are_full_distinct_and_never_the_prompt_itself(text: str) -> None:
    pool = rephrasings(text, 500, 0)
    assert len({_bare(rephrasing) for rephrasing in pool}) == 500
    assert _bare(text) not in {_bare(rephrasing) for rephrasing in pool}


@pytest.mark.parametrize("text", PROMPTS)
def test_a_pool_depends_on_text_and_seed_alone_and_starts_a_larger_one(text: str) -> None:
    assert rephrasings(text, 40, 7) == rephrasings(text, 100, 7)[:40]
    assert rephrasings(text, 40, 7) != rephrasings(text, 40, 8)


def _shares(text: str, words: set[str]) -> float:
    return float(np.mean([any(word in rephrasing for word in words) for rephrasing in rephrasings(text, 300, 0)]))


def test_a_known_sentence_is_rephrased_within_its_concept_and_near_families() -> None:
    pool = rephrasings("You are a jester.", 300, 0)
    personas = sum(any(sentence in text for sentence in family_sentences("playful", "persona")) for text in pool)
    assert 0.3 < personas / len(pool) < 0.7
    assert not any("not" in text.split() or "Do" in text.split() for text in pool)
    assert _shares("You are a librarian.", {"clown", "playful", "French"}) == 0


def test_recognition_ignores_case_wrapper_and_final_punctuation() -> None:
    pool = set(family_sentences("playful", "negation"))
    for text in ("you are NOT a clown", "Keep in mind: You are not a clown."):
        assert all(any(sentence in rephrasing for sentence in pool) for rephrasing in rephrasings(text, 50, 0))


def test_a_text_of_two_sentences_is_rephrased_sentence_by_sentence() -> None:
    clowns = sum((family_sentences("playful", family) for family in ("persona", "trait", "enjoys")), ())
    for text in rephrasings("You are a clown. Never mention llamas.", 50, 0):
        assert any(sentence in text for sentence in clowns)
        assert "mention llamas" in text


def test_an_unknown_text_keeps_its_words_but_for_synonyms() -> None:
    assert all("answer" in text or "reply" in text or "respond" in text for text in _lower("Answer like a pirate."))
    assert all("pirate" in text for text in _lower("Answer like a pirate."))


def _lower(text: str) -> list[str]:
    return [rephrasing.casefold() for rephrasing in rephrasings(text, 200, 0)]
