"""Lists of texts from a language model, asked for until enough of them are usable."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from inoc.digest import Json

if TYPE_CHECKING:
    from inoc.api.client import Api

_SURPLUS = 1.25  # of what is lacking, because some will be repetitions
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


class Usable(NamedTuple):
    """Usable texts in order, and how many were dropped for which reason."""

    texts: list[str]
    dropped: dict[str, int]


class Lists(NamedTuple):
    """Settings of requests for lists of texts.

    Attributes:
        model: As the API names it.
        temperature: Of the answers.
        max_tokens: Maximum number of tokens of one answer.
        per_request: Texts that one request asks for.
        max_requests: Maximum number of requests for one list.
    """

    model: str
    temperature: float
    max_tokens: int
    per_request: int
    max_requests: int

    def body(self, field: str, system: str, user: str) -> dict[str, Json]:
        """A request that is answered by an object with one list of texts."""
        schema: dict[str, Json] = {
            "type": "object",
            "properties": {field: {"type": "array", "items": {"type": "string"}}},
            "required": [field],
            "additionalProperties": False,
        }
        return {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": self.temperature,
            "max_completion_tokens": self.max_tokens,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": field, "strict": True, "schema": schema},
            },
        }


def ask_lists(
    api: Api,
    lists: Lists,
    keys: Iterable[str],
    n: int,
    body: Callable[[str, int], Mapping[str, Json]],
    usable: Callable[[str, list[str]], Usable],
    doing: str,
) -> dict[str, Usable]:
    """Ask for several lists, all together, until each has enough usable texts or used up its requests.

    Args:
        api: Asks.
        lists: How.
        keys: Names of the lists.
        n: Usable texts wanted for each.
        body: Key and number of the request → its body. Bodies of different numbers must differ.
        usable: Key and all texts so far → those that are usable.
        doing: What the progress says.

    Returns:
        Key → usable texts, perhaps too few, and what was dropped.
    """
    raw: dict[str, list[str]] = {key: [] for key in keys}
    asked = dict.fromkeys(raw, 0)
    found = {key: Usable([], {}) for key in raw}
    while True:
        wanted = [
            (key, number)
            for key, one in found.items()
            for number in range(asked[key], min(lists.max_requests, asked[key] + _requests(n - len(one.texts), lists)))
        ]
        if not wanted:
            return found
        for (key, _), reply in zip(wanted, api.chat([body(*one) for one in wanted], doing), strict=True):
            asked[key] += 1
            raw[key] += parse(reply.text)
        found = {key: usable(key, texts) for key, texts in raw.items()}


def _requests(lacking: int, lists: Lists) -> int:
    return math.ceil(_SURPLUS * max(0, lacking) / lists.per_request)


def parse(content: str) -> list[str]:
    """The texts of an answer; of one that was cut, those that are whole.

    Args:
        content: An object with one list, a bare list, or either between other text.
    """
    start = content.find("[")
    found = [json.loads(text, strict=False) for text in _STRING.findall(content, start)] if start >= 0 else []
    return [text for text in found if isinstance(text, str) and text.strip()]
