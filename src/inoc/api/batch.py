"""Requests in batches: answers within a day at a reduced price.

What a batch is to ask is written down before anything is sent, then its file, then its name on the server. So
after a crash the next process continues the batch where it was: nothing is sent, and paid, twice.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import openai

from inoc.api.answer import fault_of
from inoc.api.cache import Batch
from inoc.api.desk import Desk
from inoc.api.objects import count_in, items, mark_in, reasons_in, text_in
from inoc.api.request import Request

_MOST_REQUESTS = 20_000
_MOST_BYTES = 100_000_000
_MOST_FRUITLESS = 3
_DOWNLOADS = 4
_NAME = "inoc_batch"
_FORGOTTEN_S = 30 * 86_400.0
_CLOCKS_DIFFER_S = 7 * 86_400.0  # the clock of this machine may have been wrong when the batch was made
_ON_THE_WAY = {"validating", "in_progress", "finalizing", "cancelling"}
_ENDED = {"completed", "failed", "expired", "cancelled"}


async def ask_batch(desk: Desk, requests: Mapping[str, Request]) -> None:
    """Answer requests in batches, taking up those that an earlier process left.

    Raises:
        ApiError: If a batch fails, or the last ones brought no answer.
    """
    fruitless, before = 0, len(requests) + 1
    while missing := {key: request for key, request in requests.items() if not desk.done_with(key)}:
        holders = {desk.cache.holder_of(key) for key in missing} - {""}
        if holders:
            batches = [batch for batch in map(desk.cache.batch, holders) if batch is not None]
            await asyncio.gather(*(follow(desk, batch) for batch in batches))
            if not batches:  # a process that asks live has them
                await asyncio.sleep(desk.spec.poll_s)
            continue
        fruitless = 0 if len(missing) < before else fruitless + 1
        before = len(missing)
        if fruitless == _MOST_FRUITLESS:
            raise desk.error(f"{fruitless} batches in a row brought no answer; {len(missing)} requests are open")
        _plan(desk, missing)


def _plan(desk: Desk, missing: Mapping[str, Request]) -> None:
    share = desk.spec.batch_share
    rows = [(key, request, desk.most_nano(request, share)) for key, request in missing.items()]
    rows.sort(key=lambda row: (*_file_of(row), row[2]))  # the cheapest first, so that a small budget buys something
    planned = [
        desk.cache.plan_batch(part, desk.spec.base_url, part[0][1].endpoint)
        for _, group in itertools.groupby(rows, _file_of)
        for part in _parts(list(group))
    ]
    least_nano = min(most_nano for _, _, most_nano in rows)
    if not any(planned) and not desk.cache.has_room(least_nano):
        raise desk.cache.no_money(least_nano)


def _file_of(row: tuple[str, Request, int]) -> tuple[str, str]:
    """A file has requests to one endpoint and one model."""
    return row[1].endpoint, row[1].model


def _parts(rows: list[tuple[str, Request, int]]) -> Iterator[list[tuple[str, Request, int]]]:
    """Parts that fit into one file."""
    part: list[tuple[str, Request, int]] = []
    size = 0
    for row in rows:
        if part and (len(part) == _MOST_REQUESTS or size + len(row[1].text.encode()) > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row[1].text.encode())
    yield part


async def follow(desk: Desk, batch: Batch) -> None:
    """Advance a batch until it has ended, or watch another process do so."""
    while True:
        with desk.cache.caring_for(batch) as ours:
            now = desk.cache.batch(batch.id)
            if now is None or now.state != "planned":
                return
            try:
                if ours and await _move_on(desk, now):
                    return
            except openai.APIError as error:
                raise desk.error_of(error) from None
        await asyncio.sleep(desk.spec.poll_s)


async def _move_on(desk: Desk, batch: Batch) -> bool:
    """Advance a batch by one step; True if it has ended."""
    if batch.server_id is None:
        batch = await _submit(desk, batch)
    try:
        found = await desk.client.batches.retrieve(str(batch.server_id))
    except openai.NotFoundError:
        return _forget(desk, batch)
    status = text_in(found, "status").lower()
    if status in _ON_THE_WAY:
        return False
    if status not in _ENDED:  # nobody knows whether it is billed
        raise desk.error(f"it says of the batch {batch.server_id} that it is {found.status!r}, which no batch can be")
    n_lines = sum(count_in(found.request_counts, name) or 0 for name in ("completed", "failed"))
    files = [file for name in ("output_file_id", "error_file_id") if (file := text_in(found, name))]
    lines = await _lines(desk, files, n_lines)
    requests = {key: Request(batch.endpoint, json.loads(body)) for key, body in desk.cache.batch_bodies(batch)}
    try:
        for line in lines:
            _settle(desk, line, requests)
    finally:
        # Requests that a batch did not reach are not billed; missing answers of a completed one may have been.
        desk.cache.end_batch(batch, status, billed=status == "completed" and len(lines) < n_lines)
    if status == "failed":
        raise desk.error(f"it refused a batch: {'; '.join(reasons_in(found.errors)) or 'no reason given'}")
    return True


def _forget(desk: Desk, batch: Batch) -> bool:
    """Give up a batch that the server does not know any more, and was paid for; a younger one must be there.

    Raises:
        ApiError: If it is too young to have been thrown away.
    """
    if time.time() - batch.made_at < _FORGOTTEN_S:
        made = time.strftime("%Y-%m-%d", time.localtime(batch.made_at))
        raise desk.error(
            f"it does not know the batch {batch.server_id} of {made}",
            hint="Use the key of the account that sent it; after 30 days it is given up.",
        ) from None
    desk.cache.end_batch(batch, "forgotten", billed=True)
    return True


async def _submit(desk: Desk, batch: Batch) -> Batch:
    """Send a batch, unless it was sent and only its name was lost."""
    once = desk.client.with_options(max_retries=0)  # a retry of this request could create a second batch
    if batch.file_id is None:
        lines = "".join(
            json.dumps({"custom_id": key, "method": "POST", "url": f"/v1{batch.endpoint}", "body": json.loads(body)})
            + "\n"
            for key, body in desk.cache.batch_bodies(batch)
        )
        file = await desk.client.files.create(file=("requests.jsonl", lines.encode()), purpose="batch")
        batch = batch._replace(file_id=file.id)
        desk.cache.note_batch(batch)
    else:
        batch = batch._replace(server_id=await _find(desk, batch))
    tries = 0
    while batch.server_id is None:
        try:
            made = await once.post(
                "/batches",
                cast_to=openai.types.Batch,
                body={
                    "input_file_id": batch.file_id,
                    "endpoint": f"/v1{batch.endpoint}",
                    "completion_window": "24h",
                    "metadata": {_NAME: batch.id},
                },
            )
            batch = batch._replace(server_id=made.id)
        except openai.APIError as error:
            tries += 1
            lasting = isinstance(error, openai.APIStatusError) and error.status_code < 500 and error.status_code != 429
            if lasting or tries > desk.spec.retries:
                raise
            await asyncio.sleep(min(desk.spec.poll_s, 2.0**tries))
            batch = batch._replace(server_id=await _find(desk, batch))
    desk.cache.note_batch(batch)
    return batch


async def _find(desk: Desk, batch: Batch) -> str | None:
    """The server's name of a batch that was sent; None if it was not."""
    async for one in items(desk.client.batches.list(limit=100)):
        if mark_in(one, _NAME) == batch.id:
            return str(one.id)
        made_at = count_in(one, "created_at")
        if made_at is not None and made_at < batch.made_at - _CLOCKS_DIFFER_S:  # the newest batches come first
            break
    return None


