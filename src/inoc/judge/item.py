"""Input of a judge, and the identity of a judge."""

from __future__ import annotations

from typing import NamedTuple

Identity = dict[str, str | int | float | list[str]]


class JudgeItem(NamedTuple):
    """A response to be judged, with its instruction."""

    instruction: str
    response: str
