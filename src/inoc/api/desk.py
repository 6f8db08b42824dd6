"""Shared parts of live and batched requests: the SDK, the cache and the error messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import openai

from inoc.api.answer import asks_again, no_answer
from inoc.api.cache import Cache
from inoc.api.request import Request, nano, price_of, usage_of
from inoc.api.wire import Wire
from inoc.config.workflow import ApiSpec
from inoc.errors import ApiError

_NOT_THE_REQUEST = {401, 402, 403, 404, 405, 407, 408, 409, 410, 429}
_MOST_REFUSED = 20  # at the very start, which means that the problem is not a single request
_LONGEST_MESSAGE = 400


@dataclass
class Desk:
    """One asking of one set of requests.

    Attributes:
        spec: Settings.
        cache: The database.
        wire: The transport below the SDK.
        client: The SDK; it owns the retries.
        redact: Takes the key out of a text.
        wanted: Keys that were asked for and are not done with; a batch may bring others too.
        advance: Told of every wanted request that is done with.
        refused: Key → why the API will not answer that request.
        n_answered: Requests that were answered now.
    """

    spec: ApiSpec
    cache: Cache
    wire: Wire
    client: openai.AsyncOpenAI
    redact: Callable[[str], str]
    wanted: set[str]
    advance: Callable[[], None]
    refused: dict[str, str] = field(default_factory=dict)
    n_answered: int = 0

    def most_nano(self, request: Request, share: float = 1.0) -> int:
        """Maximum cost of a request, in billionths of a dollar."""
        return request.most_nano(price_of(request.model, self.spec.prices), share)

    def done_with(self, key: str) -> bool:
        """Whether a request is answered, or is known to fail."""
        return key in self.refused or self.cache.answer(key) is not None

    def tell(self, key: str) -> None:
        """Report a request as finished, once."""
        if key in self.wanted:
            self.wanted.remove(key)
            self.advance()

    def keep(self, key: str, request: Request, raw: str, share: float = 1.0) -> None:
        """Keep an answer. If it does not say what it is billed for, it counts for the most that it can cost.

        What may be answered the next time is not kept: it counts as refused now, and as spent.
        """
        response = json.loads(raw)
        why = no_answer(response)
        if asks_again(why):
            self.cache.lose(key)
            self._refused(key, why)
            return
        usage = usage_of(response)
        price = price_of(request.model, self.spec.prices)
        cost = self.most_nano(request, share) if usage is None else nano(usage, price, share)
        self.cache.keep(key, self.redact(raw), usage, cost)
        self.n_answered += 1
        self.tell(key)

    def refuse(self, key: str, status: int, words: str) -> None:
        """Note that the API will not answer this request.

        Raises:
            ApiError: If that is not because of the request, or if it happens to all of the first ones.
        """
        words = _in_one_line(self.redact(words))
        if status in _NOT_THE_REQUEST or not 400 <= status < 500:
            self.cache.release(key, f"{status}: {words}")
            hint = _HINTS.get(status, "")
            # Not from the SDK's error, which quotes the server, and some servers quote the key.
            raise self.error(f"it answered with status {status}: {words}", hint) from None
        self._refused(key, f"{status}: {words}")

    def _refused(self, key: str, why: str) -> None:
        self.cache.release(key, why)
        self.refused[key] = why
        self.tell(key)
        if len(self.refused) >= _MOST_REFUSED and not self.n_answered:
            count = len(self.refused)
            raise self.error(f"it refused each of the first {count} requests, the last with: {why}") from None

    def error(self, words: str, hint: str = "") -> ApiError:
        """An error about this API, without the key."""
        after = f" {hint}" if hint else " Run again: what was answered is kept and is not asked again."
        return ApiError(f"the API at {self.spec.base_url} failed: {' '.join(self.redact(words).split())}.{after}")

    def error_of(self, error: openai.APIError) -> ApiError:
        """The same for what the SDK raised after its last try."""
        if isinstance(error, openai.APIStatusError):
            return self.error(
                f"it answered with status {error.status_code}: {_in_one_line(error.message)}",
                hint=_HINTS.get(error.status_code, ""),
            )
        cause = error.__cause__
        words = f"{error.message} {type(cause).__name__}: {cause}" if cause is not None else error.message
        return self.error(f"{_in_one_line(words)} (tried {self.spec.retries + 1} times)")


def _in_one_line(words: str) -> str:
    """A server's words, which may be a page in HTML: without line breaks and of limited length."""
    line = " ".join(words.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"


_HINTS = {
    401: "Check the key in the variable that api.key_variable names, and api.base_url in config/config.yaml.",
    403: "The key may not use this model. Check the account, and the model's name in the study.",
    402: "Fill the account. What was answered is kept.",
    404: "Check the model's name in the study, and api.base_url in config/config.yaml.",
    405: "Check api.base_url in config/config.yaml: a redirect may lead there.",
    407: "Check the proxy that HTTPS_PROXY or HTTP_PROXY names.",
    429: "Wait and run again, lower api.requests_per_minute, or fill the account. What was answered is kept.",
}