class _Line(NamedTuple):
    """A line of a batch's output."""

    key: str
    status: int
    body: dict[str, Any]


async def _lines(desk: Desk, files: list[str], n_wanted: int) -> list[_Line]:
    """The lines of a batch's files; a download that was cut is repeated."""
    lines: dict[str, _Line] = {}
    for attempt in range(_DOWNLOADS):
        if attempt:
            await asyncio.sleep(desk.spec.poll_s)
        for file in files:
            content = await desk.client.files.content(file)
            for text in content.content.split(b"\n"):  # not `splitlines`: U+2028 may stand within a line
                line = _line(text)
                if line is not None:
                    lines[line.key] = line
        if len(lines) >= n_wanted:
            break
    return list(lines.values())


def _line(content: bytes) -> _Line | None:
    """A line, or None for one that is not whole."""
    try:
        value = json.loads(content.decode("utf-8-sig"))
        response = value.get("response") or {}
        body = response.get("body") or {"error": value.get("error") or {}}
        return _Line(str(value["custom_id"]), int(response.get("status_code", 500)), dict(body))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _settle(desk: Desk, line: _Line, requests: Mapping[str, Request]) -> None:
    request = requests.get(line.key)
    if request is None:  # another process has settled it
        return
    status, words = line.status, ""
    if status == 200 and (fault := fault_of(request.endpoint, line.body)) is not None:
        status, words = fault
    if status == 200:
        desk.keep(line.key, request, json.dumps(line.body), desk.spec.batch_share)
    elif status in (400, 413, 422):
        error = line.body.get("error")
        said = error.get("message", error) if isinstance(error, dict) else error
        desk.refuse(line.key, status, words or str(said))
    else:  # goes into the next batch
        desk.cache.release(line.key, f"{status} in a batch")
