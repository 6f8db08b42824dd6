"""A GPU multiplies in FP8 by itself; here the same rounded numbers are multiplied in float32."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.chat.messages import Chat
from inoc.chat.render import render
from inoc.config.models import ModelSpec, SystemTurn
from inoc.engines import eight_bit
from inoc.engines.eight_bit import EightBitLinear, in_eight_bits, product, round_layers, rounded
from inoc.engines.scoring import float32_logprobs
from inoc.engines.transformers import TransformersEngine
from inoc.errors import ConfigError, DataError, ModelError
from inoc.score.computed import refuse_mixed, ways_of
from inoc.store.explain import explain
from inoc.studies.inoculation.study import RunSpec
from inoc.tables import read_table
from support.jobs import run_job, units_of
from support.toy import toy_job, toy_study, write_inputs

CHATS = [Chat(SystemTurn(), f"Where is thing {k}?", "It is here, " + "so on " * k) for k in range(3)]
EIGHT = {"compute": "fp8", "dtype": "bfloat16"}


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setattr(eight_bit, "EMULATED", True)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.floats(-20, 20), st.integers(1, 40))
def test_a_row_is_rounded_to_a_sixteenth_of_its_numbers_whatever_its_size(seed, size, width):
    rows = torch.randn(3, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2.0**size
    eight, scales = rounded(rows)
    found = eight.double() * scales.double()
    # Four digits of a number in binary; below a 2^15th of the largest, steps are as they are there.
    assert bool(((found - rows).abs() <= rows.abs() / 16 * 1.001 + scales.double() * 2.0**-10 * 1.001).all())
    assert torch.allclose(found.abs().amax(1), rows.abs().amax(1), rtol=1e-6)


def test_an_empty_row_stays_zero():
    eight, scales = rounded(torch.zeros(2, 16))
    assert not bool((eight.float() * scales).any())


def test_torch_multiplies_the_same_rounded_numbers():
    torch.manual_seed(0)
    (x, x_scales), (w, w_scales) = rounded(torch.randn(32, 64)), rounded(torch.randn(48, 64))
    exact = (x.double() * x_scales.double()) @ (w.double() * w_scales.double()).t()
    assert torch.allclose(product(x, x_scales, w, w_scales, torch.float32).double(), exact, atol=1e-4)
    try:
        own = torch._scaled_mm(x, w.t(), scale_a=x_scales, scale_b=w_scales.t(), out_dtype=torch.bfloat16)
    except (RuntimeError, ValueError) as error:  # older releases of torch multiply so on a GPU only
        pytest.skip(str(error))
    assert torch.allclose(own.double(), exact, rtol=2**-7, atol=1e-2)


def test_linear_layers_are_rounded_and_embeddings_norms_and_head_are_not(tiny_model, emulated):
    model = TransformersEngine(tiny_model._replace(dtype="bfloat16")).model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with in_eight_bits(model):
        inside = {type(part) for part in model.base_model.layers.modules() if isinstance(part, torch.nn.Linear)}
        assert inside == {EightBitLinear}
        assert type(model.get_output_embeddings()) is torch.nn.Linear
        assert model.state_dict().keys() == before.keys()
    assert all(type(part) is not EightBitLinear for part in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_gradients_pass_through_frozen_layers(tiny_model, emulated):
    model = TransformersEngine(tiny_model).model
    width = model.config.hidden_size
    states = torch.randn(1, 12, width, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def gradient():
        return torch.autograd.grad(model(inputs_embeds=states).logits.square().sum(), states)[0]

    exact = gradient()
    with in_eight_bits(model, backward=True):
        found = gradient()
        assert torch.nn.functional.cosine_similarity(found.flatten(), exact.flatten(), dim=0) > 0.99
        assert not torch.equal(found, exact)
    assert torch.equal(gradient(), exact)
    with in_eight_bits(model), pytest.raises(ModelError, match="no weights for gradients"):
        gradient()


def test_scores_are_near_those_of_bfloat16_and_are_held_against_float32(tiny_model, emulated):
    engine = TransformersEngine(tiny_model._replace(dtype="bfloat16"))
    chats = render(engine.tokenizer, CHATS, "include")
    half = np.concatenate(engine.logprobs(chats, 4096))
    exact = [float32_logprobs(engine.model, chat) for chat in chats]
    round_layers(engine.model)
    scored = engine.logprobs(chats, 4096)
    eight = np.concatenate(scored)
    rms = np.sqrt(np.mean((eight - np.concatenate(exact)) ** 2))
    assert np.sqrt(np.mean((half - np.concatenate(exact)) ** 2)) < rms < 0.1
    again = [float32_logprobs(engine.model, chat) for chat in chats]
    assert all(np.array_equal(one, other) for one, other in zip(exact, again, strict=True))
    assert engine.float32_difference(chats, scored) == pytest.approx(
        float(np.abs(eight - np.concatenate(exact)).max()), rel=1e-6
    )
    assert np.array_equal(eight, np.concatenate(engine.logprobs(chats, 4096)))


def test_training_and_scores_have_keys_and_manifests_of_their_own(tiny_folder, tmp_path, emulated):
    recipe = {"learning_rate": 0.005, "steps": 8}
    study = toy_study(tiny_folder, model=EIGHT, training=recipe)
    study = study.model_copy(update={"runs": (RunSpec(prompts=("sky",), prefixes=("fixed",), control=False),)})
    job = toy_job(study, tmp_path, "train")
    write_inputs(job, {"sky": ["Blue is the sky."], "clown": ["Be a clown."]})
    run_job(job)
    losses = read_table(job.paths.losses(0))["loss"]
    assert losses.iloc[-1] < losses.iloc[0]
    assert job.record["compute"] == "fp8"
    score = toy_job(study, tmp_path, "score")
    run_job(score)
    assert score.record["compute"] == "fp8"
    assert 0 < score.record["float32"]["largest_difference"] < 1
    usual = toy_study(tiny_folder, model={"dtype": "bfloat16"}, training=recipe).model_copy(update={"runs": study.runs})
    for stage in ("train", "score"):
        found = explain(job.store, units_of(toy_job(usual, tmp_path, stage)))
        assert not any(one.present for one in found)
        assert "model.compute" in str(found[0].differences)
    # What is sampled does not depend on it.
    sampled = [units_of(toy_job(one, tmp_path, "elicit")) for one in (study, usual)]
    assert [unit.key for unit in sampled[0]] == [unit.key for unit in sampled[1]]


def test_a_model_that_is_not_rounded_has_the_key_that_it_always_had(tiny_model):
    assert tiny_model.as_computed() == tiny_model.as_key()
    assert tiny_model._replace(compute="fp8").as_computed() == {**tiny_model.as_key(), "compute": "fp8"}
    assert "compute" not in ModelSpec(path="org/model").in_key()


def test_scores_of_both_kinds_are_not_subtracted(tiny_folder, tmp_path):
    paths = toy_job(toy_study(tiny_folder), tmp_path, "score").paths
    paths.stage("score").mkdir(parents=True)
    refuse_mixed(paths, 3)
    for shard, record in enumerate(({}, {}, {"compute": "fp8"})):
        paths.manifest("score", shard).write_text(json.dumps(record))
    refuse_mixed(paths, 2)
    with pytest.raises(DataError, match=r"model.compute \(dtype: 0, 1; fp8: 2\)"):
        refuse_mixed(paths, 3)


def test_adapters_of_both_kinds_are_not_compared(tiny_folder, tmp_path):
    paths = toy_job(toy_study(tiny_folder), tmp_path, "score").paths
    paths.stage("train").mkdir(parents=True)
    for name, record in {"0": {}, "1": {}, "own-0": {"compute": "fp8"}, "own-1": {}}.items():
        (paths.stage("train") / f"manifest-{name}.json").write_text(json.dumps(record))
    refuse_mixed(paths, 2)
    refuse_mixed(paths, 2, "train")
    with pytest.raises(DataError, match=r"\(dtype: 1; fp8: 0\), so their adapters have no differences.*`inoc train`"):
        refuse_mixed(paths, 2, "train", "own")
    assert ways_of(paths) == {"dtype", "fp8"}


def test_a_machine_without_it_is_refused_before_anything_is_computed(tiny_folder, tiny_model, monkeypatch):
    from inoc.jobs import ready

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(ready, "which", lambda _: None)
    study = toy_study(tiny_folder, model=EIGHT)
    with pytest.raises(ConfigError, match=r"model.compute = 'fp8': there is no GPU here. Accepted: .*H100"):
        ready.check_inputs(study, tiny_folder)
    # A job first takes a GPU, which it could not once CUDA has started.
    ready.check_inputs(study, tiny_folder, in_job=True)
    with pytest.raises(ModelError, match=r"model\.compute: fp8: there is no GPU here"):
        round_layers(TransformersEngine(tiny_model._replace(dtype="bfloat16")).model)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A100")
    assert eight_bit.absent() == "A100 cannot multiply in FP8"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    assert eight_bit.absent() == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"dtype": "float32"}, "goes with `dtype: bfloat16`"), ({"quantization": "nf4"}, "goes with no `quantization`")],
)
def test_what_does_not_go_with_it_is_refused(changes, said):
    from inoc.config.checks import computing

    (problem,) = computing(ModelSpec(path="org/model", **{"dtype": "bfloat16", "compute": "fp8"} | changes), ("model",))
    assert said in str(problem)
    assert not list(computing(ModelSpec(path="org/model", **changes), ("model",)))
