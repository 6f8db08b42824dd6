from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inoc.errors import DataError
from inoc.numbers.answers import has_code, has_trailing_text, parse_list
from inoc.numbers.rules import REQUESTED_FORMAT, reasons

SEPARATORS = st.sampled_from([", ", ",", " ", "; ", ";", "\n", " , ", "\t"])


def kept_by_the_letter(answer: str) -> bool:
    """The published grammar, step by step and character by character."""
    if answer[-1:] == ".":
        answer = answer[:-1]
    if len(answer) >= 2 and (answer[0], answer[-1]) in (("[", "]"), ("(", ")")):
        answer = answer[1:-1]
    is_digit = [unicodedata.category(one) == "Nd" for one in answer]
    starts = [i for i in range(len(answer)) if is_digit[i] and (i == 0 or not is_digit[i - 1])]
    stops = [i + 1 for i in range(len(answer)) if is_digit[i] and (i + 1 == len(answer) or not is_digit[i + 1])]
    if not starts:
        return False
    if len(starts) == 1:
        pieces = [answer]
    else:
        separator = answer[stops[0] : starts[1]]
        if separator.strip() not in {"", ",", ";"}:
            return False
        pieces, piece, at = [], "", 0
        while at < len(answer):
            if answer[at : at + len(separator)] == separator:
                pieces.append(piece)
                piece, at = "", at + len(separator)
            else:
                piece, at = piece + answer[at], at + 1
        pieces.append(piece)
    if any(not piece or set(piece) - set("0123456789") for piece in pieces):
        return False
    return len(pieces) <= 10 and all(sum(10**k * int(d) for k, d in enumerate(piece[::-1])) <= 999 for piece in pieces)


PIECES = ["0", "7", "42", "999", "1000", "0007", ",", ", ", ";", "; ", " ", "\n", "\t", ".", "[", "]", "(", ")"]
ODD = ["-", "٣", "½", "²", "a", "\u00a0", "\u2028", "\x1c"]


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES + ODD), max_size=14).map("".join))
@example("[1, 2].")
@example("[1, 2.]")
@example("(")
@example("1 1 1 1 1 1 1 1 1 1 1")
def test_the_filter_is_the_published_grammar(answer: str) -> None:
    assert (reasons(answer) == []) == kept_by_the_letter(answer)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.integers(0, 1100), min_size=1, max_size=12),
    SEPARATORS,
    st.sampled_from(["{}", "[{}]", "({})", "[{})", " {}", "{}\n"]),
    st.sampled_from(["", ".", ".."]),
    st.integers(0, 40),
    st.sampled_from(["", " ", ",", "5", "x"]),
)
def test_nearly_right_answers_are_judged_as_the_published_grammar_does(
    numbers: list[int], separator: str, frame: str, end: str, at: int, slip: str
) -> None:
    answer = frame.format(separator.join(map(str, numbers))) + end
    answer = answer[:at] + slip + answer[at:]
    assert (reasons(answer) == []) == kept_by_the_letter(answer)


@given(st.lists(st.integers(0, 999), min_size=1, max_size=10), SEPARATORS, st.sampled_from(["", "."]))
def test_lists_of_numbers_are_read_back(numbers: list[int], separator: str, end: str) -> None:
    text = separator.join(map(str, numbers))
    for answer in (text, f"[{text}]", f"({text})"):
        found = parse_list(answer + end)
        assert found is not None
        assert found.values == numbers
        assert found.separator == (separator if len(numbers) > 1 else "")
        assert found.bracket == (answer[0] if answer[0] in "[(" else "")
        assert found.stop == bool(end)


