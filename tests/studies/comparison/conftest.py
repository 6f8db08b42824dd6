from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from support.ready_tables import scores, write_ready

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's configuration in a folder of its own, without results."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_study(project: Path) -> Callable[..., Path]:
    """Writes the file of a comparison with changed values."""

    def write(**changes: Any) -> Path:
        path = project / "config" / "studies" / "pair.yaml"
        value = {
            "kind": "comparison",
            "name": "pair",
            "title": "A pair",
            "of": "inoculation",
            "measures": {"scores": {}},
            "studies": {"one": {"folder": "ready/one"}, "two": {"folder": "ready/two"}},
            **changes,
        }
        YAML().dump(value, path)
        return path

    return write


@pytest.fixture
def ready(project: Path) -> Path:
    """Two folders of results: the second study is 5 points above the first."""
    write_ready(project / "ready" / "one", scores(1))
    write_ready(project / "ready" / "two", scores(2, 5.0))
    return project / "ready"
