"""Between the SDK and the network: every try of every request passes here, also those that the SDK repeats.

The SDK alone decides whether and when a request is sent again. This layer waits for the pace, ends a try that takes
too long however it drips, refuses an answer that is not whole, and keeps the books: a try whose answer was lost may
have been billed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import httpx2

from inoc.api.answer import fault_of, parse_answer
from inoc.api.cache import Cache
from inoc.api.pace import Limits, Pace, after_answer, after_refusal, retry_after_s, take

KEY_HEADER = "Idempotency-Key"
_FILES = 10  # the files of a batch may take this many times as long as an answer
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
_LONGEST_RETRY_AFTER_S = 120.0  # the SDK gives up where a server asks for more; the pace waits for the rest
_MOVED = {301: 308, 302: 307}
"""Redirect that a client may follow with another method → the one that keeps it: a request must arrive as it was."""


class Try(NamedTuple):
    """A request's model, tokens and maximum cost."""

    model: str
    tokens: int
    most_nano: int


class Wire(httpx2.AsyncBaseTransport):
    """The transport of the SDK's HTTP client.

    Attributes:
        tries: Key → request under way. What has no key, such as a look at a batch, costs nothing and is not paced.
    """

    def __init__(
        self, cache: Cache, base_url: str, limits: Limits, timeout_s: float, network: httpx2.AsyncClient
    ) -> None:
        self.tries: dict[str, Try] = {}
        self._cache, self._base_url, self._limits, self._timeout_s = cache, base_url, limits, timeout_s
        self._network = network
        self._queue = asyncio.Lock()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request once, and read all of its answer."""
        key = request.headers.get(KEY_HEADER, "")
        sent = self.tries.get(key)
        if sent is None:
            return _within_reach(await self._exchange(request, _FILES * self._timeout_s))
        await self._wait_for_the_pace(sent)
        try:
            response = await self._exchange(request, self._timeout_s)
        except _NEVER_SENT:
            raise
        except httpx2.RequestError:  # also one that cannot be decoded
            self._cache.lose(key, sent.most_nano)
            raise
        except asyncio.CancelledError:
            self._cache.lose(key)
            raise
        self._learn(sent, response)
        return _within_reach(response)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._network.aclose()

    async def _exchange(self, request: httpx2.Request, timeout_s: float) -> httpx2.Response:
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._network.send(request)
        except TimeoutError:
            msg = f"no whole answer within {timeout_s:g} s"
            raise httpx2.ReadTimeout(msg, request=request) from None
        response.status_code = _MOVED.get(response.status_code, response.status_code)
        if response.status_code == httpx2.codes.SEE_OTHER:  # the target would not answer this request
            where = response.headers.get("location", "nowhere")
            message = f"the server leads on to {where} and would not take the request there"
            return httpx2.Response(405, json={"error": {"message": message}})
        if not response.is_success or request.url.path.endswith("/content"):
            return response
        answer = parse_answer(response.content)
        if answer is None:
            msg = "the answer is not whole JSON"
            raise httpx2.RemoteProtocolError(msg, request=request)
        fault = fault_of(request.url.path, answer)
        if fault is None:
            return response
        return httpx2.Response(fault.status, headers=_kept(response), json={"error": {"message": fault.message}})

    async def _wait_for_the_pace(self, sent: Try) -> None:
        async with self._queue:  # first come, first served
            while wait := self._change(sent, lambda pace: take(pace, self._limits, sent.tokens, time.monotonic())):
                await asyncio.sleep(wait)

    def _learn(self, sent: Try, response: httpx2.Response) -> None:
        headers = dict(response.headers)
        if response.status_code != httpx2.codes.TOO_MANY_REQUESTS:
            self._change(sent, lambda pace: (after_answer(pace, headers), 0.0))
            return
        self._change(sent, lambda pace: (after_refusal(pace, headers, time.monotonic()), 0.0))
        if "insufficient_quota" in response.text:
            response.headers["x-should-retry"] = "false"  # waiting does not refill an empty account

    def _change(self, sent: Try, change: Callable[[Pace], tuple[Pace, float]]) -> float:
        return self._cache.change_pace(f"{self._base_url} {sent.model}", self._limits, change)


def _within_reach(response: httpx2.Response) -> httpx2.Response:
    """The response with `Retry-After` as the SDK takes it: in seconds, and no more than it waits for."""
    wait = None if response.is_success else retry_after_s(response.headers)
    for name in ("retry-after", "retry-after-ms"):
        response.headers.pop(name, None)
    if wait is not None:
        response.headers["retry-after"] = f"{min(wait, _LONGEST_RETRY_AFTER_S):.3f}"
    return response


def _kept(response: httpx2.Response) -> dict[str, str]:
    """The headers that report rate limits."""
    names = ("retry-after", "retry-after-ms", "date")
    return {name: text for name, text in response.headers.items() if name in names or name.startswith("x-ratelimit-")}
