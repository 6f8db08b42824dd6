"""A score from the probabilities of an answer's first tokens: the expected value of the number that is answered.

The model is asked for a whole number and gives its twenty likeliest tokens. Those that are a number of ASCII digits
count, with their probability; white space around a number does not matter. What is left of the probability is
unknown, so the score is a mean over what is known, and comes with a bracket: what it would be if all of the unknown
were 0, or all of it the highest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from inoc.api.logprobs import token_probabilities

LEAST_MASS = 0.8
_NUMBER = re.compile(r"0|[1-9][0-9]*")  # not \d, which other scripts' digits match too
_DIGIT = re.compile(r"[0-9]")
_BLANKS = " \t\r\n"
NAN = float("nan")


class Rating(NamedTuple):
    """A score from 0 to 100 with its evidence."""

    score: float  # NaN if it cannot be derived
    mass: float  # probability of the tokens that are numbers on the scale
    lo: float  # if the rest were all 0
    hi: float  # if the rest were all the highest
    reason: str  # why the score is NaN; empty if it is not
    digits: int = 0  # of the longest number among the tokens


def unrated(reason: str) -> Rating:
    """A rating that could not be made."""
    return Rating(NAN, NAN, NAN, NAN, reason)


def rate(choice: Mapping[str, Any], highest: int) -> Rating:
    """Rate a chat's choice.

    Args:
        choice: As the API gives it, with `logprobs`.
        highest: Highest number of the scale, which begins at 0.

    Returns:
        The rating. Its score is NaN without usable probabilities, without a number, with less than 0.80 of the
        probability on numbers, and if the number goes on in the next token, because its first token is not its value.
    """
    logprobs = choice.get("logprobs")
    positions = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(positions, list) or not positions:
        return unrated("no logprobs")
    masses: dict[int, float] = {}
    reach = 1.0  # probability of the white space before
    digits = 0
    for at, position in enumerate(positions):
        candidates = token_probabilities(position)
        if candidates is None:
            return unrated("wrong logprobs")
        for token, probability in candidates.items():
            number = token.strip(_BLANKS)
            if _NUMBER.fullmatch(number):
                digits = max(digits, len(number))
                if int(number) <= highest:
                    masses[int(number)] = masses.get(int(number), 0.0) + reach * probability
        sampled = str(position["token"])
        if sampled.strip(_BLANKS):
            split = bool(_NUMBER.fullmatch(sampled.strip(_BLANKS))) and _goes_on(sampled, positions[at + 1 :])
            return _rating(masses, highest, digits, split=split)
        reach *= candidates.get(sampled, 0.0)
    return _rating(masses, highest, digits, split=False)


def _rating(masses: Mapping[int, float], highest: int, digits: int, *, split: bool) -> Rating:
    if split:
        return unrated("number in several tokens")._replace(digits=digits)
    return rating_of_masses(masses, highest, digits)


def rating_of_masses(masses: Mapping[int, float], highest: int, digits: int = 0) -> Rating:
    """The rating that follows from the probabilities of numbers.

    Args:
        masses: Number of the scale → its probability.
        highest: Highest number of the scale, which begins at 0.
        digits: Of the longest number that was seen.

    Returns:
        The rating; its score is NaN without a number, and with less than 0.80 of the probability on numbers.
    """
    mass = sum(masses.values())
    if not mass:
        return Rating(NAN, 0.0, 0.0, 100.0, "no number", digits)
    known = 100 / highest * sum(value * probability for value, probability in masses.items())
    mass = min(1.0, mass)
    score, reason = (known / mass, "") if mass >= LEAST_MASS else (NAN, "too little on numbers")
    return Rating(min(score, 100.0), mass, min(known, 100.0), min(100.0, known + 100 * (1 - mass)), reason, digits)


def _goes_on(sampled: str, rest: list[Any]) -> bool:
    """Whether the next token continues the number."""
    following = str(rest[0].get("token", "")) if rest and isinstance(rest[0], Mapping) else ""
    return sampled == sampled.rstrip(_BLANKS) and bool(_DIGIT.match(following))
