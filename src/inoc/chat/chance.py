"""Chance in chat templates, by which the same chat would be another text in another process."""

from __future__ import annotations

import re
from functools import lru_cache

_FUNCTIONS = ("lipsum",)
_FILTERS = ("random",)
_TAKES_FILTERS = ("map",)
"""Filters that are given the name of another one as a text."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{4,}>")


@lru_cache(maxsize=64)
def drawn_by(template: str) -> str:
    """The filter or function of a template that draws at random; empty for none, or if it cannot be read.

    Args:
        template: Its source.
    """
    from jinja2 import Environment, TemplateSyntaxError

    try:
        found = [(kind, text) for _, kind, text in Environment(autoescape=True).lex(template) if kind != "whitespace"]
    except TemplateSyntaxError:
        return ""  # rendering says where
    texts = ["", "", *(text for _, text in found)]
    for at, (kind, text) in enumerate(found):
        two_before, before = texts[at : at + 2]
        if kind == "name" and text in _FILTERS and before in ("|", "filter"):
            return f"the filter `{text}`"
        if kind == "name" and text in _FUNCTIONS and before != ".":
            return f"the function `{text}`"
        if kind == "string" and text[1:-1] in _FILTERS and before == "(" and two_before in _TAKES_FILTERS:
            return f"the filter `{text[1:-1]}`"
    return ""


def address_in(text: str, contents: str) -> str:
    """The place of an object in memory that a template wrote as text, `at 0x7f3a…>`; empty for none.

    Args:
        text: The rendered chat.
        contents: What the chat says, which may hold such places as text.
    """
    return next((one for one in _ADDRESS.findall(text) if one not in contents), "").strip()
