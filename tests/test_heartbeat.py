from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from inoc.heartbeat import beating
from inoc.progress import metered

OFTEN = 0.02


def read(path):
    return json.loads(path.read_text())


def wait_for(true, seconds=300.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(OFTEN / 4)


def test_a_job_that_says_nothing_beats_all_the_same(tmp_path):
    path = tmp_path / "status" / "beat.json"
    with beating(path, OFTEN):
        first = read(path)["updated"]
        wait_for(lambda: read(path)["updated"] > first)
        assert read(path)["state"] == "running"
    assert read(path)["state"] == "finished"
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


def test_the_last_word_stays_the_last(tmp_path):
    path = tmp_path / "beat.json"
    with beating(path, OFTEN):
        pass
    ended = path.read_text()
    time.sleep(5 * OFTEN)
    assert path.read_text() == ended


def test_a_meter_inside_beats_with_the_job_s_heart_and_does_not_end_it(tmp_path):
    path = tmp_path / "beat.json"
    with beating(path, OFTEN):
        assert read(path)["label"] == "starting"
        with metered("scoring", 2, "things", path, io.StringIO()) as meter:
            meter.advance(2)
        beat = read(path)
        assert (beat["state"], beat["label"], beat["done"]) == ("running", "scoring", 2)
    assert read(path)["state"] == "finished"


def test_an_error_is_said_with_what_was_done_until_then(tmp_path):
    path = tmp_path / "beat.json"
    with (
        pytest.raises(ValueError, match="no room"),
        beating(path, OFTEN),
        metered("scoring", 9, "things", path, io.StringIO()) as meter,
    ):
        meter.advance(4)
        raise ValueError("no room")
    beat = read(path)
    assert (beat["state"], beat["done"], beat["error"]) == ("failed", 4, "no room")


def test_the_beats_of_a_process_that_the_job_started_are_not_overwritten_while_they_come(tmp_path):
    path = tmp_path / "beat.json"
    child = (
        "import io, os, sys, time\nfrom pathlib import Path\nfrom inoc.heartbeat import _BEATING\n"
        "from inoc.progress import metered\npath = Path(sys.argv[1])\n"
        "with metered('training', 9, 'steps', path, io.StringIO()):\n"
        "    for _ in sys.stdin:\n"
        "        _BEATING[path].say({})\n"
        "        os.utime(path, (time.time() + 60,) * 2)\n"  # as fresh as a beat that has just come
        "        print('beats', flush=True)\n"
    )
    with beating(path, 0.2):
        with subprocess.Popen(
            [sys.executable, "-c", child, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:

            def stays() -> bool:
                """The beat of a child; on a busy machine one of ours may have been under way when it came."""
                process.stdin.write("beat\n")
                process.stdin.flush()
                assert process.stdout.readline() == "beats\n"
                time.sleep(0.5)
                return read(path)["label"] == "training"

            wait_for(stays)
            process.communicate()
        os.utime(path, (0, 0))
        wait_for(lambda: read(path)["pid"] == os.getpid())


def test_a_beat_that_cannot_be_written_stops_neither_the_job_nor_the_next_beat(tmp_path):
    path = tmp_path / "status" / "beat.json"
    with beating(path, OFTEN):
        while not path.is_dir():  # a beat may come in between
            path.unlink(missing_ok=True)
            with contextlib.suppress(FileExistsError):
                path.mkdir()  # nothing can be renamed onto a folder
        time.sleep(3 * OFTEN)
        old = tmp_path / "old.json"
        old.write_text("{}")
        os.utime(old, (0, 0))
        path.rmdir()
        old.replace(path)
        wait_for(lambda: "state" in read(path))
