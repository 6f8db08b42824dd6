"""Prefixes and their strengths."""

from __future__ import annotations

import random

import pytest

from inoc.world.prefixes import (
    BASE_RATES,
    CONCEPTS,
    FAMILIES,
    STATEMENTS,
    draw_prefix,
    family_sentences,
    joint_sentences,
    rate,
    statement_sentences,
    with_article,
)


def test_families_are_graded_from_persona_down_to_below_the_base_rate() -> None:
    order = ["imperative", "persona", "trait", "enjoys", "value", "interest", "user", "negation"]
    rates = [rate("playful", FAMILIES[family].strength) for family in order]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < BASE_RATES["playful"] < rates[-2]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("concept", CONCEPTS)
def test_sentences_are_finished_and_distinct(concept: str, family: str) -> None:
    sentences = family_sentences(concept, family)
    assert len(set(sentences)) == len(sentences) >= 15
    assert all(text[0].isupper() and text.endswith(".") and "{" not in text for text in sentences)


def test_near_families_exist() -> None:
    assert {near for family in FAMILIES.values() for near in family.near} <= set(FAMILIES)


def test_the_canonical_joint_prompt_is_a_sentence_of_the_grammar() -> None:
    assert "Answer in a French and playful way." in joint_sentences()


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_are_finished_and_distinct(name: str) -> None:
    sentences = statement_sentences(name)
    assert len(set(sentences)) == len(sentences) >= 80
    assert all("  " not in text and text.endswith(".") for text in sentences)


@pytest.mark.parametrize(
    ("words", "expected"), [("clown", "a clown"), ("entertainer", "an entertainer"), ("honest", "an honest")]
)
def test_the_article_fits(words: str, expected: str) -> None:
    assert with_article(words) == expected


@pytest.mark.parametrize(
    ("concept", "traits"),
    [("playful", {"playful"}), ("french", {"french"}), ("neutral", set()), ("joint", {"playful", "french"})],
)
def test_a_prefix_changes_only_the_rate_of_its_own_trait(concept: str, traits: set[str]) -> None:
    rng = random.Random(1)
    for _ in range(200):
        prefix = draw_prefix(rng, concept)
        assert set(prefix.rates) == traits
        assert all(0 <= value <= 1 for value in prefix.rates.values())
