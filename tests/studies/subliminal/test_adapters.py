"""Adapters that somebody trained are used as they were trained, or refused before the first job."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from inoc.studies.subliminal.adapters import adapter_problems
from support.families import tiny_model


@pytest.fixture(params=["qwen2", "gpt2"])
def made(request, tmp_path: Path) -> tuple[Path, Path]:
    """Folders of an adapter and of its model."""
    model = tiny_model(request.param)
    model.save_pretrained(tmp_path / "model")
    torch.manual_seed(0)
    get_peft_model(model, LoraConfig(r=2, target_modules="all-linear")).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter", tmp_path / "model"


def test_an_adapter_of_the_model_passes(made):
    assert list(adapter_problems(*made)) == []
    assert list(adapter_problems(made[0], made[1] / "not here")) == []


def test_weights_that_the_settings_do_not_name_are_refused(made):
    path = made[0] / "adapter_config.json"
    settings = json.loads(path.read_text())
    settings["target_modules"] = [one.replace("proj", "prj") for one in settings["target_modules"]]
    path.write_text(json.dumps(settings))
    (found,) = adapter_problems(*made)
    assert "target_modules in adapter_config.json do not name" in found


@pytest.mark.parametrize(("family", "told"), [("opt", "has no such module"), ("wide", "have the size")])
def test_an_adapter_of_another_model_is_refused(made, tmp_path, family, told):
    config = json.loads((made[1] / "config.json").read_text())
    other = tmp_path / "other"
    if family == "wide":
        if config["model_type"] == "gpt2":
            pytest.skip("its sizes have other names")
        other.mkdir()
        wide = {"hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 80, "vocab_size": 300}
        (other / "config.json").write_text(json.dumps({**config, **wide}))
    else:
        tiny_model(family).save_pretrained(other)
    (found,) = adapter_problems(made[0], other)
    assert told in found


def test_a_file_that_was_cut_is_refused(made):
    path = made[0] / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:20])
    (found,) = adapter_problems(*made)
    assert "cannot be read" in found
    shutil.rmtree(made[0])
    assert len(list(adapter_problems(*made))) == 2
