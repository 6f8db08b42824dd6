"""Probabilities of the tokens that an API gives with an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_TOLERANCE = 0.01


def token_probabilities(position: Any) -> dict[str, float] | None:
    """Text → probability of the tokens that read so, at one position; None if these are no probabilities.

    Several tokens may read alike, such as a digit and its byte. Their probabilities add up.
    """
    top = position.get("top_logprobs") if isinstance(position, Mapping) else None
    if not isinstance(top, list) or not top or "token" not in position:
        return None
    found: dict[str, float] = {}
    sampled: set[tuple[float, str]] = set()
    for entry in top:
        token = entry.get("token") if isinstance(entry, Mapping) else None
        logprob = entry.get("logprob") if isinstance(entry, Mapping) else None
        if not isinstance(token, str) or not isinstance(logprob, (int, float)):
            return None
        if math.isnan(logprob) or logprob > _TOLERANCE:
            return None
        if token == position["token"]:  # some servers name the sampled token twice
            same = (float(logprob), str(entry.get("bytes")))
            if same in sampled:
                continue
            sampled.add(same)
        found[token] = found.get(token, 0.0) + math.exp(logprob)
    return found if sum(found.values()) <= 1 + _TOLERANCE else None
