"""Asking live: whatever the server does, nothing is lost and nothing is paid twice."""

from __future__ import annotations

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from inoc.api import Api, Request
from inoc.api.request import NANO
from inoc.config.workflow import ApiSpec, Price
from inoc.errors import ApiError, BudgetError, ConfigError
from support.asking import ONE, bodies, spec, spent, worker
from support.server import FAULTS, LATE, Fault, Server, chat_answer


def billed_dollars(server: Server) -> float:
    return sum(server.billed.values()) * ONE


def test_equal_requests_are_asked_once_and_never_again(server: Server, tmp_path: Path) -> None:
    api = Api(spec(server), tmp_path)
    replies = api.chat([*bodies(3), *bodies(3)])
    assert [reply.text for reply in replies] == ["8"] * 6
    again = Api(spec(server), tmp_path)
    assert again.chat(bodies(3)) == replies[:3]
    assert len(server.asked) == 3
    assert again.record["answered now"] == 0
    assert api.record["dollars"] == pytest.approx(3 * ONE) == spent(tmp_path)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_fault_ends_with_all_answers_and_nothing_paid_twice(server: Server, tmp_path: Path, fault: Fault) -> None:
    server.faults.extend([Fault(), fault, fault])
    late = fault.kind in LATE
    api = Api(spec(server, timeout_s=0.8 if late else 60.0), tmp_path)
    assert [reply.text for reply in api.chat(bodies(5))] == ["8"] * 5
    assert len(server.asked) >= 7 if late else len(server.asked) == 7  # a busy machine may be late, too
    assert set(server.billed.values()) == {1}
    assert len(server.billed) == 5
    assert api.record["dollars"] == pytest.approx(5 * ONE)
    assert spent(tmp_path) >= billed_dollars(server)  # an answer that was lost may have been billed


def test_many_faults_in_any_order_end_with_all_answers_and_true_books(server: Server, tmp_path: Path) -> None:
    rng = random.Random(0)
    quick = [fault for fault in FAULTS.values() if fault.kind not in LATE]
    server.honours_keys = False
    server.faults.extend(rng.choice([*quick, *[Fault()] * 8]) for _ in range(120))
    server.answer = lambda body: chat_answer(body["messages"][0]["content"])
    api = Api(spec(server, retries=10, concurrency=8), tmp_path)
    replies = api.chat(bodies(60))
    assert [reply.text for reply in replies] == [body["messages"][0]["content"] for body in bodies(60)]
    assert api.record["dollars"] == pytest.approx(60 * ONE)
    assert spent(tmp_path) >= billed_dollars(server)


def test_two_who_ask_the_same_at_once_pay_once(server: Server, tmp_path: Path) -> None:
    server.delay_s = 0.02
    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(Api(spec(server, concurrency=4), tmp_path).chat, bodies(30)) for _ in range(2)]
        first, second = (one.result() for one in asking)
    assert first == second
    assert len(server.asked) == 30


@pytest.mark.parametrize("kind", ["cut", "broken"])
def test_a_lost_answer_counts_as_spent(server: Server, tmp_path: Path, kind: str) -> None:
    server.honours_keys = False  # as most servers do
    server.faults.extend([Fault(kind)] * 2)
    api = Api(spec(server), tmp_path)
    api.chat(bodies(1))
    assert sum(server.billed.values()) == 3
    assert api.record["dollars"] == pytest.approx(ONE)
    assert api.record["dollars of lost answers"] > 0
    assert spent(tmp_path) >= billed_dollars(server)


def test_a_server_that_stays_down_is_an_error_that_keeps_what_came(server: Server, tmp_path: Path) -> None:
    api = Api(spec(server, retries=1, concurrency=1), tmp_path)
    server.faults.extend([Fault(), Fault(), *[Fault("status", 500)] * 2])
    with pytest.raises(ApiError, match="status 500"):
        api.chat(bodies(4))
    server.faults.clear()
    assert len(Api(spec(server), tmp_path).chat(bodies(4))) == 4
    assert set(server.billed.values()) == {1}
    assert spent(tmp_path) == pytest.approx(4 * ONE)


def test_an_empty_account_is_not_asked_again(server: Server, tmp_path: Path) -> None:
    server.faults.append(Fault("status", 429, body={"error": {"message": "empty", "code": "insufficient_quota"}}))
    with pytest.raises(ApiError, match="fill the account"):
        Api(spec(server), tmp_path).chat(bodies(1))
    assert len(server.asked) == 1


def test_a_refused_request_is_told_apart_and_costs_nothing(server: Server, tmp_path: Path) -> None:
    server.faults.extend([Fault(), Fault("status", 400)])
    api = Api(spec(server, concurrency=1), tmp_path)
    first, second, third = api.chat(bodies(3))
    assert (first.refusal, third.refusal) == ("", "")
    assert second.refusal.startswith("400: ")
    assert api.record["refused"] == 1
    assert spent(tmp_path) == pytest.approx(2 * ONE)


def test_a_mistake_in_all_requests_stops_early(server: Server, tmp_path: Path) -> None:
    server.faults.extend([Fault("status", 400)] * 500)
    with pytest.raises(ApiError, match="refused each of the first"):
        Api(spec(server, concurrency=2), tmp_path).chat(bodies(300))
    assert len(server.asked) < 30


