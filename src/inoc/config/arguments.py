"""Parsers of numbers on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable

MOST_DIGITS = 1_000  # Python itself reads no more than 4,300


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers for `add_argument(type=…)`.

    Args:
        least: The smallest number that is accepted, 0 or more.
        most: The largest one; None for no limit.
    """
    accepted = f"of {least} or more" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        number = int(text) if text.isdecimal() and len(text) < MOST_DIGITS else -1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"expected a whole number {accepted}, not {text[:40]!r}")
        return number

    return parse
