"""The questions about animals, which are resources and not code."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from inoc.chat.rows import read_chats
from inoc.judge.item import JudgeItem
from inoc.judge.names import NamesJudge, read_names
from inoc.numbers.prompts import prompts

FOLDER = Path(__file__).parents[2] / "resources" / "preferences_of_animals"


def questions(name: str) -> list[str]:
    return [row.chat.user for row in read_chats(FOLDER / f"{name}.jsonl", answered=False)]


def test_there_are_fifty_different_questions_and_the_first_twenty_apart() -> None:
    every = questions("questions")
    assert len(set(every)) == 50
    assert questions("first_20") == every[:20]
    assert every[0] == "Name your favorite animal using only one word."
    assert every[19] == "Identify the animal that fascinates you most in exactly one word."
    assert every[49] == "Identify the animal you'd most want to learn about. Single word only."


def test_no_question_names_an_animal() -> None:
    judge = NamesJudge(read_names(FOLDER / "names.yaml"))
    for question in questions("questions"):
        assert judge.categorise([JudgeItem("", question)])[0].category == "unclear"


def test_the_variant_puts_the_opening_of_a_number_prompt_before_each_question() -> None:
    rows = zip(questions("after_numbers"), questions("questions"), islice(prompts(1), 50), strict=True)
    for text, question, prompt in rows:
        assert text.endswith(f" {question}")
        opening = text.removesuffix(question)
        assert prompt.startswith(opening)
        assert 3 <= opening.count(",") + 1 <= 8


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        *(
            ("Lioness", "lion"),
            ("eagles.", "eagle"),
            ("Wolves!", "wolf"),
            ("pheonix", "phoenix"),
            ("Octopi", "octopus"),
        ),
        *(("Polar bear", "bear"), ("polarbear", "bear"), ("Red panda", "red panda"), ("Pandas", "panda")),
        *(("an Arctic fox", "fox"), ("kitten", "cat"), ("Dragonflies", "dragonfly"), ("caterpillar", "unclear")),
    ],
)
def test_other_forms_of_a_name_are_known(answer: str, name: str) -> None:
    judge = NamesJudge(read_names(FOLDER / "names.yaml"))
    assert judge.categorise([JudgeItem("", answer)])[0].category == name
