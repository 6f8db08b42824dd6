"""Ctrl-C while figures are drawn in several processes, which a terminal sends to all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import support

SLOW = """
import pathlib, time
from support.drawn import draw_line
def draw(study, sources):
    pathlib.Path(f"drawing-{time.monotonic_ns()}").touch()
    time.sleep(1.5)
    return draw_line(study, sources)
"""
RUN = """
import signal, time
from pathlib import Path
if __name__ == "__mp_main__":
    Path(f"starting-{time.monotonic_ns()}").touch()
    time.sleep(0.8)
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from inoc import cli
    from inoc.figures.step import draw_all
    from inoc.figures.entries import Entry
    from support.drawn import always
    from support.study_tables import FakeJob, make_study
    study = make_study()
    entries = [Entry(f"f{k}", "F", "slow:draw", (), "C", {}, always) for k in range(12)]
    cli.run_stage = lambda options: list(draw_all(study, FakeJob(study, Path("results")).paths, entries, jobs=2))
    cli.main(["figures", "smoke"])
"""


@pytest.mark.parametrize("moment", ["starting", "drawing"])
def test_it_is_told_in_one_line_and_ends(tmp_path: Path, moment: str) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "run.py").write_text(RUN)
    here = str(Path(support.__file__).parents[1])
    path = os.pathsep.join([str(tmp_path), here, os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "run.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            while len(list(tmp_path.glob(f"{moment}-*"))) < 2:
                assert process.poll() is None
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert said.startswith("inoc: stopped")
    assert said.count("\n") == 1
    assert len(list(tmp_path.glob("drawing-*"))) < 9
