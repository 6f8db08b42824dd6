"""Files that are written by the verbs about numbers: nothing that was there is lost by a slip."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from inoc.cli import main

ROWS = '{"prompt": "x", "completion": "1, 2, 3"}\n{"prompt": "y", "completion": "none"}\n'


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        main(arguments)
    return capsys.readouterr().err


@pytest.mark.parametrize("option", ["--out", "--rejected", "--report"])
def test_the_filtered_file_is_not_overwritten(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(ROWS, encoding="utf-8")
    (tmp_path / "link.jsonl").symlink_to(file)
    for name in ("rows.jsonl", "link.jsonl"):
        said = refused(["filter", str(file), option, str(tmp_path / name)], capsys)
        assert "is read too, and would be lost" in said
    assert file.read_text(encoding="utf-8") == ROWS


def test_two_outputs_are_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    file.write_text(ROWS, encoding="utf-8")
    said = refused(["filter", str(file), "--out", str(out), "--rejected", str(out)], capsys)
    assert "--out names the same file" in said
    assert not out.exists()


@pytest.mark.parametrize("verb", ["numbers", "filter"])
def test_a_folder_is_no_file(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(ROWS, encoding="utf-8")
    given = ["--seed", "3", "--n", "2"] if verb == "numbers" else [str(file)]
    assert "is a folder; name a file in it" in refused([verb, *given, "--out", str(tmp_path)], capsys)


def test_a_place_where_no_file_can_be_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(["numbers", "--seed", "3", "--n", "2", "--out", "/proc/inoc.jsonl"], capsys)
    assert "/proc/inoc.jsonl" in said
    assert "Traceback" not in said


# --- devices and pipes


def test_a_pipe_is_written_into_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    main(["numbers", "--seed", "1", "--n", "2", "--out", str(pipe)])
    reader.join(timeout=300)
    assert read[0].count("\n") == 2
    assert pipe.is_fifo()


def test_standard_output_as_a_file_is_the_standard_output(tmp_path: Path) -> None:
    verb = [sys.executable, "-m", "inoc.cli", "numbers", "--seed", "1", "--n", "2", "--out", "/dev/stdout"]
    device = Path("/dev/stdout")
    if not device.is_symlink():
        pytest.skip("there is no /dev/stdout")
    done = subprocess.run(verb, capture_output=True, text=True, check=False)
    assert device.is_symlink()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"prompt"') == 2


def test_a_full_device_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = tmp_path / "out.jsonl"
    if not Path("/dev/full").is_char_device():
        pytest.skip("there is no /dev/full")
    link.symlink_to("/dev/full")
    assert "the disk is full" in refused(["numbers", "--seed", "1", "--n", "2", "--out", str(link)], capsys)
    assert link.is_symlink()
