"""Asking in batches: the same answers at a part of the price, and a crash pays for nothing again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inoc.api import Api
from inoc.api.cache import Batch, Cache
from inoc.errors import ApiError, BudgetError
from support.asking import KEY, ONE, bodies, spec, spent, worker
from support.server import FAULTS, LATE, PACKED, REDIRECTS, Fault, Server


class Crash(BaseException):
    pass


def crash(*_: object, **__: object) -> None:
    raise Crash


def ask(server: Server, store: Path, n: int, mode: str = "batch", **changes: object) -> Api:
    api = Api(spec(server, mode=mode, **changes), store)
    assert [reply.text for reply in api.chat(bodies(n))] == ["8"] * n
    return api


def test_a_batch_costs_half_and_fills_the_same_rows_as_live(server: Server, tmp_path: Path) -> None:
    ask(server, tmp_path, 5)
    assert spent(tmp_path) == pytest.approx(5 * ONE / 2)
    live = ask(server, tmp_path, 6, mode="live")
    assert live.record["answered now"] == 1
    assert ask(server, tmp_path, 6).record["answered now"] == 0
    assert len(server.batches) == 1
    assert set(server.billed.values()) == {1}


@pytest.mark.parametrize("place", ["files.create", "note_batch", "batches.retrieve", "files.content", "keep"])
def test_after_a_crash_a_batch_is_taken_up_and_not_paid_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    targets = {
        "files.create": "openai.resources.files.AsyncFiles.create",
        "note_batch": "inoc.api.cache.Cache.note_batch",
        "batches.retrieve": "openai.resources.batches.AsyncBatches.retrieve",
        "files.content": "openai.resources.files.AsyncFiles.content",
        "keep": "inoc.api.cache.Cache.keep",
    }
    with monkeypatch.context() as patch:
        patch.setattr(targets[place], crash)
        patch.setattr("inoc.api.cache.Cache.end_batch", lambda *_, **__: None)  # a dead process ends nothing
        with pytest.raises(Crash):
            ask(server, tmp_path, 4)
    ask(server, tmp_path, 4)
    assert len(server.batches) == 1
    assert set(server.billed.values()) == {1}
    assert spent(tmp_path) == pytest.approx(4 * ONE / 2)


def test_a_batch_that_was_made_before_the_crash_is_found_by_its_mark(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, noted = Cache.note_batch, []

    def only_the_file(cache: Cache, batch: Batch) -> None:
        if noted:
            raise Crash  # the server has the batch, and nobody wrote down its name
        noted.append(batch)
        note(cache, batch)

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(Cache, "note_batch", only_the_file)
        ask(server, tmp_path, 4)
    assert len(server.batches) == 1
    ask(server, tmp_path, 4)
    assert len(server.batches) == 1
    assert set(server.billed.values()) == {1}


def test_a_batch_of_a_killed_process_is_taken_up_by_the_next(server: Server, tmp_path: Path) -> None:
    server.looks_needed = 10**6
    first = worker(server, tmp_path, 20, mode="batch")
    while not any(batch["looks"] > 2 for batch in list(server.batches.values())) and first.poll() is None:
        time.sleep(0.02)
    first.kill()
    first.communicate()
    server.looks_needed = 1
    ask(server, tmp_path, 20)
    assert len(server.batches) == 1
    assert set(server.billed.values()) == {1}
    assert spent(tmp_path) == pytest.approx(20 * ONE / 2)


def test_two_who_ask_the_same_at_once_make_one_batch(server: Server, tmp_path: Path) -> None:
    server.looks_needed = 5
    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(ask, server, tmp_path, 8) for _ in range(2)]
        dollars = [one.result().record["dollars"] for one in asking]
    assert len(server.batches) == 1
    assert dollars == [pytest.approx(8 * ONE / 2)] * 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_fault_at_any_errand_of_a_batch_loses_nothing_and_makes_no_other(
    server: Server, tmp_path: Path, fault: Fault
) -> None:
    server.errand_fault = fault
    ask(server, tmp_path, 5, timeout_s=0.05 if fault.kind in LATE else 60.0)
    assert len(server.batches) == 1
    assert set(server.billed.values()) == {1}
    assert len(server.billed) == 5
    assert spent(tmp_path) == pytest.approx(5 * ONE / 2)


@pytest.mark.parametrize("trouble", [*PACKED, *REDIRECTS])
def test_a_redirect_or_a_torn_answer_at_any_errand_of_a_batch_makes_no_other(
    server: Server, tmp_path: Path, trouble: str
) -> None:
    server.errand_fault = (PACKED | REDIRECTS)[trouble]
    assert [reply.text for reply in Api(spec(server, mode="batch"), tmp_path).chat(bodies(4))] == ["8"] * 4
    assert len(server.batches) == 1
    assert set(server.billed.values()) == {1}


def test_a_batch_whose_making_was_not_confirmed_is_found_and_not_made_again(server: Server, tmp_path: Path) -> None:
    server.batch_lost_replies = 1
    ask(server, tmp_path, 3)
    assert len(server.batches) == 1
    assert set(server.billed.values()) == {1}


def test_a_batch_that_the_server_does_not_know_is_paid_again_only_when_it_must_be(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.looks_needed = 10**6
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr("openai.resources.batches.AsyncBatches.retrieve", crash)
        ask(server, tmp_path, 3)
    server.batches.clear()
    with pytest.raises(ApiError, match=r"does not know the batch batch-0 of .* key of the account that sent it"):
        ask(server, tmp_path, 3)
    assert not server.batches
    monkeypatch.setattr("inoc.api.batch._FORGOTTEN_S", 0.0)
    server.looks_needed = 1
    ask(server, tmp_path, 3)
    assert len(server.batches) == 1
    assert spent(tmp_path) > 3 * ONE / 2  # the first may have been billed


def test_asking_live_waits_for_a_batch_that_has_the_question(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("openai.resources.batches.AsyncBatches.retrieve", crash)
        with pytest.raises(Crash):
            ask(server, tmp_path, 3)
    live = ask(server, tmp_path, 5, mode="live")
    assert len(server.asked) == 2
    assert set(server.billed.values()) == {1}
    assert live.record["dollars"] == pytest.approx(3 * ONE / 2 + 2 * ONE)


def test_a_download_that_is_cut_is_repeated(server: Server, tmp_path: Path) -> None:
    server.batch_cuts = 2
    ask(server, tmp_path, 6)
    assert len(server.batches) == 1
    assert spent(tmp_path) == pytest.approx(6 * ONE / 2)


def test_what_an_expired_batch_did_not_get_to_goes_into_the_next(server: Server, tmp_path: Path) -> None:
    server.batch_answers = 2
    ask(server, tmp_path, 5)
    assert len(server.batches) == 3
    assert set(server.billed.values()) == {1}
    assert spent(tmp_path) == pytest.approx(5 * ONE / 2)


def test_lines_that_failed_are_asked_again_and_refused_ones_are_not(server: Server, tmp_path: Path) -> None:
    server.batch_status = {1: 500}
    ask(server, tmp_path / "again", 3)
    assert len(server.batches) == 2
    server.batch_status = {1: 400}
    api = Api(spec(server, mode="batch"), tmp_path / "refused")
    replies = api.chat(bodies(3))
    assert sorted(reply.refusal for reply in replies) == ["", "", "400: status 400"]


def test_batches_that_bring_nothing_are_an_error(server: Server, tmp_path: Path) -> None:
    server.batch_answers = 0
    with pytest.raises(ApiError, match="3 batches in a row brought no answer"):
        ask(server, tmp_path, 2)
    assert spent(tmp_path) == 0


def test_a_refused_batch_is_an_error_with_its_reason_and_costs_nothing(server: Server, tmp_path: Path) -> None:
    server.batch_failure = f"too many tokens are waiting for {KEY}"
    with pytest.raises(ApiError, match=r"too many tokens are waiting for \[key\]"):
        ask(server, tmp_path, 2)
    assert spent(tmp_path) == 0
    server.batch_failure = ""
    ask(server, tmp_path, 2)


def test_a_batch_is_as_large_as_the_budget_allows(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BudgetError):
        ask(server, tmp_path, 60, budget=0.001)
    assert 0 < spent(tmp_path) <= 0.001
    assert 0 < sum(server.billed.values()) < 60
    ask(server, tmp_path, 60)
    assert set(server.billed.values()) == {1}
    assert len(server.billed) == 60


def test_embeddings_can_be_asked_in_batches(server: Server, tmp_path: Path) -> None:
    rows = Api(spec(server, mode="batch"), tmp_path).embeddings("embedder", ["a", "b"])
    assert (rows == Api(spec(server), tmp_path / "live").embeddings("embedder", ["a", "b"])).all()
