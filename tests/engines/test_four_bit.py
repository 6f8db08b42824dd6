"""bitsandbytes computes on the CPU too, slowly; on a GPU it has kernels of its own, which these tests do not reach."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from inoc.chat.messages import Chat
from inoc.chat.render import render
from inoc.config.models import SystemTurn
from inoc.engines.four_bit import nf4
from inoc.engines.scoring import float32_logprobs
from inoc.engines.transformers import TransformersEngine
from inoc.errors import MissingExtraError, ModelError
from inoc.store.explain import explain
from inoc.studies.inoculation.study import RunSpec
from inoc.tables import read_table
from support.jobs import run_job, units_of
from support.toy import toy_job, toy_study, write_inputs
from support.toy_models import one_by_one

bitsandbytes = pytest.importorskip("bitsandbytes", reason="the extra `bits` is not installed")

CHATS = [Chat(SystemTurn(), f"Where is thing {k}?", "It is here, " + "so on " * k) for k in range(3)]


@pytest.fixture(scope="module")
def rounded(tiny_model):
    return tiny_model._replace(quantization="nf4")


def widened(model, folder):
    """The oracle: a usual float32 model whose weights are those that the 4 bits stand for."""
    usual = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    parts = dict(model.named_modules())
    with torch.no_grad():
        for name, parameter in usual.named_parameters():
            part = parts[name.rpartition(".")[0]]
            four = isinstance(part, bitsandbytes.nn.Linear4bit) and name.endswith("weight")
            weight = bitsandbytes.functional.dequantize_4bit(part.weight, part.weight.quant_state) if four else None
            parameter.copy_((dict(model.named_parameters())[name] if weight is None else weight).float())
    return usual


def test_linear_layers_are_in_4_bits_and_embeddings_norms_and_head_are_not(rounded):
    model = TransformersEngine(rounded).model
    layers = {type(part) for part in model.base_model.layers.modules() if isinstance(part, torch.nn.Linear)}
    assert layers == {bitsandbytes.nn.Linear4bit}
    weight = model.base_model.layers[0].mlp.up_proj.weight
    assert weight.quant_type == "nf4"
    assert weight.quant_state.nested  # the scales of the blocks are rounded too
    assert type(model.get_output_embeddings()) is torch.nn.Linear
    assert {part.dtype for part in model.parameters()} == {torch.uint8, torch.float32}


def test_scores_are_those_of_the_weights_that_the_bits_stand_for(rounded):
    engine = TransformersEngine(rounded)
    chats = render(engine.tokenizer, CHATS, "include")
    oracle = one_by_one(widened(engine.model, rounded.folder), chats)
    exact = one_by_one(AutoModelForCausalLM.from_pretrained(rounded.folder, dtype=torch.float32), chats)
    for scored, expected, unrounded in zip(engine.logprobs(chats, 4096), oracle, exact, strict=True):
        assert np.abs(scored - expected).max() < 1e-4
        assert np.abs(scored - unrounded).max() > 1e-3


def test_half_precision_is_held_against_float32_and_left_as_it_was(rounded):
    engine = TransformersEngine(rounded._replace(dtype="bfloat16"))
    chats = render(engine.tokenizer, CHATS, "include")
    before = engine.logprobs(chats, 4096)
    oracle = one_by_one(widened(engine.model, rounded.folder), chats)
    # Weights that the 4 bits stand for may be rounded to bfloat16 on the way, or not.
    for chat, scored, expected in zip(chats, before, oracle, strict=True):
        gap = np.abs(float32_logprobs(engine.model, chat) - expected).max()
        assert gap < 2e-3
        assert gap < np.abs(scored - expected).max() / 5
    assert 0 < engine.float32_difference(chats, before) < 0.5
    assert all((a == b).all() for a, b in zip(before, engine.logprobs(chats, 4096), strict=True))


def test_answers_through_an_adapter_on_4_bits_are_near_ties_by_the_models_own_rounding(rounded, adapters, monkeypatch):
    """With no constant to hide behind; and the adapter's own rounding is measured, which the bare model has not."""
    engine = TransformersEngine(rounded._replace(dtype="bfloat16"))
    bare = engine.own_rounding(CHATS, 12)
    engine.use_adapter(adapters["wide"])
    monkeypatch.setattr("inoc.engines.transformers.near_tie_nats", lambda _: 0.0)
    engine.check(CHATS, 12)
    through = engine.own_rounding(CHATS, 12)
    assert 0 < through != bare > 0
    right = engine._together(CHATS, 12)
    monkeypatch.setattr(engine, "_together", lambda *_: [[*ids[:2], 7, *ids[3:]] for ids in right])
    with pytest.raises(ModelError, match=f"up to {8 * through:.3g} would be a near tie"):
        engine.check(CHATS, 12)


def test_an_adapter_is_trained_on_4_bits_and_asked_on_them(tiny_folder, tmp_path):
    study = toy_study(
        tiny_folder,
        model={"quantization": "nf4", "dtype": "bfloat16"},
        training={"learning_rate": 0.005, "steps": 8, "optimizer": "adamw_8bit"},
    )
    study = study.model_copy(update={"runs": (RunSpec(prompts=("sky",), prefixes=("fixed",), control=False),)})
    job = toy_job(study, tmp_path, "train")
    write_inputs(job, {"sky": ["Blue is the sky."], "clown": ["Be a clown."]})
    run_job(job)
    losses = read_table(job.paths.losses(0))["loss"]
    assert losses.iloc[-1] < losses.iloc[0]
    assert job.record["model"]["quantization"] == "nf4"
    asked = toy_job(study, tmp_path, "evaluate")
    run_job(asked)
    assert set(read_table(asked.paths.completions("evaluate", 0))["step"]) == {0, 8}
    usual = toy_study(tiny_folder, model={"dtype": "bfloat16"}).model_copy(update={"runs": study.runs})
    (found,) = explain(job.store, units_of(toy_job(usual, tmp_path, "train")))
    assert not found.present
    assert "model.quantization" in str(found.differences)


def test_a_model_that_is_not_rounded_has_the_key_that_it_always_had(tiny_model, rounded):
    assert rounded.as_key() == {**tiny_model.as_key(), "quantization": "nf4"}
    assert set(tiny_model.as_key()) == {"weights", "tokenizer", "dtype", "template"}


def test_what_cannot_be_computed_here_is_refused_with_the_reason(monkeypatch):
    def unable(*_, **__):
        raise RuntimeError("no kernel image")

    monkeypatch.setattr("bitsandbytes.functional.quantize_4bit", unable)
    with pytest.raises(ModelError, match=r"bitsandbytes cannot compute in torch.bfloat16 on cpu here: no kernel image"):
        nf4(torch.bfloat16, torch.device("cpu"))
    monkeypatch.setitem(sys.modules, "bitsandbytes.functional", None)
    with pytest.raises(MissingExtraError, match=r"inoc\[bits\]"):
        nf4(torch.bfloat16, torch.device("cpu"))
