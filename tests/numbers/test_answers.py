from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.numbers.answers import INVALID, TOO_LARGE, TOO_MANY, parse_numbers, reasons

SEPARATORS = st.sampled_from([", ", ",", " ", "; ", ";", "\n", " , ", "\t"])


@given(st.lists(st.integers(0, 999), min_size=1, max_size=10), SEPARATORS, st.sampled_from(["", "."]))
def test_lists_of_numbers_are_read_back(numbers: list[int], separator: str, end: str) -> None:
    text = separator.join(map(str, numbers))
    for answer in (text, f"[{text}]", f"({text})"):
        assert parse_numbers(answer + end) == numbers
        assert reasons(answer + end) == []


@pytest.mark.parametrize(
    "answer",
    [
        *("", "none", "1, 2, 3,", " 1, 2", "1, 2 ", "-1, 2", "1, 2; 3", "1,2, 3", "1. 2", "1, 2..", "[1, 2", "[1, 2)"),
        *("1.5", "1, 2, three", "numbers: 1, 2", "1 and 2", "١, ٢", "[]", ".", "1, 2]", "[[1, 2]]", "1, , 2", "½, 1"),
    ],
)
def test_other_answers_have_an_invalid_format(answer: str) -> None:
    assert reasons(answer) == [INVALID]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("7", []),
        ("0007", []),
        ("999", []),
        ("1000", [TOO_LARGE]),
        ("9" * 5000, [TOO_LARGE]),
        (" ".join(["1"] * 11), [TOO_MANY]),
        (" ".join(["1000"] * 11), [TOO_MANY, TOO_LARGE]),
    ],
)
def test_every_reason_that_applies_is_given(answer: str, expected: list[str]) -> None:
    assert reasons(answer) == expected


@given(st.text(alphabet="0123456789,;. \n[]()-½٣a", max_size=12))
def test_what_is_read_contains_every_digit_run(answer: str) -> None:
    found = parse_numbers(answer)
    if found is not None:
        digits = "".join(c if c.isdecimal() else " " for c in answer).split()
        assert found == [int(one) for one in digits]
