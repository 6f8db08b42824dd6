from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, Phi3Config, Qwen2Config

from inoc.config.models import LoraSpec, TrainingSpec
from inoc.engines.limits import max_positions, refuse_longer
from inoc.engines.targets import adaptable, lora_targets, target_problems
from inoc.errors import ConfigError, DataError
from support.toy_models import SHAPE, language_model

DEFAULT = LoraSpec().targets


@pytest.fixture(scope="module")
def phi3():
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(Phi3Config(**SHAPE, pad_token_id=0))


def test_targets_of_a_usual_model_are_taken_as_they_are():
    assert lora_targets(language_model(), DEFAULT) == sorted(DEFAULT)


def test_fused_projections_are_named_instead_of_those_that_are_absent(phi3):
    (problem,) = target_problems(phi3, DEFAULT)
    assert "q_proj, k_proj, v_proj, gate_proj, up_proj matches no module of Phi3ForCausalLM" in problem
    assert "accepted: o_proj, qkv_proj, gate_up_proj, down_proj, or [all-linear]" in problem
    assert not target_problems(phi3, ["qkv_proj", "o_proj"])


def test_a_typo_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r'up_prjo matches no module .*did you mean "up_proj"'):
        lora_targets(language_model(), ["q_proj", "up_prjo"])


def test_all_linear_is_everything_and_stands_alone(phi3):
    assert lora_targets(phi3, ["all-linear"]) == "all-linear"
    with pytest.raises(ConfigError, match="leave out qkv_proj"):
        lora_targets(phi3, ["all-linear", "qkv_proj"])
    assert "lm_head" not in adaptable(phi3)


def test_all_linear_is_trained():
    from peft import get_peft_model

    from inoc.train.trainer import _lora

    model = language_model()
    adapted = get_peft_model(model, _lora(TrainingSpec(lora=LoraSpec(rank=2, targets=("all-linear",))), model))
    trained = {name.split(".")[-4] for name, part in adapted.named_parameters() if part.requires_grad}
    assert trained == set(DEFAULT)


@pytest.mark.parametrize(
    ("changes", "positions"),
    [
        ({}, 100),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}}, 400),
        (
            {
                "rope_parameters": {
                    "rope_type": "yarn",
                    "factor": 4.0,
                    "rope_theta": 1e4,
                    "original_max_position_embeddings": 25,
                }
            },
            100,
        ),
    ],
)
def test_positions_are_those_after_stretching(changes, positions):
    assert max_positions(Qwen2Config(**SHAPE, max_position_embeddings=100, **changes)) == positions


def test_texts_beyond_the_positions_are_refused_and_those_that_fit_are_not():
    refuse_longer([100, 3], 100, "chat")
    refuse_longer([10**9], None, "chat")
    with pytest.raises(DataError, match="chat 1 has 101 tokens, but the model has 100 positions"):
        refuse_longer([100, 101], 100, "chat")
    with pytest.raises(DataError, match=r"prompt 0 has 90 tokens and max_tokens = 11 new ones.*sampling.max_tokens"):
        refuse_longer([90], 100, "prompt", 11)
