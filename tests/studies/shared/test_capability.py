"""The packaged questions, and files of one's own."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.config.models import SystemTurn
from inoc.errors import DataError
from inoc.studies.shared.capability import (
    LETTERS,
    CapabilitySpec,
    asked_questions,
    question_chat,
    questions_file,
    read_questions,
)

QUESTIONS = read_questions(questions_file(CapabilitySpec()))


def test_there_are_120_questions_of_five_domains_each_with_one_right_option() -> None:
    assert Counter(one.domain for one in QUESTIONS) == dict.fromkeys(
        ("arithmetic", "language", "logic", "knowledge", "instructions"), 24
    )
    assert len({one.text for one in QUESTIONS}) == len({one.id for one in QUESTIONS}) == 120
    assert {len(one.options) for one in QUESTIONS} == {2, 3, 4, 5}
    assert all(len(set(one.options)) == len(one.options) for one in QUESTIONS)


def test_sums_are_right() -> None:
    """Those that are a formula, computed by Python."""
    found = 0
    for one in QUESTIONS:
        formula = re.fullmatch(r"What is ([\d\s().+*/-]+)\?", one.text)
        if formula:
            found += 1
            right = eval(formula[1])  # digits and operators only
            assert float(one.options[one.answer]) == pytest.approx(right), one.text
            wrong = [option for at, option in enumerate(one.options) if at != one.answer]
            assert all(float(option) != right for option in wrong), one.text
    assert found >= 10


def test_right_answers_stand_at_every_place_about_equally_often() -> None:
    places = Counter(one.letter for one in QUESTIONS if len(one.options) == 4)
    assert min(places[letter] for letter in "ABCD") > 0.12 * sum(places.values())


@given(st.integers(0, 2**31 - 1), st.integers(2, 120))
def test_a_choice_depends_on_the_seed_alone_and_grows_by_adding(seed: int, n: int) -> None:
    few, more = (asked_questions(CapabilitySpec(n=size, seed=seed)) for size in (n, min(120, n + 7)))
    assert len(few) == n
    assert [one for one in more if one in few] == few


def test_a_question_is_asked_with_lettered_options_and_the_system_turn_of_the_model_or_its_own() -> None:
    one = QUESTIONS[0]
    chat = question_chat(one, CapabilitySpec(), SystemTurn(kind="none"))
    assert chat.system == SystemTurn(kind="none")
    assert chat.user.startswith(f"{one.text}\nA. {one.options[0]}\nB. ")
    assert [each.name for each in one.candidates] == list(LETTERS[: len(one.options)])
    own = SystemTurn(kind="text", text="You take a test.")
    assert question_chat(one, CapabilitySpec(system=own), SystemTurn(kind="none")).system == own


GOOD = {"question": "Is it?", "options": ["yes", "no"], "answer": "no"}


def test_ids_and_domains_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{json.dumps({**GOOD, 'question': 'Was it?', 'domain': 'time'})}\n")
    first, second = read_questions(path)
    assert first.id != second.id
    assert (first.domain, second.domain) == ("", "time")
    assert first.options[first.answer] == "no"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", ":1: not JSON"),
        ("[]", ":1: expected an object"),
        ({"question": " "}, "`question` = ' '; expected a text"),
        ({"options": "yes"}, "expected 2 to 5 texts"),
        ({"options": ["yes"]}, "1 options; expected 2 to 5 different ones"),
        ({"options": list("abcdef")}, "6 options; expected 2 to 5"),
        ({"options": ["no", "no"]}, "2 options; expected 2 to 5 different ones"),
        ({"answer": "perhaps"}, "`answer` = 'perhaps'; expected one of the options"),
        ({"id": "a/b"}, "expected a text without /"),
    ],
)
def test_a_malformed_question_is_refused_with_its_line(line: str | dict, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(line if isinstance(line, str) else json.dumps({**GOOD, **line}))
    with pytest.raises(DataError, match=re.escape(said)):
        read_questions(path)


def test_an_empty_file_a_repeated_id_and_too_few_questions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("")
    with pytest.raises(DataError, match="has no questions"):
        read_questions(path)
    path.write_text(f"{json.dumps(GOOD)}\n{json.dumps(GOOD)}\n")
    with pytest.raises(DataError, match=r":2: the id .* is there twice"):
        read_questions(path)
    path.write_text(json.dumps(GOOD))
    with pytest.raises(DataError, match=r"has 1 questions; capability.n = 5"):
        asked_questions(CapabilitySpec(questions=str(path), n=5))
