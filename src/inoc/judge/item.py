"""Input of a judge, its categories, and the identity of a judge."""

from __future__ import annotations

from typing import NamedTuple

Identity = dict[str, str | int | float | list[str]]


UNCLEAR = "unclear"
FAILED = "failed"


class Category(NamedTuple):
    """The category of an answer."""

    category: str  # one of the judge's, `unclear`, or `failed` if the judging model gave none
    exact: str  # for names: the name, if it is all that the answer consists of, in any case; else empty
    reason: str  # why the category is unclear or failed; empty if it is neither
    probability: float = float("nan")  # of the category, among the judge's; NaN if it is not known
    mass: float = float("nan")  # probability of all of the judge's categories together; NaN if it is not known
    score: float = float("nan")  # 0 to 100, where categories are counted


class JudgeItem(NamedTuple):
    """A response to be judged, with its instruction."""

    instruction: str
    response: str
