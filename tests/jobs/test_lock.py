from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from inoc.errors import InocError
from inoc.jobs.lock import hold

HOLDER = """
import pathlib, sys, time
from inoc.jobs.lock import hold
hold(pathlib.Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_workflow_is_refused_while_the_first_runs(holder, tmp_path):
    with pytest.raises(InocError, match="another workflow runs in this folder"):
        hold(tmp_path / "lock")


def test_a_killed_workflow_leaves_no_lock(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    hold(tmp_path / "lock")
