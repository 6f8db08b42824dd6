"""Ctrl-C and SIGTERM at every moment of a verb."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inoc import cli
from inoc.heartbeat import beating
from inoc.signals import Terminated, held_back, leaving_at_once, raising

VERB = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts in the background ignore it
from inoc import {place}
def dwell(*_):
    print("ready", flush=True)
    time.sleep(60)
{place}.{name} = dwell
from inoc.__main__ import main
sys.argv = ["inoc", "store", "count"]
main()
"""
IMPORTING = """
import importlib.abc, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {name!r}:
            print("ready", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
from inoc.__main__ import main
sys.argv = ["inoc", "store", "count"]
main()
"""
MOMENTS = {
    "import of the command line": IMPORTING.format(name="inoc.cli"),
    "import for a verb's arguments": IMPORTING.format(name="pydantic"),
    "making of the parser": VERB.format(place="cli", name="all_stages"),
    "work": VERB.format(place="cli", name="_store_count"),
}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_verb_that_is_stopped_says_so_in_one_line(moment: str, number: signal.Signals, status: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", MOMENTS[moment]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert said.startswith("inoc: stopped")
    assert said.count("\n") == 1
    assert ("SIGTERM" in said) == (number == signal.SIGTERM)


def test_a_job_that_is_terminated_beats_for_the_last_time(tmp_path: Path) -> None:
    path = tmp_path / "beat.json"
    with pytest.raises(Terminated), raising(), beating(path):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    assert json.loads(path.read_text())["state"] == "failed"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_a_program_does_with_its_signals_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with leaving_at_once(), raising():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)

    def fail(_: object) -> None:
        raise Terminated

    monkeypatch.setattr(cli, "_store_count", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main(["store", "count"])
    assert caught.value.code == 143


def test_a_process_that_was_forked_off_ends_as_it_would_without() -> None:
    with raising():
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_waits_for_the_end_of_steps_that_belong_together(
    number: signal.Signals, error: type[KeyboardInterrupt]
) -> None:
    done = []
    with raising():
        before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
        with pytest.raises(error), held_back():
            for step in range(3):
                signal.raise_signal(number)
                done.append(step)
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    assert done == [0, 1, 2]


ENDING = """
import atexit, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
def dwell():
    print("ready", flush=True)
    time.sleep(60)
from inoc import cli
cli.main = lambda: atexit.register(dwell)
from inoc.__main__ import main
main()
"""
ENDED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Last:
    def __init__(self):
        self.stop = signal.raise_signal
    def __del__(self):  # when modules are taken down
        self.stop({number})
sys.kept = Last()
sys.argv = ["inoc", "--version"]
from inoc.__main__ import main
main()
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_a_program_ends_is_told_in_one_line(number: signal.Signals, status: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert said.startswith("inoc: stopped")
    assert said.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_all_was_done_changes_nothing(number: signal.Signals) -> None:
    code = ENDED.format(number=int(number))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
