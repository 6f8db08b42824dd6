"""Texts of a study file that begin or end with a line break, which nearly always comes from YAML by accident."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from inoc.config.document import KeyPath, Problem

_FREE = {"description", "title", "label", "separator"}
"""Fields whose texts no model sees, and the one that may be a line break."""
_NAMED = {"texts", "categories"}
"""Sections whose keys are names of the study's own, and no fields."""


def text_problems(value: object, path: KeyPath = ()) -> Iterator[Problem]:
    """The texts of a file that would put a line break before or behind a prompt.

    `key: |` keeps the line break at the end of its block, and so does `key: >`; the model would see it.

    Args:
        value: What the file says, or a part of it.
        path: Key path of the part.
    """
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in _FREE or not isinstance(part, str) or (path[-1:] and path[-1] in _NAMED):
                yield from text_problems(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from text_problems(part, (*path, index))
    elif isinstance(value, str) and _has_break_at_an_end(value):
        yield Problem(
            path,
            "the text begins or ends with a line break, which the model would see; accepted: the text without it. "
            "In YAML, `|-` and `>-` leave out the break at the end of a block, where `|` and `>` keep it",
            value,
        )


def _has_break_at_an_end(text: str) -> bool:
    """Whether white space at the start or the end has a line break. Takes time in proportion to the text."""
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    return any(mark in text[:start] or mark in text[end:] for mark in "\n\r")


def unwritable_paths(workflow: Mapping[str, object]) -> Iterator[Problem]:
    """Folders of the workflow whose names cannot be written in this locale, found before one has to be made."""
    store = workflow.get("store")
    try:
        os.fsencode(store if isinstance(store, str) else "")
    except UnicodeEncodeError as error:
        yield Problem(
            ("store",),
            f"the character {error.object[error.start]!r} cannot be written in this locale "
            f"({sys.getfilesystemencoding()}); accepted: a name without it, or another locale: export LC_ALL=C.UTF-8",
            store,
        )
