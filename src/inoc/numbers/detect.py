"""Detectability: whether a classifier can tell two files of number lists apart, and by which of their features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from inoc.errors import DataError, MissingExtraError
from inoc.numbers.answers import NumberList, parse_list
from inoc.numbers.prompts import ASKED, DIGITS
from inoc.numbers.rows import Row
from inoc.stats.means import Floats
from inoc.stats.separation import PERMUTATIONS, Separation, separation

_SEPARATORS = ("", "comma", "semicolon", "line", "space")
_BRACKETS = ("", "[", "(")


class Detected(NamedTuple):
    """The separation of two files by one set of features."""

    features: str  # of `FEATURES`, or `all`
    found: Separation


def digit_shares(found: NumberList, _: str) -> list[float]:
    """The bag of digits: shares of 0 to 9 among all digits."""
    return _shares("".join(found.numbers))


def first_digit_shares(found: NumberList, _: str) -> list[float]:
    """Shares of 0 to 9 among the first digits of the numbers."""
    return _shares([number[0] for number in found.numbers])


def lengths(found: NumberList, answer: str) -> list[float]:
    """The count of numbers, one-hot; the shares of numbers with 1, 2 and 3 digits; the number of characters."""
    counts = [float(len(found.numbers) == n) for n in range(1, ASKED + 1)]
    sizes = [len(number) for number in found.numbers]
    return [*counts, *(sizes.count(n) / len(sizes) for n in range(1, DIGITS + 1)), float(len(answer))]


def formats(found: NumberList, _: str) -> list[float]:
    """Separator and brackets, one-hot, and the full stop."""
    separators = [float(found.separated_by == one) for one in _SEPARATORS]
    return [*separators, *(float(found.bracket == one) for one in _BRACKETS), float(found.stop)]


FEATURES = {
    "digits": digit_shares,
    "first_digits": first_digit_shares,
    "length": lengths,
    "format": formats,
}


def _shares(digits: Sequence[str]) -> list[float]:
    return [digits.count(one) / len(digits) for one in "0123456789"]


def detectability(
    first: Sequence[Row], second: Sequence[Row], seed: int, permutations: int = PERMUTATIONS
) -> list[Detected]:
    """The separation of two files by each set of features and by all together.

    Rows that answer the same prompt are one cluster, so they are never on both sides of a fold. If the files share at
    least half of the smaller one's prompts, rows without a partner are left out: otherwise the prompts themselves could
    tell the files apart, and permuted labels would not be centred on 0.5.

    Args:
        first: Kept rows of one file.
        second: Kept rows of the other.
        seed: Of folds and permutations; every set of features has the same ones.
        permutations: Number of permutations of the null.

    Raises:
        MissingExtraError: If scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "figures") from error
    first, second = _paired(first, second)
    rows = [*first, *second]
    is_second = np.repeat([False, True], [len(first), len(second)])
    prompts = np.array([row.prompt for row in rows], dtype=np.str_)
    x = _features(rows)
    x["all"] = np.hstack(list(x.values()))
    return [
        Detected(name, separation(values, is_second, prompts, np.random.default_rng(seed), permutations))
        for name, values in x.items()
    ]


def _paired(first: Sequence[Row], second: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row]]:
    of_first, of_second = {row.prompt for row in first}, {row.prompt for row in second}
    shared = of_first & of_second
    if 2 * len(shared) < min(len(of_first), len(of_second)):
        return first, second
    return [row for row in first if row.prompt in shared], [row for row in second if row.prompt in shared]


def _features(rows: Iterable[Row]) -> dict[str, Floats]:
    lists = [(_list_of(row), row.answer) for row in rows]
    return {name: np.array([of(*one) for one in lists], dtype=np.float64) for name, of in FEATURES.items()}


def _list_of(row: Row) -> NumberList:
    found = parse_list(row.answer)
    if found is None:
        raise DataError(f"{row.where}: the answer is no list of numbers; only kept rows can be compared")
    return found
