"""`inoc run` that is stopped waits for Snakemake, which cancels jobs and removes its locks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

JOB = """
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    pathlib.Path({name!r} + ".ready").touch()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.6)  # longer than `subprocess` waits by itself
    pathlib.Path({name!r} + ".ended").touch()
"""
SNAKEMAKE = f"""
import pathlib, subprocess, sys, time
job = subprocess.Popen([sys.executable, "-c", {JOB.format(name="job")!r}])
while not pathlib.Path("job.ready").exists():
    time.sleep(0.02)
print("ready", flush=True)
exec({JOB.format(name="snakemake")!r})
job.wait()
"""
RUN = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from inoc import cli
from inoc.run import commands
commands.run = lambda options: commands._call([sys.executable, "-c", {SNAKEMAKE!r}])
cli.main(["run", "smoke"])
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_snakemake_and_its_jobs_end_before_it_does(tmp_path: Path, number: signal.Signals, status: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while not (tmp_path / "snakemake.ready").exists():
            assert process.poll() is None
        if number == signal.SIGINT:  # as a terminal sends it
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert said.startswith("inoc: stopped")
    assert said.count("\n") == 1
    assert (tmp_path / "snakemake.ended").exists()
    assert (tmp_path / "job.ended").exists()
