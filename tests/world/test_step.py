"""The stage `world`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inoc.config.models import WorldSpec
from inoc.world.step import _curve, make_world

SPEC = WorldSpec(documents=100, vocabulary=350, hidden_size=32, heads=2, intermediate_size=48, steps=3, threads=1)


def test_the_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "left_over").touch()
    summary = make_world(SPEC, folder, lambda _: None)
    assert not (folder / "left_over").exists()
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in folder.iterdir()
    }
    assert list(tmp_path.iterdir()) == [folder]
    assert json.loads(json.dumps(summary))["documents"] == 100
    assert 0 <= float(str(summary["facts"])) <= 1


def test_a_failed_pre_training_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").touch()

    def fail(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_world(SPEC, folder, fail)
    assert [path.name for path in folder.iterdir()] == ["old"]


def test_the_curve_averages_over_equal_parts() -> None:
    curve = _curve([float(step) for step in range(60)])
    assert len(curve) == 30
    assert curve[2] == 0.5
    assert curve[60] == 58.5
