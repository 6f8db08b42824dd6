"""Adapters computed together with their layers, against the same adapters as modules of PEFT."""

from __future__ import annotations

from typing import Any

import bitsandbytes
import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear as AdaptedLinear
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from inoc.config.models import LoraSpec, TrainingSpec
from inoc.engines.four_bit import keep_layout, parts, type_of, widened
from inoc.engines.transformers import TransformersEngine
from inoc.train import trainer
from inoc.train.joined import Joined, groups_of, joined
from inoc.train.products import adapted
from support.training import KilledError, adapters, same, train

SHAPE: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
IDS = torch.arange(22).reshape(2, 11)


def model_of(family: str, dtype: torch.dtype = torch.float64) -> Any:
    torch.manual_seed(0)
    model: Any = Qwen2ForCausalLM(Qwen2Config(**SHAPE)) if family == "qwen2" else LlamaForCausalLM(LlamaConfig(**SHAPE))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data.normal_()
    return model.to(dtype)


def with_adapters(model: Any, **settings: Any) -> Any:
    options = {"r": 4, "lora_alpha": 7, "use_rslora": True, "target_modules": "all-linear"} | settings
    found = get_peft_model(model, LoraConfig(**options), autocast_adapter_dtype=False)
    for name, parameter in found.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.1)
    return found


def slopes(model: Any) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model(input_ids=IDS, labels=IDS).loss.backward()
    return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


def names(model: Any, groups: list[list[AdaptedLinear]]) -> list[list[str]]:
    known = {id(module): name.rpartition(".")[2] for name, module in model.named_modules()}
    return [[known[id(layer)] for layer in group] for group in groups]


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_losses_and_gradients_are_those_of_adapters_as_modules(family, checkpointing):
    model = with_adapters(model_of(family))
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    model.train()
    expected, loss = slopes(model), model(input_ids=IDS, labels=IDS).loss
    with joined(model) as n:
        assert n == 2 * 4
        found, other = slopes(model), model(input_ids=IDS, labels=IDS).loss
    assert other.item() == pytest.approx(loss.item(), rel=1e-12)
    assert found.keys() == expected.keys()
    assert len(found) == 2 * 7 * 2
    for name, slope in expected.items():
        torch.testing.assert_close(found[name], slope, rtol=1e-9, atol=1e-12)


def test_layers_that_read_the_same_states_share_a_product():
    model = with_adapters(model_of("qwen2"))
    groups = names(model, groups_of(model, lambda: model(input_ids=IDS)))
    assert groups == 2 * [["q_proj", "k_proj", "v_proj"], ["o_proj"], ["gate_proj", "up_proj"], ["down_proj"]]


def test_only_layers_that_are_adapted_are_joined():
    model = with_adapters(model_of("llama"), target_modules=["q_proj", "v_proj", "up_proj"])
    groups = names(model, groups_of(model, lambda: model(input_ids=IDS)))
    assert groups == 2 * [["q_proj", "v_proj"], ["up_proj"]]
    expected = slopes(model)
    with joined(model):
        found = slopes(model)
    for name, slope in expected.items():
        torch.testing.assert_close(found[name], slope, rtol=1e-9, atol=1e-12)


def in_four_bits(dtype: torch.dtype) -> Any:
    """A model whose layers inside the blocks are in 4 bits, with biases where it has them."""
    model = model_of("qwen2", dtype)
    for block in model.model.layers:
        for part in (block.self_attn, block.mlp):
            for name, linear in [(n, c) for n, c in part.named_children() if isinstance(c, torch.nn.Linear)]:
                sizes = (linear.in_features, linear.out_features, linear.bias is not None)
                four = bitsandbytes.nn.Linear4bit(*sizes, compute_dtype=dtype, quant_type="nf4")
                four.weight = bitsandbytes.nn.Params4bit(linear.weight.data, requires_grad=False, quant_type="nf4")
                four.bias = linear.bias
                setattr(part, name, four.to("cpu"))
    model.is_loaded_in_4bit = True
    keep_layout(model)
    return model


def test_layers_in_4_bits_are_joined_and_have_the_slopes_of_modules():
    model = with_adapters(in_four_bits(torch.float32)).train()
    expected = slopes(model)
    before = {type(layer) for layer in model.modules()}
    with joined(model) as n:
        assert n == 2 * 4
        found = slopes(model)
    assert {type(layer) for layer in model.modules()} == before
    assert found.keys() == expected.keys()
    assert len([name for name in found if "lora" in name]) == 2 * 7 * 2
    for name, slope in expected.items():
        torch.testing.assert_close(found[name], slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: model_of("qwen2", torch.float32), lambda: in_four_bits(torch.float32)])
def test_compiled_layers_call_joined_ones_without_a_break(make):
    model = with_adapters(make()).train()
    expected = slopes(model)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    with joined(model):
        for block in model.get_base_model().model.layers:
            block.forward = torch.compile(block.forward, backend="aot_eager")
        found = slopes(model)
    counters = torch._dynamo.utils.counters
    assert counters["stats"]["unique_graphs"] == 2
    assert not counters["graph_break"]
    for name, slope in expected.items():
        torch.testing.assert_close(found[name], slope, rtol=1e-4, atol=1e-6)


