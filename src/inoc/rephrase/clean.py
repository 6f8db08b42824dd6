"""Cleaning of rephrasings that a language model or a person wrote down as a list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from inoc.api.lists import Usable

_FENCE = re.compile(r"^\s*```\w*\s*$|^\s*```|```\s*$")
_BULLET = re.compile(r"^\s*(?:\(?\d+[.):]|[-*•–])\s+")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`"}
_REFUSAL = re.compile(
    r"^as an ai\b|\bas an ai(?: language)? (?:model|assistant)\b"
    r"|^(?:i['’]?m|i am) sorry\b.*\b(?:can['’]?t|cannot|unable|won['’]?t)\b"
    r"|^sorry, (?:but )?i\b"
    r"|^i (?:can['’]?t|cannot|won['’]?t|am unable to|am not able to) "
    r"(?:help|assist|comply|fulfil|provide|rephrase|generate|create|do (?:that|this))\b",
    re.IGNORECASE,
)
_ENDS = re.compile(r"^[\W_]+|[\W_]+$")


def clean(texts: Sequence[str], original: str, words: tuple[int, int] = (0, 10**6)) -> Usable:
    """Strip list marks, and drop what is no rephrasing.

    Args:
        texts: As written, in order.
        original: The prompt that they rephrase.
        words: Fewest and most words of a rephrasing.

    Returns:
        The rest in order, and how many were dropped as blank, refusal, length, original or duplicate. Texts are equal
        if they differ only in case, in white space, or in punctuation at the ends.
    """
    kept: dict[str, str] = {}
    dropped: Counter[str] = Counter()
    for text in map(strip_marks, texts):
        form = normal_form(text)
        reason = _reason(text, form, normal_form(original), kept)
        if not reason and not words[0] <= len(text.split()) <= words[1]:
            reason = "length"
        if reason:
            dropped[reason] += 1
        else:
            kept[form] = text
    return Usable(list(kept.values()), dict(sorted(dropped.items())))


def _reason(text: str, form: str, original: str, kept: dict[str, str]) -> str:
    if not form:
        return "blank"
    if _REFUSAL.search(text):
        return "refusal"
    if form == original:
        return "original"
    return "duplicate" if form in kept else ""


def strip_marks(text: str) -> str:
    """The text without code fences, list marks and quotes around it, and with single spaces."""
    text = " ".join(_FENCE.sub("", text).split())
    text = _BULLET.sub("", text)
    while (
        len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1] and text[-1] not in text[1:-1]
    ):
        text = text[1:-1].strip()
    return text


def normal_form(text: str) -> str:
    """Normal form of a text, equal for texts that differ only in case, white space, or punctuation at the ends."""
    return _ENDS.sub("", " ".join(text.casefold().split()))
