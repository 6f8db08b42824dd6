"""Requests, their keys and their maximum costs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, NamedTuple

from inoc.config.workflow import Price
from inoc.digest import Json, digest
from inoc.errors import ApiError, did_you_mean

Endpoint = Literal["/chat/completions", "/completions", "/embeddings"]
NANO = 1_000_000_000
"""Money is counted in whole billionths of a dollar, so that sums are exact."""

_BYTES_PER_TOKEN = 4  # of English text; for the pace, not for the budget
_TOKENS_PER_MESSAGE = 16  # what a template puts around a turn, generously
_MOST_FREE_TOKENS = 64  # what a template adds by itself, such as a system turn
_MOST_TOKENS = 10**9  # that an answer is believed to have been billed for


class Usage(NamedTuple):
    """Tokens that an answer was billed for."""

    input_tokens: int
    output_tokens: int


class Request:
    """One request to an endpoint.

    Attributes:
        endpoint: Path below the base URL.
        body: The JSON body, with `model`, for a chat with `max_completion_tokens`, for a completion with `max_tokens`.
        replicate: Tells apart requests with one body that are to be answered independently.
    """

    def __init__(self, endpoint: Endpoint, body: Mapping[str, Json], replicate: int = 0) -> None:
        self.endpoint, self.body, self.replicate = endpoint, dict(body), replicate

    @property
    def model(self) -> str:
        """The model, as the API names it."""
        return str(self.body["model"])

    def key(self, base_url: str) -> str:
        """Digest of everything that the answer depends on: a model of one name may differ between servers."""
        return digest({"base_url": base_url, "endpoint": self.endpoint, "body": self.body, "again": self.replicate})

    @cached_property
    def text(self) -> str:
        """The body as it is sent."""
        return json.dumps(self.body, ensure_ascii=False, sort_keys=True)

    @property
    def most_output_tokens(self) -> int:
        """Maximum number of answered tokens."""
        most = self.body.get("max_completion_tokens", self.body.get("max_tokens", 0))
        return int(str(most)) * int(str(self.body.get("n", 1)))

    @property
    def likely_tokens(self) -> int:
        """Approximate number of tokens that a rate limit counts."""
        return len(self.text.encode()) // _BYTES_PER_TOKEN + self.most_output_tokens

    def most_nano(self, price: Price, share: float = 1.0) -> int:
        """Maximum cost in billionths of a dollar: no token is shorter than a byte."""
        messages = self.body.get("messages", ())
        turns = len(messages) if isinstance(messages, (list, tuple)) else 0
        most_input = len(self.text.encode()) + turns * _TOKENS_PER_MESSAGE + _MOST_FREE_TOKENS
        return nano(Usage(most_input, self.most_output_tokens), price, share)


def nano(usage: Usage, price: Price, share: float = 1.0) -> int:
    """Cost in billionths of a dollar, rounded up.

    Args:
        usage: Tokens.
        price: Dollars per million tokens.
        share: Which part of the price is paid.
    """
    dollars = (usage.input_tokens * price.input + usage.output_tokens * price.output) / 1e6
    return math.ceil(round(dollars * share * NANO, 6))


def price_of(model: str, prices: Mapping[str, Price]) -> Price:
    """The price of a model.

    Raises:
        ApiError: If it has none, because then no budget could hold.
    """
    if model not in prices:
        hint = did_you_mean(model, prices)
        msg = (
            f"the model {model!r} has no price, so the budget cannot be kept{hint}. Give it one in "
            f"config/config.yaml, in dollars per million tokens: api: prices: {model}: "
            "{input: 0.4, output: 1.6} (0 for a server of your own)"
        )
        raise ApiError(msg)
    return prices[model]


def tuned_price(price: Price) -> Price:
    """The price of models that are fine-tuned from a model of this price."""
    tuned = {"input": price.tuned_input, "output": price.tuned_output}
    return price.model_copy(update={name: value for name, value in tuned.items() if value is not None})


def usage_of(response: Mapping[str, Any]) -> Usage | None:
    """Tokens that a response says it is billed for; None if it does not say."""
    usage = response.get("usage")
    if not isinstance(usage, Mapping):
        return None
    billed = _tokens(usage.get("prompt_tokens"))
    # Embeddings have no output.
    output = _tokens(usage.get("completion_tokens")) if "choices" in response else 0
    return None if billed is None or output is None else Usage(billed, output)


def _tokens(value: object) -> int | None:
    n = as_count(value)
    return n if n is not None and n < _MOST_TOKENS else None


def as_count(value: object) -> int | None:
    """A number of things, 0 or more, that a server sent; None if it sent something else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
