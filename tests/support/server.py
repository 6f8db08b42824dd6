"""A server that speaks the API and misbehaves on purpose. It counts what it billed."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from support.tuner import Tuner

USAGE = {"prompt_tokens": 50, "completion_tokens": 2, "total_tokens": 52}
TOP = [("8", 0.5), ("80", 0.25), ("9", 0.15)]


@dataclass
class Fault:
    """What happens to one answer.

    Attributes:
        kind: status, stall, cut, broken, drip, reset or none; or half a character, chunks that end, half a gzip or no
            gzip.
        status: For `status`.
        headers: Sent along.
        body: Sent instead of the answer.
    """

    kind: str = "none"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None


FAULTS = {
    "429 with retry-after": Fault("status", 429, {"retry-after": "0.1"}),
    "429 with retry-after-ms": Fault("status", 429, {"retry-after-ms": "50"}),
    "429 without retry-after": Fault("status", 429),
    "500": Fault("status", 500),
    "503": Fault("status", 503),
    "stall": Fault("stall"),
    "cut body": Fault("cut"),
    "answer that is no JSON": Fault("broken"),
    "connection closed": Fault("reset"),
    "slow drip": Fault("drip"),
}
PACKED = {kind: Fault(kind) for kind in ("half a character", "chunks that end", "half a gzip", "no gzip")}
"""Answers that were sent in a form of their own, and not whole."""
REDIRECTS = {f"redirect {status}": Fault("status", status, {"location": "?again"}) for status in (301, 302, 307, 308)}
"""The same address again, under another query."""
LATE = ("stall", "drip")
"""Kinds of faults that a client notices by its time limit alone."""


def chat_answer(content: str = "8", top: list[tuple[str, float]] | None = None, **extra: Any) -> dict[str, Any]:
    """A chat completion whose only token has these probabilities."""
    rows = [{"token": token, "logprob": float(np.log(p)), "bytes": None} for token, p in (top or TOP)]
    return {
        "id": "chatcmpl",
        "object": "chat.completion",
        "created": 0,
        "model": "rater",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": content},
                "logprobs": {"content": [{"token": content, "logprob": -0.7, "bytes": None, "top_logprobs": rows}]},
            }
        ],
        "usage": USAGE,
        **extra,
    }


class Server:
    """State and behaviour; all of it may be changed by a test while it runs."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()  # one for each answer to come; then all is well
        self.errand_fault = Fault()  # for the first of each kind of errand: files, batches, names of models
        self._errands: set[str] = set()
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: chat_answer()
        self.models: list[str] = []
        self.honours_keys = True
        self.limit_headers: dict[str, str] = {}
        self.delay_s = 0.0
        self.holds: Callable[[], bool] = lambda: False  # answers wait while this is true
        self.billed: Counter[str] = Counter()  # text that was asked → times
        self.authorizations: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.under_way = self.most_under_way = 0
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks_needed = 2
        self.batch_answers: int | None = None  # so many lines, then it expires
        self.batch_status: dict[int, int] = {}  # line → status
        self.batch_cuts = 0  # so many downloads end in the middle of a line
        self.batch_lost_replies = 0  # so many batches are made without the client hearing of it
        self.batch_failure = ""
        self.batch_ascii = True  # whether the lines of a batch's output escape all other characters
        self.proxied: list[str] = []  # hosts that this server was asked to pass something on to
        self.tuner = Tuner(self.files)
        self._kept: dict[str, dict[str, Any]] = {}
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, *_ = head.decode().split(" ", 2)
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head.decode().split("\r\n")[1:])
                }
                content = await _content(reader, headers)
                self.authorizations.append(headers.get("authorization", ""))
                if path.startswith("http://"):  # as a proxy is asked
                    host, slash, rest = path.removeprefix("http://").partition("/")
                    self.proxied.append(host)
                    path = slash + rest
                if not await self._route(method, path.removeprefix("/v1"), headers, content, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _route(
        self, method: str, path: str, headers: dict[str, str], content: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        path, _, query = path.partition("?")
        if path in ("/chat/completions", "/completions", "/embeddings"):
            return await self._complete(path, headers, json.loads(content), writer)
        errand = f"{method} {path.split('/')[1]} {path.count('/')}"
        fault = Fault() if errand in self._errands else self.errand_fault
        self._errands.add(errand)
        tuning = self.tuner.name_of(method, path)
        self.tuner.errands[tuning] += 1
        if self.tuner.faults[tuning]:
            fault = self.tuner.faults[tuning].popleft()
        if fault.kind == "status":
            return await _send(writer, fault.status, fault.body or _complaint(headers), fault.headers)
        if tuning and tuning != "upload":
            status, answer = self.tuner.answer(tuning, path, query, content)
        else:
            status, answer = self._errand(method, path, content)  # what is done stays done, whatever is heard of it
        if fault.kind == "reset":
            return False
        if fault.kind == "stall":
            await asyncio.sleep(60)
        if fault.body is not None:
            answer = fault.body
        return await _send(writer, status, answer, fault.headers, how=fault.kind)

    def _errand(self, method: str, path: str, content: bytes) -> tuple[int, dict[str, Any] | bytes]:
        if path == "/models":
            rows = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in self.models]
            return 200, {"object": "list", "data": rows}
        if path == "/files":
            name = f"file-{len(self.files)}"
            part = content.split(b'filename="')[1]
            self.files[name] = part.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--")[0]
            return 200, {"id": name, "object": "file", "purpose": "batch"}
        if path.startswith("/files/"):
            return 200, self._download(path.split("/")[2])
        if path == "/batches" and method == "POST":
            return self._make_batch(json.loads(content))
        if path == "/batches":
            rows = [self._shown(one) for one in reversed(self.batches.values())]
            return 200, {"object": "list", "data": rows, "has_more": False}
        name = path.rpartition("/")[2]
        if name not in self.batches:
            return 404, {"error": {"message": "no such batch"}}
        return 200, self._look(name)

    async def _complete(
        self, path: str, headers: dict[str, str], body: dict[str, Any], writer: asyncio.StreamWriter
    ) -> bool:
        self.asked.append(body)
        self.times.append(asyncio.get_running_loop().time())
        fault = self.faults.popleft() if self.faults else Fault()
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.delay_s)
            while self.holds():
                await asyncio.sleep(0.005)
            if fault.kind == "status":
                return await _send(writer, fault.status, fault.body or _complaint(headers), fault.headers)
            if fault.kind == "reset":
                return False
            if fault.kind == "stall":
                await asyncio.sleep(60)
            answer = fault.body or self._answered(path, body, headers.get("idempotency-key", ""))
            return await _send(writer, 200, answer, self.limit_headers | fault.headers, how=fault.kind)
        finally:
            self.under_way -= 1

    def _answered(self, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        if self.honours_keys and key in self._kept:
            return self._kept[key]
        self.billed[json.dumps(body, sort_keys=True)] += 1
        self._kept[key] = embedding_answer(body) if path == "/embeddings" else self.answer(body)
        return self._kept[key]

    def _download(self, name: str) -> bytes:
        content = self.files[name]
        if self.batch_cuts and content:
            self.batch_cuts -= 1
            content = content[: len(content) // 2]
        return content

    def _make_batch(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = f"batch-{len(self.batches)}"
        self.batches[name] = {"id": name, **body, "looks": 0, "status": "in_progress"}
        if self.batch_lost_replies:
            self.batch_lost_replies -= 1
            return 500, {"error": {"message": "lost"}}
        return 200, self._shown(self.batches[name])

    def _look(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        batch["looks"] += 1
        if batch["looks"] >= self.looks_needed and batch["status"] == "in_progress":
            self._finish(batch)
        return self._shown(batch)

    def _finish(self, batch: dict[str, Any]) -> None:
        if self.batch_failure:
            batch.update(status="failed", errors={"object": "list", "data": [{"message": self.batch_failure}]})
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].decode().splitlines()]
        good, bad = [], []
        for number, line in enumerate(lines[: self.batch_answers]):
            status = self.batch_status.get(number, 200)
            if status == 200:
                body = self._answered(line["url"].removeprefix("/v1"), line["body"], line["custom_id"])
            else:
                body = {"error": {"message": f"status {status}"}}
            row = {"id": "x", "custom_id": line["custom_id"], "response": {"status_code": status, "body": body}}
            (good if status == 200 else bad).append(json.dumps(row, ensure_ascii=self.batch_ascii))
        batch["status"] = "completed" if self.batch_answers is None else "expired"
        batch["request_counts"] = {"total": len(lines), "completed": len(good), "failed": len(bad)}
        for rows, kind in ((good, "output_file_id"), (bad, "error_file_id")):
            if rows:
                batch[kind] = f"file-{len(self.files)}"
                self.files[batch[kind]] = "\n".join(reversed(rows)).encode() + b"\n"  # in no order

    def _shown(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {
            "object": "batch",
            "created_at": int(time.time()),
            **{key: value for key, value in batch.items() if key != "looks"},
        }


def _complaint(headers: dict[str, str]) -> dict[str, Any]:
    """Some servers repeat the key in what they complain about."""
    return {"error": {"message": f"no, not with {headers.get('authorization')}", "code": "x"}}


def embedding_answer(body: dict[str, Any]) -> dict[str, Any]:
    """Three numbers that depend on the text."""
    vector = np.frombuffer(hashlib.sha256(body["input"].encode()).digest()[:3], dtype=np.uint8).astype("<f4")
    value = base64.b64encode(vector.tobytes()).decode() if body.get("encoding_format") == "base64" else vector.tolist()
    data = [{"object": "embedding", "index": 0, "embedding": value}]
    return {"object": "list", "data": data, "model": "embedder", "usage": {"prompt_tokens": 9, "total_tokens": 9}}


async def _content(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readline()
    return b"".join(parts)


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    body: dict[str, Any] | bytes,
    headers: dict[str, str] | None = None,
    how: str = "none",
) -> bool:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    if how in PACKED:
        return await _send_packed(writer, content, how)
    if how == "broken":  # whole by its length, and not by its meaning
        content = content[: len(content) // 2]
    lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    if how == "cut":
        writer.write(content[: len(content) // 2])
        await writer.drain()
        return False
    if how == "drip":
        for number in range(len(content)):
            writer.write(content[number : number + 1])
            await writer.drain()
            await asyncio.sleep(0.05)
        return True
    writer.write(content)
    await writer.drain()
    return True


async def _send_packed(writer: asyncio.StreamWriter, content: bytes, how: str) -> bool:
    """Send an answer in the form of one of `PACKED`; the connection stays open where its length is told."""
    half = content[: len(content) // 2]
    said = {"half a character": half + "\u00e9".encode()[:1], "half a gzip": gzip.compress(content)[: len(half) // 2]}
    body = said.get(how, half)
    if how == "chunks that end":
        head, body = "transfer-encoding: chunked", f"{len(half):x}\r\n".encode() + half + b"\r\n"
    else:
        head = f"content-length: {len(body)}" + ("\r\ncontent-encoding: gzip" if how.endswith("gzip") else "")
    writer.write(f"HTTP/1.1 200 X\r\ncontent-type: application/json\r\n{head}\r\n\r\n".encode() + body)
    await writer.drain()
    return how != "chunks that end"


@contextmanager
def serving() -> Iterator[Server]:
    """A server in a thread of its own, on a free port of this machine."""
    server, ready, loop = Server(), threading.Event(), asyncio.new_event_loop()

    async def main() -> None:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = listener.sockets[0].getsockname()[1]
        ready.set()
        await asyncio.Event().wait()

    def run() -> None:
        asyncio.set_event_loop(loop)
        task = loop.create_task(main())
        loop.run_forever()
        for one in asyncio.all_tasks(loop):
            one.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
