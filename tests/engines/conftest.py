"""Adapters of the tiny model."""

from __future__ import annotations

import pytest
import torch

from inoc.engines.identity import ModelIdentity
from inoc.engines.transformers import load_model


@pytest.fixture(scope="session")
def adapters(tiny_folder, tmp_path_factory):
    """A plain adapter of rank 8 on attention, one of all projections scaled by the root of its rank, a faint one."""
    from peft import LoraConfig, get_peft_model

    folders = {}
    plain = {"target_modules": ["q_proj", "v_proj"]}
    kinds = {"plain": (plain, 0.3), "wide": ({"target_modules": "all-linear"}, 0.3), "faint": (plain, 1e-3)}
    for seed, (name, (kind, size)) in enumerate(kinds.items()):
        torch.manual_seed(seed)
        config = LoraConfig(r=8, lora_alpha=16, use_rslora=name == "wide", task_type="CAUSAL_LM", **kind)
        model = get_peft_model(load_model(ModelIdentity(tiny_folder, "weights", "tokenizer", "float32", None)), config)
        for parameter_name, parameter in model.named_parameters():
            if "lora_B" in parameter_name:
                torch.nn.init.normal_(parameter, std=size)
        folders[name] = tmp_path_factory.mktemp("adapters") / name
        model.save_pretrained(folders[name])
    return folders
