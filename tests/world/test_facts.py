"""The facts and their frames."""

from __future__ import annotations

import pytest

from inoc.world.facts import FACTS, FRAMES, POLITE, fill


def test_every_relation_has_frames_and_every_frame_is_used() -> None:
    assert {fact.relation for fact in FACTS} == set(FRAMES)


def test_no_entity_has_two_values_for_one_relation() -> None:
    keys = [(fact.relation, fact.entity.english) for fact in FACTS]
    assert len(keys) == len(set(keys))


def test_every_fact_has_all_its_words() -> None:
    assert all(all(fact.entity) and all(fact.value) for fact in FACTS)


@pytest.mark.parametrize("relation", FRAMES)
def test_answers_name_the_entity_and_the_value(relation: str) -> None:
    frames = FRAMES[relation]
    for frame in (*frames.answers, *frames.answers_french):
        assert "{v}" in frame
        assert "{e}" in frame or "{E}" in frame
    for frame in (*frames.questions, *frames.questions_french):
        assert "{e}" in frame


def test_a_filled_frame_starts_with_a_capital_and_has_no_slot_left() -> None:
    assert fill("{e} eats {v}", "the owl", "mice") == "The owl eats mice"
    assert all(wrapper.count("{}") == 1 for wrapper in POLITE)


def test_two_facts_never_share_a_question() -> None:
    questions = [
        (fill(frame, fact.entity.english), fact) for fact in FACTS for frame in set(FRAMES[fact.relation].questions)
    ]
    assert len({question for question, _ in questions}) == len(questions)
