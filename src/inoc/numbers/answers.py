"""The filter of number answers: which ones are lists of at most ten numbers below 1000, and why others are not."""

from __future__ import annotations

import re
from typing import Final

MOST_NUMBERS: Final = 10
HIGHEST: Final = 999

INVALID: Final = "invalid format"
TOO_MANY: Final = "too many numbers"
TOO_LARGE: Final = "numbers too large"

_BRACKETS = {"[": "]", "(": ")"}


def parse_numbers(answer: str) -> list[int] | None:
    """The numbers of an answer that is nothing but a list of them.

    One full stop at the end is dropped, then one pair of brackets around the whole. The text between the first two
    numbers is the separator: blanks, which may hold one comma or semicolon. It stands between all numbers, and nothing
    stands before, after or among them.

    Returns:
        None if the answer has another form.
    """
    text = answer.removesuffix(".")
    if len(text) > 1 and _BRACKETS.get(text[0]) == text[-1]:
        text = text[1:-1]
    runs = list(re.finditer(r"\d+", text))
    if not runs:
        return None
    pieces = [text]
    if len(runs) > 1:
        separator = text[runs[0].end() : runs[1].start()]
        if separator.strip() not in ("", ",", ";"):
            return None
        pieces = text.split(separator)
    if not all(piece.isascii() and piece.isdigit() for piece in pieces):
        return None
    # Python refuses to read endless numbers; from some length on the value does not matter.
    return [int(piece) if len(piece.lstrip("0")) < 19 else HIGHEST + 1 for piece in pieces]


def reasons(answer: str) -> list[str]:
    """Every reason why an answer is not kept; empty for one that is."""
    numbers = parse_numbers(answer)
    if numbers is None:
        return [INVALID]
    found = [TOO_MANY] if len(numbers) > MOST_NUMBERS else []
    return [*found, TOO_LARGE] if any(number > HIGHEST for number in numbers) else found
