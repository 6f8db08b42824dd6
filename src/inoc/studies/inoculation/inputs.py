"""Readers of the files that a study names, so that they can be read to their end before the first job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Reader = Callable[[Path], object]


def reader_of(key: str) -> Reader | None:
    """The function that reads a file, by the key that names it; None for a file that is no text, such as a model."""
    from inoc.files import read_text
    from inoc.generate.instructions import read_questions
    from inoc.rephrase.files import read_rephrasings

    if key.endswith("chat_template"):
        return read_text
    if key.endswith(".files"):
        return read_questions
    return read_rephrasings if ".folder (prompt " in key else None
