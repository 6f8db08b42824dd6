"""Requests one by one, several at the same time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

import httpx2
import openai

from inoc.api.batch import follow
from inoc.api.desk import Desk
from inoc.api.request import Request
from inoc.api.wire import KEY_HEADER, Try
from inoc.errors import InocError

_LOOK_AGAIN_S = 0.2


async def ask_live(desk: Desk, requests: Mapping[str, Request]) -> None:
    """Answer requests, or wait for the process that holds them to answer.

    Raises:
        ApiError: The first failure. No further request is sent then, and those under way are waited for and kept.
    """
    waiting = deque(requests.items())
    failures: list[InocError] = []

    async def work() -> None:
        while waiting and not failures:
            key, request = waiting.popleft()
            try:
                await _obtain(desk, key, request)
            except InocError as error:
                failures.append(error)

    await asyncio.gather(*(work() for _ in range(min(desk.spec.concurrency, len(waiting)))))
    if failures:
        raise failures[0]


async def _obtain(desk: Desk, key: str, request: Request) -> None:
    most_nano = desk.most_nano(request)
    while not desk.cache.hold([(key, request, most_nano)], desk.spec.base_url):
        if desk.cache.answer(key) is not None:
            desk.tell(key)
            return
        holder = desk.cache.holder_of(key)
        batch = desk.cache.batch(holder) if holder else None
        if batch is not None:
            await follow(desk, batch)
        # An answer on its way gives back what was held for it beyond its cost.
        elif holder or desk.wire.tries or desk.cache.has_room(most_nano):
            await asyncio.sleep(_LOOK_AGAIN_S)
        else:
            raise desk.cache.no_money(most_nano)
    desk.wire.tries[key] = Try(request.model, request.likely_tokens, most_nano)
    try:
        await _send(desk, key, request)
    finally:
        del desk.wire.tries[key]
        desk.cache.release(key)  # nothing to release if it was answered


async def _send(desk: Desk, key: str, request: Request) -> None:
    try:
        response = await desk.client.post(
            request.endpoint, body=request.body, cast_to=httpx2.Response, options={"headers": {KEY_HEADER: key}}
        )
    except openai.APIStatusError as error:
        desk.refuse(key, error.status_code, error.message)
    except openai.APIError as error:
        raise desk.error_of(error) from None  # what caused it may quote the key
    else:
        desk.keep(key, request, response.content.decode("utf-8-sig"))
