"""Instructions and their split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.chat.messages import Turn
from inoc.chat.rows import FORMS, BadRow, turns_of
from inoc.config.models import AnswerSpec, BadRows, DataSpec, InstructionSource
from inoc.errors import DataError
from inoc.files import parse_json, read_jsonl, stream_lines
from inoc.train.given import table_rows


class Split(NamedTuple):
    """Instructions for training and for evaluation; no text is in both, nor twice in one."""

    train: list[str]
    evaluation: list[str]
    dropped: dict[str, int]  # reason → count, for the report


def read_instructions(source: InstructionSource) -> tuple[list[str], dict[str, int]]:
    """Instructions of JSONL files, in order, without blanks, short ones and repetitions.

    Returns:
        The instructions, and how many were dropped for which reason.

    Raises:
        DataError: If a file is missing or a line is not an object with `instruction` or `prompt`.
    """
    seen: dict[str, None] = {}
    dropped = {"too short": 0, "repeated": 0}
    for name in source.files:
        for text in read_questions(Path(name)):
            if len(text.strip()) < source.min_characters:
                dropped["too short"] += 1
            elif text in seen:
                dropped["repeated"] += 1
            else:
                seen[text] = None
    return list(seen), dropped


def read_questions(path: Path) -> list[str]:
    """The user turns of a JSONL file: `instruction` of every line or, where there is none, `prompt`.

    Raises:
        DataError: Naming file and line of the first that is not an object with one of these texts.
    """
    return [_question(line) for line in _lines(path, "the text 'instruction' or 'prompt'")]


class Pair(NamedTuple):
    """A training example."""

    instruction: str  # the last user turn
    completion: str
    earlier: tuple[Turn, ...] = ()  # exchanges before it
    where: str = ""  # file and line

    @property
    def opening(self) -> str:
        """The first user turn, by which examples are kept apart from evaluation questions."""
        return self.earlier[0].user if self.earlier else self.instruction


class ReadPairs(NamedTuple):
    """The training examples of a file, and the lines that are none."""

    pairs: list[Pair]
    bad: list[BadRow]


def read_pairs(path: Path, bad_rows: BadRows = "refuse") -> list[Pair]:
    """The training examples of a JSONL file; see `read_examples`."""
    return read_examples(path, bad_rows).pairs


def read_examples(path: Path, bad_rows: BadRows = "refuse") -> ReadPairs:
    """The training examples of a JSONL file.

    A line has `messages`, a chat that ends with an answer, or `instruction` and `completion`, or `prompt` and
    `completion`. A system turn is refused: it would stand where the study has its own. Turns may be blank.

    Args:
        path: The file.
        bad_rows: `refuse`: a bad line is an error; `drop` and `truncate`: it is left out and listed.

    Raises:
        DataError: Naming file and line of the first bad line, or if there is no such file.
    """
    found = ReadPairs([], [])
    if not path.is_file():
        msg = f"there is no file {path}; it is named in the study's data section"
        raise DataError(msg)
    for number, text in enumerate(stream_lines(path), start=1):
        if not text.strip():
            continue
        where = f"{path}, line {number}"
        try:
            found.pairs.append(_pair(parse_json(text, where, f"an object with {FORMS}"), where))
        except DataError as error:
            if bad_rows == "refuse":
                raise
            found.bad.append(BadRow(where, str(error).removeprefix(f"{where}: ")))
    return found


class _Line(NamedTuple):
    """A line of a JSONL file."""

    value: dict[str, object]
    where: str  # file and line, for messages
    text: str  # as it was written, shortened
    expected: str


def _lines(path: Path, expected: str) -> Iterator[_Line]:
    if not path.is_file():
        msg = f"there is no file {path}; it is named in the study's data section"
        raise DataError(msg)
    for line in read_jsonl(path, f"an object with {expected}"):
        if not isinstance(line.value, dict):
            msg = f"{line.where}: expected an object with {expected}, found {line.excerpt!r}"
            raise DataError(msg)
        yield _Line(line.value, line.where, line.excerpt, expected)


def _question(line: _Line) -> str:
    field = next((one for one in ("instruction", "prompt") if one in line.value), None)
    if field is None:
        msg = f"{line.where}: expected an object with {line.expected}, found {line.text!r}"
        raise DataError(msg)
    value = line.value[field]
    if not isinstance(value, str):
        msg = f"{line.where}: {field!r} is {type(value).__name__}, expected a text"
        raise DataError(msg)
    return value


def _pair(value: object, where: str) -> Pair:
    if not isinstance(value, dict):
        msg = f"{where}: expected an object with {FORMS}, found {str(value)[:80]!r}"
        raise DataError(msg)
    try:
        turns = turns_of(value)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    if turns.system is not None:
        msg = (
            f"{where}: the chat has a system turn, which is said by the study: `model.system`, and prefixes with "
            "`placement: system`; remove it"
        )
        raise DataError(msg)
    if len(turns.texts) % 2:
        msg = f"{where}: the chat does not end with an answer; accepted: a last turn of 'assistant', or `completion`"
        raise DataError(msg)
    *earlier, last = (Turn(*pair) for pair in zip(turns.texts[::2], turns.texts[1::2], strict=True))
    return Pair(*last, tuple(earlier), where)


def given_examples(spec: AnswerSpec, results: Path) -> ReadPairs:
    """The training examples of a dataset that come from its file or table.

    Args:
        spec: Of the dataset.
        results: Folder of the results of all studies.

    Raises:
        DataError: See `read_examples` and `inoc.train.given.table_rows`.
    """
    if spec.completions == "table":
        rows = table_rows(results, spec.table or "")
        return ReadPairs([Pair(row.chat.user, row.chat.response, row.chat.earlier, row.where) for row in rows], [])
    return read_examples(Path(spec.file or ""), spec.bad_rows)


def split(
    instructions: Sequence[str], data: DataSpec, dropped: dict[str, int], *, hold_out: bool = True, source: str = ""
) -> Split:
    """Draw the evaluation instructions, and leave the rest for training in a random order.

    Args:
        instructions: Distinct instructions.
        data: For the seed and the numbers wanted.
        dropped: What was left out before, passed on.
        hold_out: Whether any are to be held out for evaluation.
        source: The files that they are from, for messages.

    Raises:
        DataError: If there are too few.
    """
    n_eval = data.n_eval if hold_out else 0
    wanted = data.n_train + n_eval
    if len(instructions) < wanted:
        sum_of = "n_train + n_eval" if hold_out else "n_train"
        place = f"{source}: " if source else ""
        msg = f"{place}{len(instructions)} distinct instructions, but {sum_of} = {wanted}; lower one or add files"
        raise DataError(msg)
    order = np.random.default_rng(data.seed).permutation(len(instructions))
    shuffled = [instructions[index] for index in order]
    return Split(shuffled[n_eval:], shuffled[:n_eval], dropped)
