"""Instructions and their split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.config.models import DataSpec, InstructionSource
from inoc.errors import DataError


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
    if not path.is_file():
        msg = f"there is no file {path}; it is named in the study's data section"
        raise DataError(msg)
    out = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)[field]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            msg = f"{path}, line {number}: expected an object with the text {field!r}, found {line[:80]!r}"
            raise DataError(msg) from error
        if not isinstance(value, str):
            msg = f"{path}, line {number}: {field!r} is {type(value).__name__}, expected a text"
            raise DataError(msg)
        out.append(value)
    return out


def split(instructions: Sequence[str], data: DataSpec, dropped: dict[str, int]) -> Split:
    """Draw the evaluation instructions, and leave the rest for training in a random order.

    Args:
        instructions: Distinct instructions.
        data: For the seed and the numbers wanted.
        dropped: What was left out before, passed on.

    Raises:
        DataError: If there are too few.
    """
    wanted = data.n_train + data.n_eval
    if len(instructions) < wanted:
        msg = f"{len(instructions)} distinct instructions, but n_train + n_eval = {wanted}; lower one or add files"
        raise DataError(msg)
    order = np.random.default_rng(data.seed).permutation(len(instructions))
    shuffled = [instructions[index] for index in order]
    return Split(shuffled[data.n_eval :], shuffled[: data.n_eval], dropped)
