"""What comes with status 200 and is no answer, redirects, proxies, and characters that end lines elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inoc.api import Api
from inoc.api.answer import fault_of, no_answer
from inoc.api.cache import Cache
from inoc.errors import ApiError
from support.asking import ONE, bodies, spec, spent
from support.server import Fault, Server, chat_answer, serving


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


ERRORS: list[dict[str, Any]] = [
    {"error": {"message": "overloaded", "type": "server_error"}},
    {"error": {"message": "upstream", "code": 503}},
    {"error": {"message": "slow down", "code": "429"}},
    {"error": "overloaded"},
    {"error": {"message": "overloaded"}, "choices": []},
    {"object": "error", "message": "overloaded", "code": 500},
    {"detail": "Internal"},
    {"errors": [{"message": "overloaded"}]},
]


@pytest.mark.parametrize("body", ERRORS)
def test_an_error_with_status_200_is_retried_and_never_kept(server: Server, tmp_path: Path, body: dict) -> None:
    server.faults.extend([Fault(body=body), Fault(body=body)])
    api = Api(spec(server), tmp_path)
    assert [reply.text for reply in api.chat(bodies(2))] == ["8", "8"]
    assert len(server.asked) == 4
    assert spent(tmp_path) == pytest.approx(2 * ONE)


@pytest.mark.parametrize("body", ERRORS[:4])
def test_an_error_with_status_200_that_stays_stops_the_job(server: Server, tmp_path: Path, body: dict) -> None:
    server.faults.extend([Fault(body=body)] * 9)
    with pytest.raises(ApiError, match=r"overloaded|upstream|slow down"):
        Api(spec(server, retries=1), tmp_path).chat(bodies(1))
    server.faults.clear()
    assert Api(spec(server), tmp_path).chat(bodies(1))[0].text == "8"


def test_an_error_that_is_about_the_request_refuses_it(server: Server, tmp_path: Path) -> None:
    server.faults.append(Fault(body={"error": {"message": "too long", "code": 400}}))
    (reply,) = Api(spec(server), tmp_path).chat(bodies(1))
    assert "too long" in reply.refusal


def test_an_error_within_a_batch_goes_into_the_next(server: Server, tmp_path: Path) -> None:
    answers = iter([{"error": {"message": "overloaded"}}])
    server.honours_keys = False
    server.answer = lambda body: next(answers, chat_answer())
    replies = Api(spec(server, mode="batch"), tmp_path).chat(bodies(3))
    assert [reply.text for reply in replies] == ["8"] * 3
    assert len(server.batches) == 2


def ended(finish: object, **extra: object) -> dict[str, Any]:
    answer = chat_answer()
    answer["choices"][0] |= {"finish_reason": finish, **extra}
    return answer


@pytest.mark.parametrize("mode", ["live", "batch"])
@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (ended("content_filter"), False),
        (ended(None), False),
        (ended("error"), True),
        (ended("stop", error={"message": "provider"}), True),
    ],
)
def test_what_was_withheld_or_broken_off_is_no_answer(
    server: Server, tmp_path: Path, mode: str, answer: dict, *, again: bool
) -> None:
    server.honours_keys = False
    server.answer = lambda body: answer if "number 0" in body["messages"][0]["content"] else chat_answer()
    for _ in range(2):
        first, second = Api(spec(server, mode=mode), tmp_path).chat(bodies(2))
        assert "finish_reason" in first.refusal
        assert not first.response
        assert second.text == "8"
    asked = sum("number 0" in text for text in server.billed.elements())
    assert asked == (2 if again else 1)


@pytest.mark.parametrize("finish", ["stop", "length", "eos_token"])
def test_an_answer_that_ended_is_one(finish: str) -> None:
    assert no_answer(ended(finish)) == ""
    assert fault_of("/v1/chat/completions", ended(finish) | {"error": None}) is None


@pytest.mark.parametrize("content", ["a\u2028b", "a\u2029b", "a\x85b", "a\x0b\x0c\x1cb", "😀"])
@pytest.mark.parametrize("mode", ["live", "batch"])
def test_a_character_that_ends_lines_elsewhere_is_a_part_of_an_answer(
    server: Server, tmp_path: Path, mode: str, content: str
) -> None:
    server.batch_ascii = False
    server.answer = lambda body: chat_answer(content)
    assert [reply.text for reply in Api(spec(server, mode=mode), tmp_path).chat(bodies(3))] == [content] * 3
    assert server.billed.total() == 3
    assert spent(tmp_path) == pytest.approx(3 * ONE * (0.5 if mode == "batch" else 1))


@pytest.mark.parametrize("mode", ["live", "batch"])
def test_half_of_a_surrogate_pair_in_an_answer_can_be_stored(server: Server, tmp_path: Path, mode: str) -> None:
    server.answer = lambda body: chat_answer("a\ud83db")
    (reply,) = Api(spec(server, mode=mode), tmp_path).chat(bodies(1))
    assert reply.text == "a\ufffdb"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_followed_with_the_whole_request(server: Server, tmp_path: Path, status: int) -> None:
    with serving() as other:
        server.faults.append(Fault("status", status, {"location": f"{other.url}/chat/completions"}))
        (reply,) = Api(spec(server), tmp_path).chat(bodies(1))
        assert reply.text == "8"
        assert other.asked == bodies(1)


@pytest.mark.parametrize(("status", "headers"), [(303, {"location": "/v1/models"}), (300, {}), (304, {}), (405, {})])
def test_what_cannot_be_followed_stops_the_job(server: Server, tmp_path: Path, status: int, headers: dict) -> None:
    server.faults.extend([Fault("status", status, headers)] * 9)
    with pytest.raises(ApiError):
        Api(spec(server, retries=1), tmp_path).chat(bodies(1))


def test_a_circle_of_redirects_stops_the_job(server: Server, tmp_path: Path) -> None:
    server.faults.extend([Fault("status", 307, {"location": f"{server.url}/chat/completions"})] * 200)
    with pytest.raises(ApiError, match="redirects"):
        Api(spec(server, retries=1), tmp_path).chat(bodies(1))


# --- proxies


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{server.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    (reply,) = Api(spec(server, base_url="http://api.invalid/v1"), tmp_path).chat(bodies(1))
    assert reply.text == "8"
    assert server.proxied == ["api.invalid"]


def test_hosts_that_need_no_proxy_are_asked_directly(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert Api(spec(server), tmp_path).chat(bodies(1))[0].text == "8"
    assert server.proxied == []


@pytest.mark.parametrize("value", ["nonsense://x:1", "socks5://127.0.0.1:1", "http://127.0.0.1:port"])
def test_a_proxy_that_is_none_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    with pytest.raises(ApiError, match="HTTP_PROXY"):
        Api(spec(server), tmp_path).chat(bodies(1))


def test_a_proxy_that_is_not_there_is_an_error_that_costs_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ApiError):
        Api(spec(server, base_url="http://api.invalid/v1", retries=0), tmp_path).chat(bodies(1))
    assert spent(tmp_path) == 0


def test_the_pace_does_not_follow_a_clock_that_is_set(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is written down for people may be told by the clock on the wall."""
    import time

    real = time.time
    Api(spec(server), tmp_path).chat(bodies(2))
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    assert len(Api(spec(server), tmp_path).chat(bodies(4))) == 4  # and not after a day


def test_a_disk_that_is_full_is_named_and_the_request_stays_booked(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from inoc.trouble import explanation

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Cache, "keep", full)
        with pytest.raises(sqlite3.OperationalError) as caught:
            Api(spec(server), tmp_path).chat(bodies(1))
    assert "the disk is full" in str(explanation(caught.value))
    assert [reply.text for reply in Api(spec(server), tmp_path).chat(bodies(1))] == ["8"]
