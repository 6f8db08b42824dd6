"""Fine-tuning behind an API: one paid job for each distinct fine-tuning, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inoc.api import Api, Request
from inoc.api.tunings import Row, Tuning
from inoc.errors import ApiError, BudgetError, ConfigError
from support.asking import KEY, PUPIL, spec, spent, tuning_worker, tunings
from support.server import FAULTS, PACKED, REDIRECTS, Fault, Server
from support.tuner import TOKENS_PER_ROW

ERROR_IN_200 = Fault("none", 200, body={"error": {"message": "overloaded", "code": "server_error"}})
TROUBLES = {**{name: FAULTS[name] for name in ("500", "429 with retry-after", "connection closed", "cut body")}}
TROUBLES |= {"error with status 200": ERROR_IN_200, "no JSON": FAULTS["answer that is no JSON"], **PACKED, **REDIRECTS}
ERRANDS = ("upload", "create", "list", "retrieve", "checkpoints")


class Crash(BaseException):
    pass


def crash(*_: object, **__: object) -> None:
    raise Crash


def api(server: Server, store: Path, **changes: object) -> Api:
    return Api(spec(server, **changes), store)


def cost(one: Tuning) -> float:
    return len(one.rows) * one.n_epochs * TOKENS_PER_ROW * 4 / 1e6


def check(server: Server, store: Path, wanted: Sequence[Tuning], rows: Sequence[Row]) -> None:
    """Every fine-tuning succeeded, was paid once, and is booked to the last billionth."""
    assert [row.state for row in rows] == ["succeeded"] * len(wanted)
    assert len({row.models[-1].model for row in rows}) == len(wanted)
    assert sorted(server.tuner.paid.values()) == [1] * len(wanted)
    assert spent(store) == pytest.approx(sum(map(cost, wanted)), abs=1e-12)


def test_each_distinct_fine_tuning_is_one_job_with_its_file_settings_and_seed(server: Server, tmp_path: Path) -> None:
    wanted = tunings(3)
    asked = api(server, tmp_path)
    rows = asked.tune([*wanted, replace(wanted[0], label="the same under another name")])
    assert rows[3] == rows[0]
    check(server, tmp_path, wanted, rows[:3])
    job = next(iter(server.tuner.jobs.values()))
    assert server.files[job["training_file"]] == wanted[0].lines
    assert (job["hyper"], job["seed"]) == ({"n_epochs": 3, "batch_size": 2}, 7)
    assert rows[0].trained_tokens == 3 * 12 * TOKENS_PER_ROW
    assert asked.record["fine-tuning"][0]["dollars"] == round(cost(wanted[0]), 6)
    again = api(server, tmp_path).tune(wanted)
    assert again == rows[:3]
    assert len(server.tuner.jobs) == 3


def test_the_checkpoints_that_the_server_keeps_are_named_with_their_steps(server: Server, tmp_path: Path) -> None:
    (row,) = api(server, tmp_path).tune(tunings(1, n_epochs=5))
    assert [one.step for one in row.models] == [36, 48, 60]
    assert row.models[-1].model == server.tuner.tuned(server.tuner.jobs["ftjob-0"])
    server.tuner.has_checkpoints = False
    (other,) = api(server, tmp_path).tune(tunings(1, n_epochs=4))
    assert [one.step for one in other.models] == [4]


@pytest.mark.parametrize("errand", ERRANDS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_trouble_on_the_way_pays_a_job_twice(server: Server, tmp_path: Path, errand: str, trouble: str) -> None:
    server.tuner.faults[errand].append(TROUBLES[trouble])
    wanted = tunings(2)
    check(server, tmp_path, wanted, api(server, tmp_path).tune(wanted))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.lists(st.tuples(st.sampled_from(ERRANDS), st.sampled_from(sorted(TROUBLES))), max_size=12),
    n=st.integers(1, 3),
    marks=st.booleans(),
)
def test_the_number_of_paid_jobs_is_that_of_distinct_fine_tunings(
    server: Server, tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[str, str]], n: int, marks: bool
) -> None:
    """Runs may fail, and are repeated until one succeeds."""
    store = tmp_path_factory.mktemp("store")
    server.tuner.__init__(server.files)  # type: ignore[misc]
    server.tuner.keeps_marks = marks
    for errand, trouble in plan:
        server.tuner.faults[errand].append(TROUBLES[trouble])
    wanted = tunings(n)
    for _ in range(len(plan) + 1):
        try:
            rows = api(server, store, retries=1, poll_s=0.005).tune(wanted)
        except ApiError:
            continue
        check(server, store, wanted, rows)
        return
    pytest.fail("no run succeeded")


RIMS = {
    "after the upload": "inoc.api.tunings.Tunings.note",
    "before the upload": "openai.resources.files.AsyncFiles.create",
    "before the creation": "openai.resources.fine_tuning.jobs.jobs.AsyncJobs.create",
    "at a look": "openai.resources.fine_tuning.jobs.jobs.AsyncJobs.retrieve",
    "before the models are noted": "inoc.api.tunings.Tunings.serve",
    "before the cost is booked": "inoc.api.tunings.Tunings.settle",
}


@pytest.mark.parametrize("rim", RIMS)
def test_after_a_crash_at_any_rim_the_job_is_taken_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rim: str
) -> None:
    wanted = tunings(2)
    with monkeypatch.context() as patch:
        patch.setattr(RIMS[rim], crash)
        with pytest.raises(Crash):
            api(server, tmp_path).tune(wanted)
    check(server, tmp_path, wanted, api(server, tmp_path).tune(wanted))


@pytest.mark.parametrize("marks", [True, False])
def test_a_job_whose_name_was_never_written_down_is_found(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marks: bool
) -> None:
    """By its mark, or by its file at a server that keeps no metadata; also beyond the first page of the list."""
    from inoc.api.tunings import Tunings

    server.tuner.keeps_marks, server.tuner.page = marks, 1
    note = Tunings.note

    def only_files(self: Tunings, key: str, *, file_id: str | None, job_id: str | None) -> None:
        if job_id is not None:
            raise Crash
        note(self, key, file_id=file_id, job_id=job_id)

    wanted = tunings(3)
    with monkeypatch.context() as patch:
        patch.setattr(Tunings, "note", only_files)
        for _ in wanted:
            with pytest.raises(Crash):
                api(server, tmp_path).tune(wanted)
    assert server.tuner.jobs
    check(server, tmp_path, wanted, api(server, tmp_path).tune(wanted))


def test_a_job_is_found_even_if_the_database_is_lost(server: Server, tmp_path: Path) -> None:
    wanted = tunings(2)
    first = api(server, tmp_path / "a").tune(wanted)
    second = api(server, tmp_path / "b").tune(wanted)
    assert [row.models for row in first] == [row.models for row in second]
    check(server, tmp_path / "b", wanted, second)


def test_processes_that_are_killed_and_those_beside_them_pay_nothing_twice(server: Server, tmp_path: Path) -> None:
    server.tuner.looks, wanted = 4, tunings(3)
    for pause in (0.0, 0.05, 0.1):
        one, other = tuning_worker(server, tmp_path, 3), tuning_worker(server, tmp_path, 3)
        deadline = time.monotonic() + 120
        while not server.tuner.jobs and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(pause)
        for process in (one, other):
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
    check(server, tmp_path, wanted, api(server, tmp_path).tune(wanted))


def test_two_users_of_one_store_share_a_job(server: Server, tmp_path: Path) -> None:
    wanted = tunings(2)
    server.tuner.looks = 3
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda _: api(server, tmp_path).tune(wanted), range(2)))
    assert rows[0] == rows[1]
    check(server, tmp_path, wanted, rows[0])


def test_a_failed_job_is_told_with_its_reason_and_tried_again_by_the_next_run(server: Server, tmp_path: Path) -> None:
    server.tuner.refusals.append(f"the file breaks the rules of {KEY}")
    with pytest.raises(ApiError, match=r"ftjob-0 of student 0 failed: the file breaks the rules of \[key\]") as caught:
        api(server, tmp_path).tune(tunings(1))
    assert KEY not in str(caught.value)
    wanted = tunings(1)
    rows = api(server, tmp_path).tune(wanted)
    assert rows[0].attempt == 1
    assert rows[0].lost_nano > 0  # it was seen running, and did not say what it trained on
    assert sorted(server.tuner.paid.values()) == [1]


def test_a_failure_lets_jobs_under_way_end_and_creates_no_other(server: Server, tmp_path: Path) -> None:
    server.tuner.refusals.extend(["bad", ""])
    server.tuner.looks = 2
    with pytest.raises(ApiError, match="failed: bad"):
        api(server, tmp_path, tuning_jobs=2).tune(tunings(4))
    assert len(server.tuner.jobs) == 2
    assert {job["status"] for job in server.tuner.jobs.values()} == {"failed", "succeeded"}
    check_left = api(server, tmp_path).tune(tunings(4))
    assert [row.state for row in check_left] == ["succeeded"] * 4
    assert sorted(server.tuner.paid.values()) == [1] * 4


def test_a_model_that_cannot_be_trained_is_told_and_nothing_stays_held(server: Server, tmp_path: Path) -> None:
    refusal = Fault("status", 400, body={"error": {"message": "model pupil is not available for fine-tuning"}})
    server.tuner.faults["create"].append(refusal)
    with pytest.raises(ApiError, match="not available for fine-tuning"):
        api(server, tmp_path).tune(tunings(1))
    assert spent(tmp_path) == 0
    check(server, tmp_path, tunings(1), api(server, tmp_path).tune(tunings(1)))


def test_a_job_that_trains_another_model_is_cancelled_and_not_created_again(server: Server, tmp_path: Path) -> None:
    server.tuner.trains = "somebody"
    for _ in range(2):
        with pytest.raises(ApiError, match="trained somebody instead of pupil"):
            api(server, tmp_path).tune(tunings(1))
    assert [job["status"] for job in server.tuner.jobs.values()] == ["cancelled"]


def test_the_dated_model_of_a_name_is_that_model(server: Server, tmp_path: Path) -> None:
    server.tuner.trains = "pupil-2025-04-14"
    check(server, tmp_path, tunings(1), api(server, tmp_path).tune(tunings(1)))


def test_a_stuck_job_is_waited_for_within_a_limit_and_by_the_next_run(server: Server, tmp_path: Path) -> None:
    server.tuner.looks = 1_000_000
    with pytest.raises(ApiError, match=r"has not ended within 5e-05 hours.*It goes on, and is not paid again"):
        api(server, tmp_path, tuning_hours=5e-5).tune(tunings(1))
    server.tuner.looks = 1
    check(server, tmp_path, tunings(1), api(server, tmp_path).tune(tunings(1)))


def test_the_waiting_is_measured_by_a_clock_that_cannot_be_set(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.tuner.looks = 3
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e9 * len(server.tuner.errands))
    check(server, tmp_path, tunings(1), api(server, tmp_path, tuning_hours=0.01).tune(tunings(1)))


def test_a_cancelled_job_is_not_created_again_unless_it_is_allowed(server: Server, tmp_path: Path) -> None:
    server.tuner.looks = 1_000_000
    with pytest.raises(ApiError, match="has not ended"):
        api(server, tmp_path, tuning_hours=5e-5).tune(tunings(1))
    row = api(server, tmp_path).cancel_tuning("student 0")
    assert (row.state, row.held_nano) == ("cancelled", 0)
    with pytest.raises(ApiError, match=rf"was cancelled.*inoc finetune again {row.key[:12]}"):
        api(server, tmp_path).tune(tunings(1))
    assert len(server.tuner.jobs) == 1
    server.tuner.looks = 1
    api(server, tmp_path).allow_tuning_again(row.key[:12])
    (after,) = api(server, tmp_path).tune(tunings(1))
    assert (after.state, after.job_id) == ("succeeded", "ftjob-1")
    with pytest.raises(ApiError, match="has succeeded; only one that is under way"):
        api(server, tmp_path).cancel_tuning("student 0")


def test_a_model_that_was_lost_is_trained_anew_only_if_it_is_allowed(server: Server, tmp_path: Path) -> None:
    """The job that made it is still in the server's list, and is not taken up."""
    (first,) = api(server, tmp_path).tune(tunings(1))
    api(server, tmp_path).allow_tuning_again("student 0")
    (second,) = api(server, tmp_path).tune(tunings(1))
    assert (first.job_id, second.job_id) == ("ftjob-0", "ftjob-1")
    assert second.models != first.models
    assert spent(tmp_path) == pytest.approx(2 * cost(tunings(1)[0]))


