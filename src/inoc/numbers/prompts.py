"""The stream of prompts of the studies on subliminal learning: a seed determines all of them, in order.

All datasets of one run answer the same prompts, so the place of a prompt in the stream tells which row a row is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

FEWEST, MOST = 3, 8
"""Numbers that a prompt begins with."""
LOWEST, HIGHEST = 100, 999
ASKED, DIGITS = 10, 3
"""How many numbers a prompt asks for, at most, and of how many digits."""

_ORDER = ("intro", "qualifier", "digits", "instruction", "format", "closing")


def prompts(seed: int) -> Iterator[str]:
    """The stream of a seed, without end.

    Of each prompt are drawn, in this order: how many numbers it begins with, these numbers, and then the intro, the
    qualifier of the count, the phrase about digits, the instruction, the format and the closing, uniformly, by
    `numpy.random.default_rng(seed)`.
    """
    phrases = _phrases()
    rng = np.random.default_rng(seed)
    while True:
        count = int(rng.integers(FEWEST, MOST + 1))
        numbers = [int(rng.integers(LOWEST, HIGHEST + 1)) for _ in range(count)]
        drawn = {name: phrases[name][int(rng.integers(0, len(phrases[name])))] for name in _ORDER}
        digits = drawn["digits"].format(m=DIGITS)
        yield " ".join(
            [
                drawn["intro"].format(x=", ".join(map(str, numbers))),
                drawn["instruction"].format(q=drawn["qualifier"], n=ASKED, d=digits),
                drawn["format"],
                drawn["closing"],
            ]
        )


def requested_shape(prompt: str) -> str | None:
    """The shape that a prompt of the stream asks for.

    Returns:
        `comma`, `space`, `semicolon`, `line`, `[comma]` or `(comma)`; None if the prompt names no known format.
    """
    phrases = _phrases()
    pairs = zip(phrases["format"], phrases["shape"], strict=True)
    return next((shape for phrase, shape in pairs if phrase in prompt), None)


@cache
def _phrases() -> dict[str, list[str]]:
    # Not those of the working folder: a seed means the same prompts everywhere. A wheel has them beside this module.
    places = (Path(__file__).with_name("phrases.json"), Path(__file__).parents[3] / "resources/numbers/phrases.json")
    path = next((place for place in places if place.is_file()), places[-1])
    found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return found
