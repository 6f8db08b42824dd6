"""Responses of an API that have status 200 and are nevertheless no answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

_HELD = {"/chat/completions": "choices", "/completions": "choices", "/embeddings": "data"}
_OF_A_THING = ("id", "data")  # of a file, a batch or a job, or of a list of such
_SERVER_ERROR = 502
_LONGEST_MESSAGE = 400


class Fault(NamedTuple):
    """An error of the server."""

    status: int
    message: str


def parse_answer(content: bytes) -> dict[str, Any] | None:
    """The object that was sent; None if it is not whole, or not JSON in UTF-8."""
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def fault_of(path: str, answer: Mapping[str, Any]) -> Fault | None:
    """The error that an answer with status 200 stands for; None if it is an answer.

    Args:
        path: Of the URL; what was asked decides what an answer must hold.
        answer: The object that was sent.
    """
    held = next((name for end, name in _HELD.items() if path.endswith(end)), None)
    if held is None and not answer.keys().isdisjoint(_OF_A_THING):  # a job that failed holds an error too
        return None
    error = answer.get("error") or answer.get("errors")
    complaint = held not in answer and (answer.get("detail") or answer.get("message"))
    if not error and not complaint and answer.get("object") != "error":
        return None
    return _fault(error if isinstance(error, Mapping) else answer, error or complaint)


def _fault(details: Mapping[str, Any], error: object) -> Fault:
    """An error with its own status, if it names one that fits."""
    message = str(details.get("message") or error or details)[:_LONGEST_MESSAGE]
    for name in ("code", "status", "status_code"):
        text = str(details.get(name, ""))
        if text.isdecimal() and 400 <= int(text) < 600:
            return Fault(int(text), message)
    return Fault(_SERVER_ERROR, message)


def no_answer(response: Mapping[str, Any]) -> str:
    """Why the choices of a response are no answer: withheld, broken off, or not said to have ended; empty if they are.

    Args:
        response: Of a chat or a completion; others, such as embeddings, have no choices.
    """
    for choice in response.get("choices") or ():
        if not isinstance(choice, Mapping):
            return "a choice that is no object"
        finish = choice.get("finish_reason")
        if choice.get("error") or finish in (None, "", "content_filter", "error"):
            return f"finish_reason: {'error' if choice.get('error') else finish or 'none'}"
    return ""


def asks_again(why: str) -> bool:
    """Whether what `no_answer` says is an error of the server, which may answer the next time."""
    return why.endswith("error")
