from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

HOLDER = """
import os, sys, time
from pathlib import Path
from inoc.devices import take_device
take_device(lambda text: print("waits:", text, flush=True), devices=Path(sys.argv[1]), pause=0.05)
print("has", os.environ.get("CUDA_VISIBLE_DEVICES", "any"), flush=True)
time.sleep(60)
"""


@pytest.fixture
def start(tmp_path):
    """Starts processes that each take a device of a made-up machine."""
    started = []

    def begin(n_devices=2, **environment):
        for number in range(n_devices):
            (tmp_path / f"nvidia{number}").touch()
        for other in ("nvidiactl", "nvidia-uvm"):
            (tmp_path / other).touch()
        inherited = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**inherited, "PYTHONPATH": ":".join(sys.path), "TMPDIR": str(tmp_path), **environment},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_each_process_gets_a_device_of_its_own(start):
    assert {start().stdout.readline(), start().stdout.readline()} == {"has 0\n", "has 1\n"}


def test_a_process_waits_for_a_device_and_gets_that_of_one_that_was_killed(start):
    first, second = start(), start()
    has = {process: process.stdout.readline() for process in (first, second)}
    assert set(has.values()) == {"has 0\n", "has 1\n"}
    third = start()
    assert third.stdout.readline().startswith("waits: all 2 GPUs are taken")
    time.sleep(0.2)
    os.kill(second.pid, signal.SIGKILL)
    assert third.stdout.readline() == has[second]


def test_a_choice_that_was_made_is_kept(start):
    assert start(CUDA_VISIBLE_DEVICES="3").stdout.readline() == "has 3\n"


@pytest.mark.parametrize("n_devices", [0, 1])
def test_with_fewer_than_two_devices_nothing_is_taken(start, n_devices):
    assert [start(n_devices).stdout.readline() for _ in range(3)] == ["has any\n"] * 3
