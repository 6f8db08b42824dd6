"""Adapters that somebody trained are used as they were trained, or refused before the first job."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from peft import IA3Config, LoraConfig, PeftModel, PromptTuningConfig, VeraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from inoc.engines.sampling import BASE
from inoc.engines.transformers import TransformersEngine
from inoc.studies.subliminal.adapters import adapter_problems, vllm_problems
from inoc.train.trainer import adapter_digest
from support.families import tiny_model
from support.measured import chats_of_length
from support.toy_models import one_by_one


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


PROJECTIONS = ["q_proj", "v_proj"]
COMPUTED = {
    "plain": {},
    "rslora": {"use_rslora": True, "lora_alpha": 16},
    "dora": {"use_dora": True},
    "bias": {"lora_bias": True},
    "patterns": {"rank_pattern": {"v_proj": 4}, "alpha_pattern": {"q_proj": 32}},
    "one layer": {"layers_to_transform": [1]},
    "expression": {"target_modules": r".*\.(q|v)_proj"},
}
REFUSED = {
    "bias = 'all'": LoraConfig(r=2, target_modules=PROJECTIONS, bias="all"),
    "bias = 'lora_only'": LoraConfig(r=2, target_modules=PROJECTIONS, bias="lora_only"),
    "modules_to_save = ['lm_head']": LoraConfig(r=2, target_modules=PROJECTIONS, modules_to_save=["lm_head"]),
    "modules_to_save = ['norm']": LoraConfig(r=2, target_modules=PROJECTIONS, modules_to_save=["norm"]),
    "trainable_token_indices": LoraConfig(r=2, target_modules=PROJECTIONS, trainable_token_indices=[30]),
    "target_parameters": LoraConfig(r=2, target_modules=PROJECTIONS, target_parameters=["mlp.up_proj.weight"]),
    "init_lora_weights = 'pissa'": LoraConfig(r=2, target_modules=PROJECTIONS, init_lora_weights="pissa"),
    "embed_tokens.base_layer.weight": LoraConfig(r=2, target_modules=["embed_tokens"]),
    "peft_type = 'IA3'": IA3Config(target_modules=["k_proj"], feedforward_modules=[]),
    "peft_type = 'VERA'": VeraConfig(r=2, target_modules=PROJECTIONS),
    "peft_type = 'PROMPT_TUNING'": PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
}


def trained(folder: Path, config: Any) -> tuple[Path, Path]:
    """Folders of an adapter, all of whose weights have been moved, and of its model."""
    model = tiny_model("qwen2")
    model.save_pretrained(folder / "model")
    adapted = get_peft_model(model, config)
    torch.manual_seed(1)
    with torch.no_grad():
        for part in adapted.parameters():
            if part.requires_grad:
                part.add_(torch.randn_like(part) * 0.3)
    adapted.save_pretrained(folder / "adapter")
    return folder / "adapter", folder / "model"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn])
@pytest.mark.parametrize("settings", COMPUTED.values(), ids=COMPUTED)
def test_probabilities_through_an_accepted_adapter_are_those_of_peft(settings, dtype, tmp_path, tiny_model):
    adapter, folder = trained(tmp_path, LoraConfig(**{"r": 2, "target_modules": PROJECTIONS, **settings}))
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: part.to(dtype) for name, part in weights.items()}, adapter / "adapter_model.safetensors")
    assert list(adapter_problems(adapter, folder)) == []
    assert adapter_digest(adapter) != BASE
    bare = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with patch("inoc.engines.transformers.load_model", lambda _: bare):
        engine = TransformersEngine(tiny_model)
    chats = chats_of_length()
    before = np.concatenate(engine.logprobs(chats, 150))
    engine.use_adapter(adapter)
    found = np.concatenate(engine.logprobs(chats, 150))
    own = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64), str(adapter))
    assert np.abs(found - np.concatenate(one_by_one(own.double().eval(), chats))).max() < 1e-4
    assert np.abs(found - before).max() > 1e-2
    engine.use_adapter(None)
    assert np.array_equal(np.concatenate(engine.logprobs(chats, 150)), before)


@pytest.mark.parametrize(("told", "config"), REFUSED.items(), ids=REFUSED)
def test_an_adapter_that_is_more_or_other_than_lora_is_refused_and_is_never_the_base(told, config, tmp_path):
    adapter, folder = trained(tmp_path, config)
    found = list(adapter_problems(adapter, folder))
    assert told in found[0]
    assert "merge_and_unload" in found[0]
    assert adapter_digest(adapter) != BASE


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"r": 0}, "the rank r = 0 in adapter_config.json; accepted: a whole number from 1"),
        ({"r": 3}, "has the shape"),
        ({"rank_pattern": {"v_proj": "4"}}, "the rank v_proj = '4'"),
        ({"target_modules": "nothing.like.it"}, "peft cannot put it into"),
        ({"target_modules": [*PROJECTIONS, "k_proj"]}, "lacks base_model.model.model.layers.0.self_attn.k_proj"),
        ({"use_dora": True}, "lacks base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector"),
        ({"alora_invocation_tokens": [1]}, "alora_invocation_tokens = [1]"),
        ({"of_tomorrow": True}, "of_tomorrow = True"),
        ({"peft_type": None}, "peft_type = None"),
    ],
)
def test_settings_that_are_not_those_of_the_weights_are_refused(settings, told, tmp_path):
    adapter, folder = trained(tmp_path, LoraConfig(r=2, target_modules=PROJECTIONS))
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    (found,) = adapter_problems(adapter, folder)
    assert told in found


def test_a_byte_order_mark_and_weights_of_another_kind_of_file_are_told(tmp_path):
    adapter, folder = trained(tmp_path, LoraConfig(r=2, target_modules=PROJECTIONS))
    path = adapter / "adapter_config.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (found,) = adapter_problems(adapter, folder)
    assert "byte order mark" in found
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    (found,) = adapter_problems(adapter, folder)
    assert "accepted: weights as safetensors" in found


@pytest.mark.parametrize(("settings", "refused"), [("plain", False), ("rslora", False), ("dora", True), ("bias", True)])
def test_what_vllm_leaves_out_of_an_adapter_is_told(settings, refused, tmp_path):
    adapter, _ = trained(tmp_path, LoraConfig(**{"r": 2, "target_modules": PROJECTIONS, **COMPUTED[settings]}))
    assert any("accepted: engine: transformers" in one for one in vllm_problems(adapter)) == refused
