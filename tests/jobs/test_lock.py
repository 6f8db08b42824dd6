from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from inoc.errors import InocError
from inoc.jobs.lock import SNAKEMAKE_FOLDERS, check_snakemake_folder, hold
from inoc.trouble import explanation

HOLDER = """
import pathlib, sys, time
from inoc.jobs.lock import SNAKEMAKE_FOLDERS, check_snakemake_folder, hold
from inoc.trouble import explanation
hold(pathlib.Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""

CHECK = """
import pathlib, sys
from inoc.jobs.lock import check_snakemake_folder
from inoc.trouble import explanation
try:
    check_snakemake_folder(pathlib.Path(sys.argv[1]))
except OSError as error:
    print(explanation(error))
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


# --- Snakemake's own files


@pytest.mark.parametrize("name", SNAKEMAKE_FOLDERS)
def test_a_file_in_the_place_of_a_folder_of_snakemake_is_named(tmp_path: Path, name: str) -> None:
    folder = tmp_path / ".snakemake"
    place = folder / name
    place.parent.mkdir(exist_ok=True)
    place.touch()
    with pytest.raises(OSError, match=r"\w") as caught:
        check_snakemake_folder(folder)
    said = explanation(caught.value)
    assert said is not None
    assert str(place) in said


def test_a_full_disk_is_noticed_before_snakemake_writes_its_records(tmp_path: Path) -> None:
    limited = ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", sys.executable, "-c", CHECK, str(tmp_path / "odd $x")]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert "a file would be larger than is allowed" in done.stdout, done.stderr


def test_folders_that_can_be_written_are_accepted_twice(tmp_path: Path) -> None:
    for _ in range(2):
        check_snakemake_folder(tmp_path / ".snakemake")
    assert sorted(path.name for path in (tmp_path / ".snakemake").iterdir()) == sorted(SNAKEMAKE_FOLDERS[1:])
