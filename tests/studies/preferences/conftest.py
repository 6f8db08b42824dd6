"""The import of the released preferences, made once."""

from __future__ import annotations

import contextlib

import pytest

from inoc.cli import main
from inoc.jobs.paths import Paths
from inoc.tables import read_table
from support.released_preferences import FOLDER, Tables


@pytest.fixture(scope="session")
def released_paths(tmp_path_factory) -> Paths:
    folder = tmp_path_factory.mktemp("reference")
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text("studies: [released]\n", encoding="utf-8")
    with contextlib.chdir(folder):
        main(["import", "preferences", str(FOLDER), "--study", "released"])
        main(["analyse", "released"])
    return Paths(folder / "results", "released")


@pytest.fixture(scope="session")
def released_tables(released_paths) -> Tables:
    return {path.stem: read_table(path) for path in released_paths.stage("analyse").glob("*.parquet")}
