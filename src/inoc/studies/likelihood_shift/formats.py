"""Format of an answer: brackets, lines, length, and of lists of numbers their order and values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from inoc.stats.means import NAN, Floats

TEXT_FEATURES: Final = ("brackets", "one_per_line", "length")
"""Features of every answer: 1 or 0 if it begins with a bracket, 1 or 0 if it has several lines, its characters."""

NUMBER_FEATURES: Final = ("increasing", "decreasing", "small_values", "ten_numbers", "n_numbers")
"""Features of lists of numbers: 1 or 0 if strictly increasing, the same decreasing, share of values below 100, 1 or 0
if exactly ten numbers, and how many numbers."""

SMALL: Final = 100
"""A value below this is small."""

_DIGITS = re.compile(r"\d+", re.ASCII)
_LIST = re.compile(r"[\s\d,;.()\[\]]*\d[\s\d,;.()\[\]]*", re.ASCII)


def numbers(answer: str) -> list[int]:
    """The runs of digits in an answer, as numbers."""
    return [int(digits) for digits in _DIGITS.findall(answer) if len(digits) < 19]


def are_number_lists(answers: Sequence[str]) -> bool:
    """Whether at least nine in ten answers consist of numbers, separators and brackets alone."""
    lists = sum(_LIST.fullmatch(answer) is not None for answer in answers)
    return len(answers) > 0 and lists >= 0.9 * len(answers)


def text_features(answer: str) -> tuple[float, float, float]:
    """Values of `TEXT_FEATURES`."""
    stripped = answer.strip()
    return float(stripped[:1] in ("[", "(")), float("\n" in stripped), float(len(stripped))


def number_features(answer: str) -> tuple[float, ...]:
    """Values of `NUMBER_FEATURES`; NaN for an answer without numbers."""
    found = numbers(answer)
    if not found:
        return (NAN,) * len(NUMBER_FEATURES)
    steps = [after - before for before, after in pairwise(found)]
    rising = bool(steps) and min(steps) > 0
    falling = bool(steps) and max(steps) < 0
    small = sum(value < SMALL for value in found)
    return float(rising), float(falling), small / len(found), float(len(found) == 10), float(len(found))


def feature_table(answers: Sequence[str], *, of_numbers: bool) -> Floats:
    """Features of answers, shape (answers, features), in the order of `feature_names`.

    Args:
        answers: The answers.
        of_numbers: Whether to add those of lists of numbers.
    """
    rows = [(*text_features(one), *(number_features(one) if of_numbers else ())) for one in answers]
    return np.array(rows, dtype=np.float64).reshape(len(answers), len(feature_names(of_numbers=of_numbers)))


def feature_names(*, of_numbers: bool) -> tuple[str, ...]:
    """Names of the columns of `feature_table`."""
    return (*TEXT_FEATURES, *(NUMBER_FEATURES if of_numbers else ()))
