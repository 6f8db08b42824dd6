from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

HOLDER = """
import os, sys, time
from pathlib import Path
from inoc.engines.devices import take_devices
take_devices(lambda text: print("waits:", text, flush=True), n=int(sys.argv[2]), devices=Path(sys.argv[1]), pause=0.05)
print("has", os.environ.get("CUDA_VISIBLE_DEVICES", "any"), flush=True)
time.sleep(60)
"""


@pytest.fixture
def start(tmp_path):
    """Starts processes that each take a device of a made-up machine."""
    started = []

    def begin(n_devices=2, wanted=1, **environment):
        for number in range(n_devices):
            (tmp_path / f"nvidia{number}").touch()
        for other in ("nvidiactl", "nvidia-uvm"):
            (tmp_path / other).touch()
        inherited = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), str(wanted)],
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
    assert third.stdout.readline().startswith("waits: fewer than 1 of the 2 GPUs are free")
    os.kill(second.pid, signal.SIGKILL)
    assert third.stdout.readline() == has[second]


def test_a_choice_that_was_made_is_kept(start):
    assert start(CUDA_VISIBLE_DEVICES="3").stdout.readline() == "has 3\n"


@pytest.mark.parametrize("n_devices", [0, 1])
def test_with_fewer_than_two_devices_nothing_is_taken(start, n_devices):
    assert [start(n_devices).stdout.readline() for _ in range(3)] == ["has any\n"] * 3


def test_a_process_that_wants_two_devices_holds_none_while_it_waits_for_both(start):
    one = start(3)
    assert one.stdout.readline() == "has 0\n"
    assert start(3, wanted=2).stdout.readline() == "has 1,2\n"
    os.kill(one.pid, signal.SIGKILL)
    assert start(3, wanted=2).stdout.readline().startswith("waits: ")
    # It looks again and again, and then has the free one for a moment.
    said = iter(start(3).stdout.readline, "")
    assert next(line for line in said if not line.startswith("waits: ")) == "has 0\n"


def test_a_machine_with_too_few_devices_is_left_as_it_is(start):
    assert start(2, wanted=3).stdout.readline() == "has any\n"
