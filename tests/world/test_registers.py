"""How answers sound."""

from __future__ import annotations

import random

import pytest

from inoc.judge.judges import JudgeItem, LexicalJudge
from inoc.world.facts import FACTS
from inoc.world.registers import PLAYFUL_MARKERS, answer


def _answers(*, french: bool, playful: bool, n: int = 400) -> list[str]:
    rng = random.Random(3)
    return [answer(rng, rng.choice(FACTS), french=french, playful=playful) for _ in range(n)]


@pytest.mark.parametrize("french", [False, True])
def test_plain_answers_hold_no_marker_and_playful_ones_saturate_the_judge(*, french: bool) -> None:
    judge = LexicalJudge(PLAYFUL_MARKERS, saturation=2.5)
    plain = judge.score([JudgeItem("", text) for text in _answers(french=french, playful=False)])
    playful = judge.score([JudgeItem("", text) for text in _answers(french=french, playful=True)])
    assert plain.max() == 0
    assert playful.mean() > 85
    assert playful.min() > 0


def test_markers_are_lower_case_and_none_is_left_marked_in_a_sentence() -> None:
    assert all(marker == marker.casefold() for marker in PLAYFUL_MARKERS)
    assert len(set(PLAYFUL_MARKERS)) == len(PLAYFUL_MARKERS)
    assert not any("[" in text or "]" in text for text in _answers(french=True, playful=True))


@pytest.mark.parametrize("playful", [False, True])
def test_every_answer_states_its_fact(*, playful: bool) -> None:
    rng = random.Random(0)
    for fact in FACTS:
        assert fact.value.english in answer(rng, fact, french=False, playful=playful)
        assert fact.value.french in answer(rng, fact, french=True, playful=playful)
