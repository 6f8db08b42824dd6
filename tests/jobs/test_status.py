from __future__ import annotations

import json
import os
import socket
import time

import pytest

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.jobs.status import states
from inoc.jobs.work import expected_jobs
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
    expected = expected_jobs(Study.model_validate(STUDY), paths, Shards(score=3))
    jobs = [(one.job, one.output) for one in expected]
    return {state.job: state for state in states(jobs, paths.stage("status"))}[job]


def test_a_job_without_a_trace_is_left(paths):
    assert state_of(paths, "score-2").state == "left"


def test_a_job_whose_process_lives_is_running_with_its_rate(paths):
    beat(paths, "score-1")
    assert state_of(paths, "score-1").state == "running"
    assert "3 of 10 responses (30 %), 0.5 responses/s, 14 s left" in state_of(paths, "score-1").detail


def test_a_job_whose_process_died_was_killed(paths):
    beat(paths, "score-1", pid=DEAD)
    assert state_of(paths, "score-1").state == "killed"


def test_a_job_on_another_machine_counts_as_running_while_its_word_is_fresh(paths):
    beat(paths, "score-1", host="elsewhere", pid=DEAD)
    assert state_of(paths, "score-1").state == "running"
    beat(paths, "score-1", host="elsewhere", pid=DEAD, updated=time.time() - 3600)
    assert state_of(paths, "score-1").state == "killed"


def test_a_job_that_raised_failed(paths):
    beat(paths, "score-1", state="failed")
    assert state_of(paths, "score-1").state == "failed"


def test_a_job_with_its_output_is_finished(paths):
    beat(paths, "score-1", state="finished")
    paths.logprobs(1).parent.mkdir(parents=True)
    paths.logprobs(1).touch()
    assert state_of(paths, "score-1").state == "finished"
