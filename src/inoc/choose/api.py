"""Choices from the top log-probabilities that an API gives with an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from inoc.engines.candidates import Candidate, Choice, check_candidates, choice, unmeasured
from inoc.judge.expected import token_probabilities

_BLANKS = " \t\r\n"


def choice_of_answer(answer: Mapping[str, Any], candidates: Sequence[Candidate]) -> Choice:
    """How likely each candidate was when an API answered.

    At each position along the sampled answer, tokens that complete a spelling count with their probability; white space
    around a spelling does not matter. If the sampled answer goes on from one spelling to a longer one, what the longer
    ones take is taken off the shorter one. Answers of several tokens are seen along the sampled one only, so the
    covered mass is a lower bound.

    Args:
        answer: A chat's choice as the API gives it, with `logprobs`.
        candidates: The answers.

    Returns:
        NaN throughout, with the reason, where there are no usable log-probabilities.
    """
    check_candidates(candidates)
    meant = {text.strip(_BLANKS): index for index, one in enumerate(candidates) for text in one.spellings}
    logprobs = answer.get("logprobs")
    positions = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(positions, list) or not positions:
        return unmeasured(len(candidates), "no logprobs")
    masses: dict[str, float] = {}
    text, reach, within = "", 1.0, ""  # the sampled answer so far, its probability, the spelling that it completes
    for position in positions:
        found = token_probabilities(position)
        if found is None:
            return unmeasured(len(candidates), "wrong logprobs")
        for token, probability in found.items():
            spelling = (text + token).strip(_BLANKS)
            if token.strip(_BLANKS) and spelling in meant:
                masses[spelling] = masses.get(spelling, 0.0) + reach * probability
                if within:
                    masses[within] -= reach * probability
        text += str(position["token"])
        reach *= found.get(str(position["token"]), 0.0)
        so_far = text.strip(_BLANKS)
        within = so_far if so_far in masses else within
        if not any(spelling.startswith(so_far) and spelling != so_far for spelling in meant):
            break
    sums = [0.0] * len(candidates)
    for spelling, mass in masses.items():
        sums[meant[spelling]] += max(0.0, mass)
    return choice(tuple(math.log(value) if value > 0 else -math.inf for value in sums))
