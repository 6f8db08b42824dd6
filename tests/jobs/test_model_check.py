from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from inoc.errors import ConfigError
from inoc.jobs.model_check import check_study_model
from support.toy import STUDY, toy_study


@pytest.fixture
def model(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may spoil."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def test_a_model_that_can_do_what_is_asked_passes(model: Path) -> None:
    check_study_model(toy_study(model), Path())


def test_a_model_that_is_not_here_is_left_to_its_download(tmp_path: Path) -> None:
    check_study_model(toy_study(tmp_path, model={"path": "someone/model"}), tmp_path)


def test_targets_that_match_nothing_are_named_with_the_model_s_own(model: Path) -> None:
    study = toy_study(model, training={"lora": {"rank": 2, "targets": ["q_proj", "qkv_prj"]}})
    with pytest.raises(ConfigError, match=r"(?s)qkv_prj.*q_proj"):
        check_study_model(study, Path())


def test_a_study_that_trains_nothing_needs_no_targets(model: Path) -> None:
    study = toy_study(model, training={"lora": {"rank": 2, "targets": ["nothing"]}}, runs=[])
    check_study_model(study, Path())


def test_answers_longer_than_the_model_s_positions_are_refused(model: Path) -> None:
    study = toy_study(model, elicitation={"sampling": {"max_tokens": 100_000}})
    with pytest.raises(ConfigError, match=r"elicitation\.sampling\.max_tokens = 100000"):
        check_study_model(study, Path())


def test_config_check_says_it_before_anything_runs(model: Path, tmp_path: Path) -> None:
    configuration = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**configuration, "max_position_embeddings": 8}))
    folder = tmp_path / "config" / "studies"
    folder.mkdir(parents=True)
    (tmp_path / "config" / "config.yaml").write_text("studies: [toy]\n")
    own = {"model": {"path": str(model), "dtype": "float32"}, "rephrase": {"source": "procedural"}, "world": {}}
    own["data"] = {**STUDY["data"], "n_eval": 6}
    YAML().dump({**STUDY, **own}, folder / "toy.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "inoc.cli", "config", "check", "toy"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "8 positions" in done.stderr
    assert "Traceback" not in done.stderr