def test_a_weight_in_4_bits_is_widened_as_bitsandbytes_does():
    layer = in_four_bits(torch.bfloat16).model.layers[1].mlp.up_proj
    assert type_of(layer) is torch.bfloat16
    found = widened(parts(layer), (layer.out_features, layer.in_features), torch.bfloat16)
    assert torch.equal(found, bitsandbytes.functional.dequantize_4bit(layer.weight, layer.weight.quant_state))
    layer.weight.quant_state.blocksize = 128
    assert type_of(layer) is None


def test_adapters_of_layers_in_4_bits_have_the_type_that_these_compute_in():
    model = trainer._adapted(in_four_bits(torch.bfloat16), TrainingSpec(lora=LoraSpec(rank=4)))
    adapters_ = [parameter for name, parameter in model.named_parameters() if "lora" in name]
    assert len(adapters_) == 2 * 7 * 2
    assert {parameter.dtype for parameter in adapters_} == {torch.bfloat16}
    with joined(model) as n:
        assert n == 2 * 4


def test_adapters_of_different_ranks_are_not_joined_with_each_other():
    model = with_adapters(model_of("llama"), rank_pattern={"k_proj": 2})
    groups = names(model, groups_of(model, lambda: model(input_ids=IDS)))
    assert groups[:3] == [["q_proj"], ["k_proj"], ["v_proj"]]


@pytest.mark.parametrize("settings", [{"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}])
def test_adapters_of_other_kinds_stay_as_they_are(settings):
    model = with_adapters(model_of("llama"), **settings)
    assert groups_of(model, lambda: model(input_ids=IDS)) == []


def test_adapters_of_another_type_than_their_layers_stay_as_they_are():
    model = with_adapters(model_of("llama", torch.bfloat16))
    for name, parameter in model.named_parameters():
        if "lora" in name:
            parameter.data = parameter.data.float()
    with joined(model) as n:
        assert n == 0


def test_a_layer_that_is_called_twice_stays_as_it_is():
    model = with_adapters(model_of("llama"))
    first, second = model.get_base_model().model.layers
    second.self_attn.o_proj = first.self_attn.o_proj
    groups = names(model, groups_of(model, lambda: model(input_ids=IDS)))
    assert [group for group in groups if "o_proj" in group] == []


def test_layers_are_what_they_were_after_an_error():
    model = with_adapters(model_of("llama"))
    before = model.state_dict().keys()
    with pytest.raises(ValueError, match="inside"), joined(model):
        assert any(isinstance(module, Joined) for module in model.modules())
        assert model.state_dict().keys() == before
        raise ValueError("inside")
    assert not any(isinstance(module, Joined) for module in model.modules())
    assert all("group" not in vars(module) for module in model.modules())


@pytest.mark.parametrize("n_biases", [0, 2])
def test_the_operators_keep_the_rules_of_torch(n_biases):
    torch.manual_seed(1)
    x, *rest = (torch.randn(size, dtype=torch.float64) for size in [(2, 3, 5), (4, 5), (6, 5), (2, 5), (2, 5)])
    ups = [torch.randn(size, 2, dtype=torch.float64, requires_grad=True) for size in (4, 6)]
    biases = [torch.randn(size, dtype=torch.float64) for size in (4, 6)][:n_biases]
    downs = [part.requires_grad_() for part in rest[2:]]
    torch.library.opcheck(adapted, (x.requires_grad_(), rest[:2], biases, downs, ups, 0.7))


def test_joined_training_ends_with_the_weights_of_the_usual_one_and_resumes(tiny_model, tmp_path, monkeypatch):
    train(TransformersEngine(tiny_model), tmp_path / "apart")
    monkeypatch.setattr(trainer, "_joined", lambda model, _: joined(model))
    train(TransformersEngine(tiny_model), tmp_path / "joined")
    with pytest.raises(KilledError):
        train(TransformersEngine(tiny_model), tmp_path / "killed", kill_at=5)
    train(TransformersEngine(tiny_model), tmp_path / "killed")
    apart, together = adapters(tmp_path / "apart"), adapters(tmp_path / "joined")
    assert same(together, adapters(tmp_path / "killed"))
    assert not same(apart, together)  # rounding differs, so this is not the same path by mistake
    for step, tensors in apart.items():
        assert tensors.keys() == together[step].keys()
        for name, tensor in tensors.items():
            # Adam divides a gradient by its own size, so of weights near 0 the rounding of gradients decides.
            assert (together[step][name] - tensor).norm() <= 1e-5 * max(float(tensor.norm()), 1e-6)


def test_training_leaves_no_recomputation_behind(tiny_model, tmp_path):
    engine = TransformersEngine(tiny_model)
    train(engine, tmp_path, gradient_checkpointing=True)
    assert not engine.model.is_gradient_checkpointing
