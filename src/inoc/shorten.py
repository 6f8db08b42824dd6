"""Texts cut to a length."""

from __future__ import annotations


def shortened(text: str, most: int) -> str:
    """A text of at most `most` characters; one that is longer ends in an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
