"""Answers and objects with fields that are not as they should be."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.api import Api, Reply
from inoc.api.answer import fault_of, no_answer, vector_of
from inoc.api.pace import retry_after_s
from inoc.api.request import usage_of
from inoc.choose.api import choice_of_answer
from inoc.engines.candidates import candidate
from inoc.errors import ApiError
from inoc.generate.ask import _answer as completion_of
from inoc.judge.asking import answered
from inoc.judge.expected import rate
from inoc.sample.api import _answer as sampled_of
from support.asking import ONE, bodies, spec, spent, tunings
from support.server import Fault, Server, chat_answer

FIELDS = ["choices", "data", "usage", "error", "message", "content", "finish_reason", "logprobs", "top_logprobs"]
FIELDS += ["token", "logprob", "prompt_tokens", "completion_tokens", "embedding", "text", "refusal", "status", "id"]
LEAF = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.sampled_from(["", "8", "Yes", "stop"])
ANYTHING = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=12,
)
CHOICE = st.fixed_dictionaries(
    {
        "finish_reason": st.just("stop") | LEAF,
        "message": st.fixed_dictionaries({"content": ANYTHING}) | ANYTHING,
        "logprobs": st.fixed_dictionaries({"content": st.lists(ANYTHING, max_size=2)}) | ANYTHING,
    }
)
ANSWER = st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=4) | st.fixed_dictionaries(
    {"choices": st.lists(CHOICE | ANYTHING, max_size=2) | ANYTHING}, optional={"usage": ANYTHING}
)


@given(ANSWER)
@settings(max_examples=150, deadline=None)
def test_any_object_is_an_answer_or_says_why_it_is_none(answer: dict[str, Any]) -> None:
    for path in ("/v1/chat/completions", "/v1/files", "/v1/embeddings"):
        fault_of(path, answer)
    usage = usage_of(answer)
    assert usage is None or min(usage) >= 0
    if no_answer(answer):
        return
    reply, two = Reply(answer), (candidate("Yes"), candidate("No"))
    assert isinstance(reply.text, str)
    for read in (completion_of, sampled_of):
        read(reply)
    for choice in (choice_of_answer(reply.choice, two), answered(reply, two).choice):
        assert choice.reason or 0 <= choice.mass <= 1
    rating = rate(reply.choice, 9)
    assert rating.reason or 0 <= rating.score <= 100


EMPTY: list[dict[str, Any]] = [
    {"id": "x", "object": "chat.completion", "choices": []},
    {"id": "x", "object": "chat.completion", "choices": None},
    {"id": "x", "object": "chat.completion"},
    {"choices": [{"finish_reason": "stop"}]},
    {"choices": ["8"]},
    {"choices": {"finish_reason": "stop"}},
]


@pytest.mark.parametrize("mode", ["live", "batch"])
@pytest.mark.parametrize("empty", EMPTY)
def test_an_answer_without_content_counts_as_refused_and_is_not_paid_again(
    server: Server, tmp_path: Path, mode: str, empty: dict
) -> None:
    server.honours_keys = False
    server.answer = lambda body: empty if "number 0" in body["messages"][0]["content"] else chat_answer()
    for _ in range(2):
        first, second = Api(spec(server, mode=mode), tmp_path).chat(bodies(2))
        assert first.refusal == "an answer without content"
        assert not first.response
        assert second.text == "8"
    assert sorted(server.billed.values()) == [1, 1]


def test_the_text_of_an_answer_in_parts_is_that_of_its_parts_of_text() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "8"}, "x"]
    assert Reply({"choices": [{"message": {"content": parts}}]}).text == "8"


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 5},
        {"prompt_tokens": -5, "completion_tokens": 1},
        {"prompt_tokens": 5, "completion_tokens": []},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": 10**30, "completion_tokens": 1},
        [1],
        "5",
    ],
)
def test_usage_that_cannot_be_right_counts_for_the_most_it_can_cost(
    server: Server, tmp_path: Path, usage: object
) -> None:
    server.answer = lambda body: chat_answer() | {"usage": usage}
    Api(spec(server), tmp_path).chat(bodies(1))
    assert spent(tmp_path) > 2 * ONE


@pytest.mark.parametrize("value", ["!!!!", "AAA", "", [], [[1.0]], ["a"], None, {}, [math.nan], [1e300], [10**400]])
def test_an_embedding_that_is_none_is_empty(value: object) -> None:
    assert vector_of({"embedding": value}).size == 0
    assert no_answer({"data": [{"embedding": value}]}) == "an answer without content"


def test_an_embedding_is_read_from_numbers_and_from_base64() -> None:
    whole = np.array([1.5, -2.0], dtype="<f4")
    for value in (whole.tolist(), base64.b64encode(whole.tobytes()).decode()):
        assert vector_of({"embedding": value}).tolist() == [1.5, -2.0]


# --- statuses and headers


@pytest.mark.parametrize("status", [201, 203, 204, 206])
def test_a_success_of_another_name_is_taken_if_it_is_whole_and_repeated_if_it_is_not(
    server: Server, tmp_path: Path, status: int
) -> None:
    server.faults.append(Fault("status", status, body=None if status == 204 else chat_answer()))
    if status == 204:
        server.faults[0].headers = {"content-type": "text/plain"}
        server.faults[0].body = b""  # type: ignore[assignment]
    (reply,) = Api(spec(server), tmp_path).chat(bodies(1))
    assert reply.text == "8"


@pytest.mark.parametrize(
    "after",
    [
        "300",
        "86400",
        "1e9",
        "6m0s",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "-5",
        "soon",
        "inf",
        "nan",
        "",
        "0",
        "2199-01-01T00:00:00Z",
    ],
)
def test_no_word_on_waiting_ends_a_job_that_may_try_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    monkeypatch.setattr("inoc.api.pace._LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr("inoc.api.wire._LONGEST_RETRY_AFTER_S", 0.05)
    for status in (429, 503):
        server.faults.append(Fault("status", status, {"retry-after": after}))
        monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.05)
        (reply,) = Api(spec(server), tmp_path / str(status)).chat(bodies(1))
        assert reply.text == "8"


@given(st.text(max_size=30) | st.from_regex(r"(Mon, )?\d{1,3} (Jan|Foo) \d{1,25} \d\d:\d\d:\d\d( GMT| [+-]\d{1,9})?"))
@settings(max_examples=100, deadline=None)
def test_any_header_is_a_wait_or_none(text: str) -> None:
    for headers in ({"retry-after": text}, {"retry-after": "5", "date": text}, {"x-ratelimit-reset": text}):
        wait = retry_after_s(headers)
        assert wait is None or wait >= 0


@pytest.mark.parametrize("status", [403, 500, 502])
def test_a_page_in_html_is_told_in_one_line(server: Server, tmp_path: Path, status: int) -> None:
    page = f"<html>\r\n<head><title>{status} Gateway</title></head>\r\n<body>\r\n{'<hr>' * 300}</body></html>".encode()
    server.faults.extend([Fault("status", status, {"content-type": "text/html"}, body=page)] * 2)  # type: ignore[arg-type]
    with pytest.raises(ApiError, match=f"status {status}") as caught:
        Api(spec(server, retries=0), tmp_path).chat(bodies(1))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 800


def test_an_answer_that_cannot_be_unpacked_may_have_been_billed(server: Server, tmp_path: Path) -> None:
    server.faults.append(Fault(headers={"content-encoding": "gzip"}))
    assert Api(spec(server), tmp_path).chat(bodies(1))[0].text == "8"
    assert spent(tmp_path) > 2 * ONE


# --- batches and jobs


@pytest.mark.parametrize("status", ["queued", None, 5])
def test_a_batch_in_a_state_that_is_unknown_is_not_paid_again(server: Server, tmp_path: Path, status: object) -> None:
    server.looks_needed = 10**9
    shown = server._shown
    server._shown = lambda batch: shown(batch) | {"status": status}  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(ApiError, match="which no batch can be"):
            Api(spec(server, mode="batch"), tmp_path).chat(bodies(2))
    assert len(server.batches) == 1
    server._shown, server.looks_needed = shown, 1  # type: ignore[method-assign]
    assert [reply.text for reply in Api(spec(server, mode="batch"), tmp_path).chat(bodies(2))] == ["8", "8"]
    assert len(server.batches) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"request_counts": {"total": None}},
        {"request_counts": 5},
        {"created_at": None},
        {"metadata": "x"},
        {"status": "COMPLETED"},
        {"status": "failed", "errors": ["full"]},
        {"status": "failed", "errors": "full"},
    ],
)
def test_fields_of_a_batch_that_make_no_sense_are_left_aside(server: Server, tmp_path: Path, fields: dict) -> None:
    server.looks_needed, server.batch_lost_replies = 1, 1 if "created_at" in fields or "metadata" in fields else 0
    shown = server._shown
    server._shown = lambda batch: shown(batch) | fields  # type: ignore[method-assign]
    api = Api(spec(server, mode="batch"), tmp_path)
    if fields.get("status") == "failed":
        with pytest.raises(ApiError, match="it refused a batch: full"):
            api.chat(bodies(2))
        return
    assert [reply.text for reply in api.chat(bodies(2))] == ["8", "8"]


@pytest.mark.parametrize("errand", ["create", "retrieve", "list", "upload"])
@pytest.mark.parametrize("body", [{}, {"id": ""}, {"id": None}, {"message": "hello"}, {"id": "x", "error": "down"}])
def test_what_is_no_object_of_a_job_is_an_error_of_the_server(
    server: Server, tmp_path: Path, errand: str, body: dict
) -> None:
    server.tuner.faults[errand].append(Fault(body=body))
    rows = Api(spec(server), tmp_path).tune(tunings(1))
    assert [row.state for row in rows] == ["succeeded"]
    assert sorted(server.tuner.paid.values()) == [1]


def _without_model(job: dict[str, Any]) -> dict[str, Any]:
    return {**job, "model": None}


def _with_odd_error(job: dict[str, Any]) -> dict[str, Any]:
    return {**job, "error": "out of memory"} if job["status"] == "failed" else {**job, "error": "none"}


def _with_odd_tokens(job: dict[str, Any]) -> dict[str, Any]:
    return {**job, "trained_tokens": "many"}


def _with_odd_metadata(job: dict[str, Any]) -> dict[str, Any]:
    return {**job, "metadata": ["x"]}


@pytest.mark.parametrize("change", [_without_model, _with_odd_error, _with_odd_tokens, _with_odd_metadata])
@pytest.mark.parametrize("refusal", ["", "bad"])
def test_fields_of_a_job_that_make_no_sense_are_left_aside(
    server: Server, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], refusal: str
) -> None:
    shown = server.tuner._shown
    server.tuner._shown = lambda job: change(shown(job))  # type: ignore[method-assign]
    server.tuner.refusals.append(refusal)
    api = Api(spec(server), tmp_path)
    if not refusal:
        assert [row.state for row in api.tune(tunings(1))] == ["succeeded"]
        return
    with pytest.raises(ApiError, match="out of memory" if change is _with_odd_error else "bad"):
        api.tune(tunings(1))


@pytest.mark.parametrize("more", [True, None])
def test_a_list_that_begins_again_and_again_ends(server: Server, tmp_path: Path, more: bool | None) -> None:
    page = server.tuner._page
    server.tuner._page = lambda query: {**page(""), "has_more": more}  # type: ignore[method-assign]
    rows = Api(spec(server, tuning_jobs=1), tmp_path).tune(tunings(2))
    assert [row.state for row in rows] == ["succeeded"] * 2
    assert server.tuner.errands["list"] < 20
