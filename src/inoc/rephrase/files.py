"""Rephrasings from files, one file per prompt."""

from __future__ import annotations

from pathlib import Path

from inoc.errors import DataError
from inoc.files import parse_json, read_lines

_LONGEST_EXCERPT = 80


def read_rephrasings(path: Path) -> list[str]:
    """The rephrasings of one prompt, in the order of the file.

    A line is a JSON object with the text `rephrasing`, or, if it does not begin with a brace, a rephrasing itself.

    Raises:
        DataError: If the file cannot be read, or an object has no such text; with the line.
    """
    return [_rephrasing(line, f"{path}, line {number}") for number, line in enumerate(read_lines(path), start=1)]


def _rephrasing(line: str, where: str) -> str:
    if not line.lstrip().startswith("{"):
        return line
    value = parse_json(line, where, "an object with the field `rephrasing`")
    if not isinstance(value, dict) or "rephrasing" not in value:
        msg = f"{where}: expected an object with the field `rephrasing`, found {line[:_LONGEST_EXCERPT]!r}"
        raise DataError(msg)
    text = value["rephrasing"]
    if not isinstance(text, str):
        msg = f"{where}: `rephrasing` is {text!r}, expected a text"
        raise DataError(msg)
    return text
