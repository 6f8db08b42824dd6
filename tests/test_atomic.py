from __future__ import annotations

import stat
from pathlib import Path

import pytest

from inoc.atomic import replacing


def test_a_file_appears_whole_and_can_be_read_by_all(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before")
    with replacing(path) as beside:
        beside.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_interrupted_leaves_nothing_and_the_earlier_file_as_it_was(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), replacing(path) as beside:
        beside.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_errors_name_the_place_and_not_the_file_beside_it(tmp_path):
    absent, folder = tmp_path / "absent" / "table.csv", tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(FileNotFoundError) as lacking, replacing(absent):
        raise AssertionError("there is no such folder")
    assert (lacking.value.filename, lacking.value.filename2) == (str(absent), None)
    with pytest.raises(IsADirectoryError) as taken, replacing(folder) as beside:
        beside.write_text("a file")
    assert (taken.value.filename, taken.value.filename2) == (str(folder), None)
    assert list(tmp_path.iterdir()) == [folder]
    with pytest.raises(FileNotFoundError) as other, replacing(tmp_path / "table.csv"):
        Path(tmp_path / "another.csv").read_text()
    assert other.value.filename == str(tmp_path / "another.csv")
