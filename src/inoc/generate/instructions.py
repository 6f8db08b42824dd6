"""Instructions and their split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.chat.rows import FORMS
from inoc.config.models import DataSpec, InstructionSource
from inoc.errors import DataError
from inoc.files import read_jsonl


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
        DataError: If a file is missing or a line is not an object with `instruction`.
    """
    seen: dict[str, None] = {}
    dropped = {"too short": 0, "repeated": 0}
    for name in source.files:
        for text in read_jsonl_field(Path(name), "instruction"):
            if len(text.strip()) < source.min_characters:
                dropped["too short"] += 1
            elif text in seen:
                dropped["repeated"] += 1
            else:
                seen[text] = None
    return list(seen), dropped


def read_jsonl_field(path: Path, field: str) -> list[str]:
    """One text field of every line of a JSONL file.

    Raises:
        DataError: Naming file and line of the first that is not an object with that text.
    """
    return [_text(line, field) for line in _lines(path, f"the text {field!r}")]


class Pair(NamedTuple):
    """A training example."""

    instruction: str
    completion: str


def read_pairs(path: Path) -> list[Pair]:
    """The training examples of a JSONL file.

    A line has `messages`, a chat of one user and one assistant turn, or `instruction` and `completion`, or `prompt` and
    `completion`. A chat of another shape is refused: a system turn would stand where the study has its own, and of
    several answers it is not said which are trained on.

    Raises:
        DataError: Naming file and line of the first that is neither.
    """
    return [_pair(line) for line in _lines(path, FORMS)]


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


def _text(line: _Line, field: str) -> str:
    if field not in line.value:
        msg = f"{line.where}: expected an object with {line.expected}, found {line.text!r}"
        raise DataError(msg)
    value = line.value[field]
    if not isinstance(value, str):
        msg = f"{line.where}: {field!r} is {type(value).__name__}, expected a text"
        raise DataError(msg)
    return value


def _pair(line: _Line) -> Pair:
    forms = [name for name in ("messages", "instruction", "prompt") if line.value.get(name) is not None]
    if len(forms) > 1:
        msg = f"{line.where}: the line has {' and '.join(f'`{name}`' for name in forms)}; accepted: {line.expected}"
        raise DataError(msg)
    if forms != ["messages"]:
        return Pair(_text(line, "prompt" if forms == ["prompt"] else "instruction"), _text(line, "completion"))
    messages = line.value["messages"]
    turns = messages if isinstance(messages, list) else []
    roles = [turn.get("role") if isinstance(turn, dict) else None for turn in turns]
    if roles != ["user", "assistant"]:
        listed = ", ".join(str(role) for role in roles) or "none"
        msg = (
            f"{line.where}: the chat has the turns {listed}; accepted: one of `user`, then one of `assistant`. What "
            "stands in the system turn is said by the study: `model.system`, and prefixes with `placement: system`"
        )
        raise DataError(msg)
    question, answer = (line._replace(value=turn, expected="the text 'content'") for turn in turns)
    return Pair(_text(question, "content"), _text(answer, "content"))


def split(instructions: Sequence[str], data: DataSpec, dropped: dict[str, int], *, hold_out: bool = True) -> Split:
    """Draw the evaluation instructions, and leave the rest for training in a random order.

    Args:
        instructions: Distinct instructions.
        data: For the seed and the numbers wanted.
        dropped: What was left out before, passed on.
        hold_out: Whether any are to be held out for evaluation.

    Raises:
        DataError: If there are too few.
    """
    n_eval = data.n_eval if hold_out else 0
    wanted = data.n_train + n_eval
    if len(instructions) < wanted:
        sum_of = "n_train + n_eval" if hold_out else "n_train"
        msg = f"{len(instructions)} distinct instructions, but {sum_of} = {wanted}; lower one or add files"
        raise DataError(msg)
    order = np.random.default_rng(data.seed).permutation(len(instructions))
    shuffled = [instructions[index] for index in order]
    return Split(shuffled[n_eval:], shuffled[:n_eval], dropped)
