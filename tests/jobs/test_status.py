from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from inoc.heartbeat import BEAT_EVERY_S
from inoc.jobs.paths import Paths
from inoc.jobs.status import STALE_S, states
from inoc.jobs.work import present_jobs
from inoc.studies.inoculation.study import Study
from support.toy import STUDY

DEAD = 2**22 + 1  # above the largest process id of Linux


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path, "toy")


def beat(paths, job, **changes):
    value = {
        "label": "scoring",
        "state": "running",
        "done": 3,
        "total": 10,
        "unit": "responses",
        "elapsed_s": 6.0,
        "rate": 0.5,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "updated": time.time(),
        **changes,
    }
    path = paths.stage("status") / f"{job}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def state_of(paths, job):
    (state,) = states([(job, paths.logprobs(1))], paths.stage("status"))
    return state


def write_output(paths):
    path = paths.logprobs(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_jobs_are_plain_names_and_files(tmp_path):
    (tmp_path / "there").touch()
    jobs = [("read-0", tmp_path / "there"), ("read-1", tmp_path / "not there")]
    assert [(state.job, state.state) for state in states(jobs, tmp_path / "status")] == [
        ("read-0", "finished"),
        ("read-1", "left"),
    ]


def test_a_job_without_a_trace_is_left(paths):
    assert state_of(paths, "score-2").state == "left"


def test_a_job_whose_process_lives_is_running_with_its_rate(paths):
    beat(paths, "score-1")
    assert state_of(paths, "score-1").state == "running"
    assert "3 of 10 responses (30 %), 0.5 responses/s, 14 s left" in state_of(paths, "score-1").detail


def test_a_job_whose_process_died_was_killed(paths):
    beat(paths, "score-1", pid=DEAD)
    assert state_of(paths, "score-1").state == "killed"


def test_a_job_on_another_machine_is_never_said_to_be_killed(paths):
    beat(paths, "score-1", host="elsewhere", pid=DEAD)
    assert state_of(paths, "score-1").state == "running"
    beat(paths, "score-1", host="elsewhere", pid=DEAD, updated=time.time() - 720)
    found = state_of(paths, "score-1")
    assert found.state == "silent"
    assert found.detail == "scoring: 3 of 10 responses; no sign of life from elsewhere for 12 min 00 s"


def test_silence_of_another_machine_means_several_beats_that_did_not_come():
    assert STALE_S >= 60 + 2 * BEAT_EVERY_S  # shared file systems may show a file of a minute ago
    assert BEAT_EVERY_S <= 30


def test_a_process_that_got_a_dead_job_s_number_does_not_make_it_run(paths):
    beat(paths, "score-1", pid=os.getpid(), updated=time.time() - 3600)
    assert state_of(paths, "score-1").state == "silent"


def test_a_job_that_raised_failed(paths):
    beat(paths, "score-1", state="failed")
    assert state_of(paths, "score-1").state == "failed"


def test_a_job_that_ran_again_and_failed_is_not_finished_because_of_its_former_output(paths):
    output = write_output(paths)
    os.utime(output, (time.time() - 60,) * 2)
    beat(paths, "score-1", state="failed")
    assert state_of(paths, "score-1").state == "failed"


def test_a_job_with_its_output_is_finished(paths):
    beat(paths, "score-1", state="finished")
    write_output(paths)
    assert state_of(paths, "score-1").state == "finished"


FAILING = """
import sys
from pathlib import Path
from inoc.errors import ModelError
from inoc.heartbeat import beating
with beating(Path(sys.argv[1])):
    if sys.argv[2] == "raise":
        raise ModelError("no weights in models/x. Copy them there")
    print("lives", flush=True)
    sys.stdin.readline()
"""


def test_a_job_that_fails_before_its_first_step_has_failed_with_its_reason(paths):
    heartbeat = paths.stage("status") / "score-1.json"
    subprocess.run([sys.executable, "-c", FAILING, str(heartbeat), "raise"], capture_output=True, check=False)
    found = state_of(paths, "score-1")
    assert found.state == "failed"
    assert found.detail == "before its first step: no weights in models/x. Copy them there; see logs/score"


def test_a_job_that_is_killed_before_its_first_step_was_running_and_is_killed(paths):
    heartbeat = paths.stage("status") / "score-1.json"
    command = [sys.executable, "-c", FAILING, str(heartbeat), "live"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "lives\n"
        assert state_of(paths, "score-1")[1:] == ("running", "starting")
        process.kill()
    found = state_of(paths, "score-1")
    assert found.state == "killed"
    assert found.detail.startswith("before its first step")


def jobs_of(paths, **changes):
    return present_jobs(Study.model_validate({**STUDY, **changes}), paths, {"score": 3})


def test_a_world_that_the_study_does_not_use_is_no_job(paths):
    world = {"documents": 400, "steps": 12}
    assert "world-0" in dict(jobs_of(paths, world=world, model={"path": "world"}))
    assert "world-0" not in dict(jobs_of(paths, world=world, model={"path": "models/another"}))


def test_an_imported_study_has_nothing_left_that_no_job_will_ever_make(paths):
    assert "elicit-0" in dict(jobs_of(paths))
    listing = paths.stage("imports") / "findings.json"
    for path in (listing, paths.scores("elicit")):
        path.parent.mkdir(parents=True)
        path.touch()
    found = states(jobs_of(paths), paths.stage("status"))
    assert [(state.job, state.state) for state in found] == [
        ("judge-elicit-0", "finished"),
        ("analyse-0", "left"),
        ("figures-0", "left"),
        ("report-0", "left"),
    ]
