"""Rules by which answers are kept, and all reasons why one is not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from inoc.errors import DataError
from inoc.numbers.answers import NumberList, has_code, has_shape, has_trailing_text, parse_list
from inoc.numbers.prompts import ASKED, requested_shape

HIGHEST: Final = 999
"""The highest number that is kept; the number of its written digits does not count."""

PUBLISHED: Final = "published"
REQUESTED_FORMAT: Final = "requested_format"
RULES: Final = {
    PUBLISHED: "a list of at most ten numbers up to 999, with one separator throughout",
    REQUESTED_FORMAT: "the same, written as the prompt asks for it",
}

REASONS: Final = {
    "format": "not a list of numbers with one separator and nothing else",
    "code": "marks of a program; a detail of format",
    "trailing_text": "a list, and blanks or text behind it; a detail of format",
    "count": f"more than {ASKED} numbers",
    "range": f"a number above {HIGHEST}",
    "banned": "a banned number",
    "not_requested_format": "a list, but not written as the prompt asks for it",
}


def reasons(answer: str, *, prompt: str = "", rule: str = PUBLISHED, banned: Collection[int] = ()) -> list[str]:
    """Every reason why an answer is not kept, in the order of `REASONS`; empty for one that is.

    Numbers are counted and compared only in an answer that has the form of a list.

    Args:
        answer: As the teacher wrote it, with its blanks.
        prompt: Read by the rule `requested_format` alone.
        rule: One of `RULES`.
        banned: Numbers of which none may be in the list.

    Raises:
        DataError: If the rule needs the format that the prompt asks for, and it asks for none that is known.
    """
    shape = requested_shape(prompt) if rule == REQUESTED_FORMAT else None
    if rule == REQUESTED_FORMAT and shape is None:
        msg = f"the prompt asks for no known format: {prompt[:120]!r}. Prompts of `inoc numbers` do; or use --rule "
        raise DataError(msg + PUBLISHED)
    found = parse_list(answer)
    if found is None:
        details = {"code": has_code(answer), "trailing_text": has_trailing_text(answer)}
        return ["format", *(name for name, applies in details.items() if applies)]
    return [name for name, applies in _faults(found, shape, banned).items() if applies]


def _faults(found: NumberList, shape: str | None, banned: Collection[int]) -> dict[str, bool]:
    values = found.values
    return {
        "count": len(values) > ASKED,
        "range": max(values) > HIGHEST,
        "banned": any(value in banned for value in values),
        "not_requested_format": shape is not None and not has_shape(found, shape),
    }