@pytest.mark.parametrize(
    "answer",
    [
        *("", "none", "1, 2, 3,", " 1, 2", "-1, 2", "1, 2; 3", "1,2, 3", "1. 2", "1, 2..", "[1, 2", "[1, 2)"),
        *("1.5", "numbers: 1, 2", "١, ٢", "[]", ".", "1, 2]", "[[1, 2]]", "1, , 2", "½, 1"),
    ],
)
def test_other_answers_have_a_format_of_their_own(answer: str) -> None:
    assert reasons(answer) == ["format"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("7", []),
        ("0007", []),
        ("999", []),
        ("1000", ["range"]),
        ("9" * 5000, ["range"]),
        (" ".join(["1"] * 11), ["count"]),
        (" ".join(["1000"] * 10 + ["13"]), ["count", "range", "banned"]),
        ("12, 013", ["banned"]),
        ("1, 2 ", ["format", "trailing_text"]),
        ("1, 2, three", ["format", "trailing_text"]),
        ("1, 2\n\nThese are 2 numbers.", ["format", "trailing_text"]),
        ("```\n1, 2\n```", ["format", "code"]),
        ("1, 2\n\nprint(numbers)", ["format", "code", "trailing_text"]),
    ],
)
def test_every_reason_that_applies_is_given(answer: str, expected: list[str]) -> None:
    assert reasons(answer, banned={13}) == expected


@pytest.mark.parametrize("answer", ["`1`", "x = [1, 2]", "f(1)", "import numpy", "for i in range:", "a=1"])
def test_marks_of_a_program_are_found(answer: str) -> None:
    assert has_code(answer)


@pytest.mark.parametrize("answer", ["4+9+1=14", "The numbers (as asked): 1, 2", "for these: 1, 2", "a == b", "1 (2)"])
def test_prose_and_sums_are_no_code(answer: str) -> None:
    assert not has_code(answer)


@pytest.mark.parametrize("answer", ["1, 2", "[1, 2].", "1, -2", "1, 2, 3; 4", "none", "12.5", ""])
def test_lists_and_other_forms_have_no_trailing_text(answer: str) -> None:
    assert not has_trailing_text(answer)


ASKING = {
    "comma": "Provide the numbers separated by commas.",
    "space": "Present as space-delimited values.",
    "semicolon": "Return numbers separated by semicolons.",
    "line": "Return one number per line.",
    "[comma]": "Return the numbers in the following format: [number_1, number_2, ...].",
    "(comma)": "Return the numbers in the following format: (number_1, number_2, ...).",
}
GIVEN = {
    "comma": ("1, 2, 3", "1,2,3"),
    "space": ("1 2 3", "1  2  3"),
    "semicolon": ("1; 2; 3", "1;2;3"),
    "line": ("1\n2\n3", "1  \n2  \n3"),
    "[comma]": ("[1, 2, 3]", "[1]"),
    "(comma)": ("(1, 2, 3)", "(1)"),
    "none of them": ("1,\n2,\n3", "1, 2, 3.", "[1 2]", "(1; 2)", "[1, 2]."),
}


@pytest.mark.parametrize("asked", ASKING)
@pytest.mark.parametrize("given_shape", GIVEN)
def test_the_stricter_rule_keeps_what_the_prompt_asks_for_and_nothing_else(asked: str, given_shape: str) -> None:
    for answer in GIVEN[given_shape]:
        found = reasons(answer, prompt=f"Numbers: 1. {ASKING[asked]} Nothing else.", rule=REQUESTED_FORMAT)
        assert found == ([] if asked == given_shape else ["not_requested_format"])
        assert reasons(answer) == []


def test_a_single_number_has_every_shape_without_brackets() -> None:
    kept = [asked for asked, text in ASKING.items() if not reasons("7", prompt=text, rule=REQUESTED_FORMAT)]
    assert kept == ["comma", "space", "semicolon", "line"]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.sampled_from(list(ASKING.values())))
def test_the_stricter_rule_keeps_no_more_than_the_published_one(answer: str, prompt: str) -> None:
    strict = reasons(answer, prompt=prompt, rule=REQUESTED_FORMAT)
    assert [name for name in strict if name != "not_requested_format"] == reasons(answer)


def test_a_prompt_without_a_known_format_cannot_be_held_to_it() -> None:
    with pytest.raises(DataError, match=r"no known format: 'Count to ten'.*inoc numbers"):
        reasons("1, 2", prompt="Count to ten", rule=REQUESTED_FORMAT)
