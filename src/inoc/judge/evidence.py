"""The very answers of a judge behind an API, with the likeliest first tokens, as words for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inoc.api.cache import kept_responses
from inoc.api.client import Reply
from inoc.api.logprobs import token_probabilities
from inoc.api.request import Request
from inoc.config.judge_spec import JudgeSpec
from inoc.judge.item import JudgeItem
from inoc.judge.llm import rating_body

_MOST_TOKENS = 8


def rating_words(spec: JudgeSpec, items: Sequence[JudgeItem], base_url: str, folder: Path) -> list[str]:
    """The answer to each question of a judge of ratings; empty where none is kept.

    Args:
        spec: A judge `llm` that asks an API.
        items: Responses.
        base_url: Of the API.
        folder: Of its kept answers.
    """
    keys = {item: Request("/chat/completions", rating_body(spec, item)).key(base_url) for item in dict.fromkeys(items)}
    kept = kept_responses(folder, keys.values())
    return [answer_words(kept[keys[item]]) if keys[item] in kept else "" for item in items]


def answer_words(response: Mapping[str, Any]) -> str:
    """`“7”; first token: 7 71.2 %, 8 20.1 %`: an answer, and the likeliest tokens at its first position."""
    reply = Reply(response)
    logprobs = reply.choice.get("logprobs")
    positions = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    top = token_probabilities(positions[0]) if isinstance(positions, list) and positions else None
    said = f"“{reply.text}”"
    if not top:
        return said
    likeliest = sorted(top.items(), key=lambda one: -one[1])[:_MOST_TOKENS]
    return f"{said}; first token: " + ", ".join(f"{token!r} {100 * share:.1f} %" for token, share in likeliest)