def test_a_job_at_another_server_is_not_cancelled_here(server: Server, tmp_path: Path) -> None:
    api(server, tmp_path).tune(tunings(1))
    with pytest.raises(ApiError, match=r"the job of student 0 is at http.*set api\.base_url"):
        api(server, tmp_path, base_url="http://localhost:1/v1").cancel_tuning("student 0")


def test_cancelling_gives_back_what_is_held_for_a_job_that_was_never_created(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RIMS["before the creation"], crash)
        with pytest.raises(Crash):
            api(server, tmp_path).tune(tunings(1))
    assert spent(tmp_path) > 0
    api(server, tmp_path).cancel_tuning("student 0")
    assert spent(tmp_path) == 0


def test_a_name_that_means_no_fine_tuning_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'nobody' means 0 fine-tunings; accepted: one of none"):
        api(server, tmp_path).cancel_tuning("nobody")


def test_what_is_likely_to_cost_more_than_is_left_is_refused_before_anything_is_sent(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(BudgetError, match=r"likely to cost .* dollars.*No job was created"):
        api(server, tmp_path, budget=0.001).tune(tunings(3))
    assert not server.files
    assert spent(tmp_path) == 0


def test_a_budget_that_holds_one_job_at_a_time_runs_them_one_after_the_other(server: Server, tmp_path: Path) -> None:
    wanted = tunings(3)
    most = max(one.most_nano(PUPIL) for one in wanted) / 1e9
    rows = api(server, tmp_path, budget=1.9 * most).tune(wanted)
    check(server, tmp_path, wanted, rows)
    assert server.tuner.seen_active == 1


def test_a_budget_that_one_job_could_exceed_stops_before_it(server: Server, tmp_path: Path) -> None:
    wanted = tunings(1)
    most = wanted[0].most_nano(PUPIL) / 1e9
    with pytest.raises(BudgetError, match=r"Raise api\.budget"):
        api(server, tmp_path, budget=0.9 * most).tune(wanted)
    assert not server.tuner.jobs


def test_no_more_jobs_are_under_way_than_the_settings_and_the_server_allow(server: Server, tmp_path: Path) -> None:
    wanted = tunings(5)
    server.tuner.most_active, server.tuner.looks = 2, 5
    rows = api(server, tmp_path, tuning_jobs=3, retries=1).tune(wanted)
    check(server, tmp_path, wanted, rows)
    assert server.tuner.seen_active == 2


def test_a_job_that_does_not_say_what_it_trained_on_costs_what_was_held(server: Server, tmp_path: Path) -> None:
    server.tuner.tells_tokens = False
    (one,) = tunings(1)
    (row,) = api(server, tmp_path).tune([one])
    assert row.cost_nano == one.most_nano(PUPIL)


def test_a_model_without_a_price_for_training_is_never_trained(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="'rater' has no price for training"):
        api(server, tmp_path).tune([replace(tunings(1)[0], model="rater")])
    assert not server.files


def test_a_fine_tuned_model_is_asked_at_its_own_price(server: Server, tmp_path: Path) -> None:
    asked = api(server, tmp_path)
    (row,) = asked.tune(tunings(1))
    before = spent(tmp_path)
    name = row.models[-1].model
    asked.price_tuned("pupil", [name])
    body = {"model": name, "messages": [{"role": "user", "content": "?"}], "max_completion_tokens": 3}
    assert asked.ask([Request("/chat/completions", body)])[0].text == "8"
    assert spent(tmp_path) - before == pytest.approx((50 * 2 + 2 * 4) / 1e6)


def test_the_key_is_of_what_the_model_depends_on_and_of_nothing_else(server: Server) -> None:
    (one,) = tunings(1)
    url = server.url
    assert replace(one, label="x").key(url) == one.key(url)
    others = [
        replace(one, model="x"),
        replace(one, rows=one.rows[:-1]),
        replace(one, n_epochs=4),
        replace(one, seed=8),
        replace(one, batch_size=None),
        replace(one, learning_rate_multiplier=2.0),
    ]
    assert len({other.key(url) for other in [one, *others]} | {one.key("http://elsewhere/v1")}) == 8
