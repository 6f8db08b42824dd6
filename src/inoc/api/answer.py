"""Responses of an API that have status 200 and are nevertheless no answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

_HELD = {"/chat/completions": "choices", "/completions": "choices", "/embeddings": "data"}
_SERVER_ERROR = 502
_NOTHING = "an answer without content"
_FAILED = "finish_reason: error"
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
    error = answer.get("error") or answer.get("errors")
    if held is None and _is_a_thing(answer) and ("status" in answer or not error):  # a job that failed holds one too
        return None
    complaint = held not in answer and (answer.get("detail") or answer.get("message"))
    if error or complaint or answer.get("object") == "error":
        return _fault(error if isinstance(error, Mapping) else answer, error or complaint)
    return None if held is not None else Fault(_SERVER_ERROR, f"it answered with {str(answer)[:_LONGEST_MESSAGE]}")


def _is_a_thing(answer: Mapping[str, Any]) -> bool:
    """Whether an answer is a file, a batch or a job, all of which have a name, or a list of such."""
    name = answer.get("id")
    return bool(name) if isinstance(name, str) else isinstance(answer.get("data"), list)


def _fault(details: Mapping[str, Any], error: object) -> Fault:
    """An error with its own status, if it names one that fits."""
    message = str(details.get("message") or error or details)[:_LONGEST_MESSAGE]
    for name in ("code", "status", "status_code"):
        text = str(details.get(name, ""))
        if text.isdecimal() and 400 <= int(text) < 600:
            return Fault(int(text), message)
    return Fault(_SERVER_ERROR, message)


def no_answer(response: Mapping[str, Any]) -> str:
    """Why a response is no answer: withheld, broken off, not said to have ended, or empty; empty text if it is one.

    Args:
        response: Of a chat or a completion, or embeddings.
    """
    held = response.get("data") if "choices" not in response else response["choices"]
    if not isinstance(held, list) or not held:
        return _NOTHING
    if "choices" not in response:
        return "" if all(map(is_vector, held)) else _NOTHING
    for choice in held:
        if not isinstance(choice, Mapping):
            return _NOTHING
        finish = choice.get("finish_reason")
        if choice.get("error") or finish in (None, "", "content_filter", "error"):
            return _FAILED if choice.get("error") else f"finish_reason: {finish or 'none'}"
        if not isinstance(choice.get("message"), Mapping) and not isinstance(choice.get("text"), str):
            return _NOTHING
    return ""


def text_of(content: object) -> str:
    """The text of a message: itself, or that of its parts; parts that are no text, such as thoughts, do not count."""
    if isinstance(content, str):
        return content
    parts = [one for one in content if isinstance(one, Mapping)] if isinstance(content, list) else []
    return "".join(one["text"] for one in parts if one.get("type") == "text" and isinstance(one.get("text"), str))


def vector_of(entry: object) -> np.ndarray:
    """The embedding of an entry, float32; empty if it is none: not a list of finite numbers, nor one in base64."""
    value = entry.get("embedding") if isinstance(entry, Mapping) else None
    empty = np.empty(0, dtype=np.float32)
    try:
        if isinstance(value, str):
            found = np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
        else:
            found = np.asarray(value if isinstance(value, list) else [], dtype=np.float64)
    except (ValueError, TypeError, OverflowError):  # binascii.Error is a ValueError
        return empty
    most = np.finfo(np.float32).max
    return found.astype(np.float32) if found.ndim == 1 and np.all(np.abs(found) <= most) else empty


def is_vector(entry: object) -> bool:
    """Whether an entry is an embedding."""
    return vector_of(entry).size > 0


def asks_again(why: str) -> bool:
    """Whether what `no_answer` says is an error of the server, which may answer the next time."""
    return why == _FAILED