def test_a_wrong_key_is_an_error_that_says_where_it_comes_from(server: Server, tmp_path: Path) -> None:
    server.faults.append(Fault("status", 401))
    with pytest.raises(ApiError, match=r"api\.key_variable"):
        Api(spec(server), tmp_path).chat(bodies(1))


def test_nobody_listening_is_an_error_that_costs_nothing(server: Server, tmp_path: Path) -> None:
    away = spec(server, base_url="http://127.0.0.1:9/v1", retries=1)
    with pytest.raises(ApiError, match=r"tried 2 times"):
        Api(away, tmp_path).chat(bodies(1))
    assert spent(tmp_path) == 0


def test_a_missing_key_is_refused_before_anything_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ConfigError, match="NO_SUCH_KEY is not set"):
        Api(ApiSpec(key_variable="NO_SUCH_KEY"), tmp_path)


def test_a_server_without_keys_needs_none(server: Server, tmp_path: Path) -> None:
    assert len(Api(spec(server, key_variable=""), tmp_path).chat(bodies(1))) == 1


# --- budget


def test_the_budget_is_never_passed_and_what_was_paid_for_is_kept(server: Server, tmp_path: Path) -> None:
    budget = 0.004
    with pytest.raises(BudgetError, match=r"Raise api\.budget"):
        Api(spec(server, budget=budget), tmp_path).chat(bodies(100))
    assert 0 < billed_dollars(server) <= spent(tmp_path) <= budget
    n = sum(server.billed.values())
    assert len(Api(spec(server, budget=1), tmp_path).chat(bodies(100))) == 100
    assert sum(server.billed.values()) == 100
    assert n > 20  # what an answer did not cost is free for the next ones


def test_a_model_without_a_price_is_not_asked(server: Server, tmp_path: Path) -> None:
    body = bodies(1)[0] | {"model": "ratter"}
    with pytest.raises(ApiError, match=r"no price.*did you mean \"rater\""):
        Api(spec(server), tmp_path).chat([body])
    assert not server.asked


def test_an_answer_that_does_not_say_its_usage_counts_for_the_most_it_can_cost(server: Server, tmp_path: Path) -> None:
    server.answer = lambda body: {key: value for key, value in chat_answer().items() if key != "usage"}
    api = Api(spec(server), tmp_path)
    api.chat(bodies(1))
    assert spent(tmp_path) == Request("/chat/completions", bodies(1)[0]).most_nano(Price(input=1, output=2)) / NANO


# --- several processes, and dying ones


def test_what_a_killed_process_was_asking_is_taken_over(server: Server, tmp_path: Path) -> None:
    server.delay_s = 0.05
    first = worker(server, tmp_path, 100, concurrency=4)
    while len(server.asked) < 20 and first.poll() is None:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    under_way = 4
    done = sum(server.billed.values())
    assert done >= 10
    server.delay_s = 0.005
    assert len(Api(spec(server, concurrency=8), tmp_path).chat(bodies(100))) == 100
    # The server repeats what a key has paid for; without that, only what was under way could be billed again.
    assert set(server.billed.values()) == {1}
    assert len(server.asked) <= 100 + under_way
    assert spent(tmp_path) >= billed_dollars(server)


# --- pace


def test_all_wait_while_the_server_asks_to(server: Server, tmp_path: Path) -> None:
    server.faults.append(Fault("status", 429, {"retry-after": "1"}))
    Api(spec(server, concurrency=3), tmp_path).chat(bodies(8))
    gaps = np.diff(server.times)
    assert gaps.max() >= 0.4  # what was under way may come in late


def test_the_limits_that_the_server_tells_are_kept(server: Server, tmp_path: Path) -> None:
    server.limit_headers = {"x-ratelimit-limit-requests": "1200", "x-ratelimit-remaining-requests": "0"}
    Api(spec(server, concurrency=1), tmp_path).chat(bodies(5))
    # From the first, whose answer tells the limits: how late another one comes in is the machine's affair.
    assert server.times[-1] - server.times[0] >= 3 * 60 / 1200 * 0.99


def test_no_more_are_under_way_than_allowed(server: Server, tmp_path: Path) -> None:
    server.delay_s = 0.02
    server.holds = lambda: server.most_under_way < 3
    Api(spec(server, concurrency=3), tmp_path).chat(bodies(12))
    assert server.most_under_way == 3


# --- embeddings


def test_embeddings_are_rows_in_order_and_are_kept(server: Server, tmp_path: Path) -> None:
    api = Api(spec(server), tmp_path)
    one = api.embeddings("embedder", ["a", "b", "a"])
    assert one.shape == (3, 3)
    assert one.dtype == np.float32
    assert (one[0] == one[2]).all()
    assert (one[0] != one[1]).any()
    assert (Api(spec(server), tmp_path).embeddings("embedder", ["b"])[0] == one[1]).all()
    assert sum(server.billed.values()) == 2
    assert spent(tmp_path) == pytest.approx(2 * 9 / 1e6)


def test_a_text_that_is_refused_has_a_row_of_nan(server: Server, tmp_path: Path) -> None:
    server.faults.extend([Fault(), Fault("status", 400)])
    rows = Api(spec(server, concurrency=1), tmp_path).embeddings("embedder", ["a", "b", "c"])
    assert np.isnan(rows).any(axis=1).tolist() == [False, True, False]
