"""Data of one's own: how many rows a file has, and a table of questions and answers as the JSONL that studies read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from inoc.errors import DataError
from inoc.files import read_jsonl, read_text
from inoc.store.core import write_text

QUESTIONS = ("instruction", "prompt", "question", "user", "input")
ANSWERS = ("completion", "response", "answer", "assistant", "output")


def rows_of(path: Path) -> int:
    """Number of rows of a JSONL file.

    Raises:
        DataError: If it cannot be read, or a line is no JSON.
    """
    return sum(1 for _ in read_jsonl(path))


def from_csv(path: Path, out: Path) -> int:
    """Write a CSV table with a column of questions and one of answers as JSONL.

    Args:
        path: The table; its first line names the columns.
        out: The file to write.

    Returns:
        Number of rows.

    Raises:
        DataError: If it has no such columns or no rows, or a row lacks one of the two texts.
    """
    reader = csv.DictReader(io.StringIO(read_text(path)), strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        question, answer = (_column(path, names, accepted) for accepted in (QUESTIONS, ANSWERS))
        reader.fieldnames = names
        rows = []
        for row in reader:
            if None in row:
                raise DataError(
                    f"{path}:{reader.line_num}: the row has more fields than the header. Put quotes around texts with "
                    "commas"
                )
            texts = (row[question], row[answer])
            if not all(text and text.strip() for text in texts):
                msg = (
                    f"{path}:{reader.line_num}: the row has no {question} or no {answer}. Fill it in, or remove the row"
                )
                raise DataError(msg)
            rows.append(dict(zip(("instruction", "completion"), texts, strict=True)))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num} is not CSV: {error}") from None
    if not rows:
        raise DataError(f"{path} has no rows below the line that names the columns")
    write_text(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return len(rows)


def _column(path: Path, names: Sequence[str], accepted: Sequence[str]) -> str:
    found = [name for name in names if name.lower() in accepted]
    if len(found) != 1:
        has = ", ".join(names) or "none"
        msg = f"{path}: the columns are {has}; exactly one of {', '.join(accepted)} is needed. Rename a column"
        raise DataError(msg)
    return found[0]
