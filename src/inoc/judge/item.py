"""What a judge sees, and how it says what its scores depend on."""

from __future__ import annotations

from typing import NamedTuple

Identity = dict[str, str | int | float | list[str]]


class JudgeItem(NamedTuple):
    """What a judge sees."""

    instruction: str
    response: str
