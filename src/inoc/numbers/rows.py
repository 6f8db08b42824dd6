"""Rows of a file of answers: a prompt and its completion, as the filter reads them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from inoc.chat.rows import FORMS, turns_of
from inoc.errors import DataError
from inoc.files import parse_json, stream_lines


class Row(NamedTuple):
    """One line of a file."""

    where: str  # file and line, for messages
    number: int  # of the line, from 1
    line: str  # as it is written
    system: str  # the system turn; empty for none
    prompt: str
    answer: str  # blanks and all; may be empty
    n_tokens: int | None  # what the teacher sampled, if the line has `n_tokens`


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSONL file whose lines have `messages`, `instruction` or `prompt`, with one answer each.

    Raises:
        DataError: With the line, if it is no such row; or if the file has none.
    """
    rows = [
        _row(line, f"{path}, line {number}", number)
        for number, line in enumerate(stream_lines(path), start=1)
        if line.strip()
    ]
    if not rows:
        raise DataError(f"{path}: no row is in it; expected lines that are objects with {FORMS}")
    return rows


def _row(line: str, where: str, number: int) -> Row:
    value = parse_json(line, where, f"an object with {FORMS}")
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected an object with {FORMS}, found {line[:80]!r}")
    try:
        turns = turns_of(value)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if len(turns.texts) == 1:
        raise DataError(f"{where}: the prompt has no answer; expected `completion`, or a turn of 'assistant'")
    if len(turns.texts) != 2:
        msg = f"{where}: {len(turns.texts)} turns of user and assistant; the filter needs a prompt and one answer"
        raise DataError(msg)
    n_tokens = value.get("n_tokens")
    if n_tokens is not None and (isinstance(n_tokens, bool) or not isinstance(n_tokens, int) or n_tokens < 0):
        raise DataError(f"{where}: `n_tokens` is {n_tokens!r}; expected a whole number of 0 or more, or none")
    prompt, answer = turns.texts
    return Row(where, number, line, turns.system or "", prompt, answer, n_tokens)
