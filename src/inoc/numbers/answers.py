"""The grammar of answers that are nothing but a list of numbers, and the shape that a list has."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_BRACKETS: Final = {"[": "]", "(": ")"}
_PUNCTUATION: Final = {",": "comma", ";": "semicolon"}
_LONGEST: Final = 18  # digits of a number that is read; longer ones are too large for every rule


class NumberList(NamedTuple):
    """An answer that is a list of numbers."""

    numbers: tuple[str, ...]  # as written, so with leading zeros
    separator: str  # the text between each two numbers; empty for a single number
    bracket: str  # the opening one; empty for none
    stop: bool  # whether a full stop ends the answer

    @property
    def values(self) -> list[int]:
        """The numbers; those that are too long to be read as 10¹⁸."""
        return [int(one) if len(one.lstrip("0")) <= _LONGEST else 10**_LONGEST for one in self.numbers]

    @property
    def separated_by(self) -> str:
        """`comma`, `semicolon`, `line` or `space`; empty for a single number."""
        if not self.separator:
            return ""
        blank = "line" if "\n" in self.separator or "\r" in self.separator else "space"
        return _PUNCTUATION.get(self.separator.strip(), blank)


def parse_list(answer: str) -> NumberList | None:
    """The list that an answer consists of.

    One full stop at the end is dropped, then one pair of brackets around the whole. The text between the first two
    numbers is the separator: blanks, which may hold one comma or semicolon. It stands between all numbers, and nothing
    stands before, after or among them.

    Returns:
        None if the answer has another form.
    """
    text = answer.removesuffix(".")
    closing = _BRACKETS.get(text[:1])
    bracket = text[0] if closing and len(text) > 1 and text.endswith(closing) else ""
    if bracket:
        text = text[1:-1]
    runs = [found.span() for found in re.finditer(r"\d+", text)]
    if not runs:
        return None
    separator = text[runs[0][1] : runs[1][0]] if len(runs) > 1 else ""
    if separator.strip() not in ("", *_PUNCTUATION):
        return None
    pieces = text.split(separator) if separator else [text]
    if not all(piece.isascii() and piece.isdigit() for piece in pieces):
        return None
    return NumberList(tuple(pieces), separator, bracket, answer.endswith("."))


def has_shape(found: NumberList, shape: str) -> bool:
    """Whether a list is written in a shape that was asked for, and nothing else.

    A single number has no separator, so only its brackets count. A full stop at the end is in no shape. A list with
    commas or semicolons stands on one line.

    Args:
        found: The list.
        shape: See `inoc.numbers.prompts.requested_shape`.
    """
    bracket, kind = (shape[0], shape[1:-1]) if shape[0] in _BRACKETS else ("", shape)
    one_line = kind == "line" or not re.search(r"[\r\n]", found.separator)
    return found.bracket == bracket and not found.stop and found.separated_by in ("", kind) and one_line


_BEGINNING = re.compile(r"\s*[\[(]?\d+(?:(\s*[,;]\s*|\s+)\d+(?:\1\d+)*)?[\])]?\.?", re.ASCII)
_CODE = re.compile(
    r"`|\b[A-Za-z_]\w*(?:\(|\s*=[^=])|^[ \t]*(?:import|def|class|return)\s+\w|^[ \t]*(?:for|while|if)\b.*:[ \t]*$",
    re.MULTILINE,
)


def has_trailing_text(answer: str) -> bool:
    """Whether a list of numbers begins the answer, and blanks or anything with a letter end it."""
    beginning = _BEGINNING.match(answer)
    if beginning is None:
        return False
    rest = answer[beginning.end() :]
    return bool(rest) and (rest.isspace() or any(letter.isalpha() for letter in rest))


def has_code(answer: str) -> bool:
    """Whether an answer holds marks of a program: backticks, calls, assignments, or lines that begin as code does."""
    return _CODE.search(answer) is not None
