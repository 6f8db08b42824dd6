"""For every family in transformers: numbers equal those of the model's own forward pass, or it is refused."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from inoc.config.models import Sampling
from inoc.engines.head import Head, traits
from inoc.engines.limits import max_positions
from inoc.engines.packed import packs
from inoc.engines.reading import Reader
from inoc.engines.taps import check_choosable, check_readable
from inoc.engines.transformers import TransformersEngine
from inoc.errors import ModelError
from support import families
from support.families import FAMILIES, REPRESENTATIVE, tiny_config, tiny_model
from support.measured import CHATS, chats_of_length, measure, why_not_sampled
from support.measured_sampled import measure_sampled
from support.model_table import row, rows_of_page
from support.toy_models import language_model

NOT_BUILT = {
    "blt", "cohere_compass_text", "dbrx", "gemma3n", "gemma4", "gemma4_assistant", "gemma4_unified_assistant",
    "musicgen", "musicgen_melody", "qwen4_exp", "qwen4_exp_text", "xlstm",
}  # fmt: skip
"""Families of which no tiny model can be made from defaults; docs/models.md says why."""
REFUSED = {"cpmant", "xlm", "xlnet"}
"""Families whose probabilities of a token depend on later ones."""


def hold(family, tiny_model):
    found = measure(family, tiny_model)
    assert found.built == (family not in NOT_BUILT), found.refused
    assert bool(found.refused) == (family in NOT_BUILT | REFUSED), found.refused
    assert found.score_gap < 1e-4
    assert found.loss_gap < 1e-4
    assert found.gradient_gap < 1e-3
    assert found.sites.read_gap < 1e-3
    assert found.sites.steered_gap < 1e-3
    assert found.sites.chosen_gap < 1e-3
    assert rows_of_page()[family] == row(family, found), "write it anew: cd tests; python -m support.model_table"


@pytest.mark.parametrize("family", REPRESENTATIVE)
def test_numbers_of_a_family_are_those_of_its_own_forward_pass_or_it_is_refused(family, tiny_model):
    hold(family, tiny_model)


@pytest.mark.long
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(REPRESENTATIVE)))
def test_numbers_of_every_other_family_are_too(family, tiny_model):
    hold(family, tiny_model)


def test_the_table_of_families_has_all_that_transformers_has():
    assert sorted(rows_of_page()) == sorted(FAMILIES)


@pytest.mark.parametrize(
    ("family", "head"),
    [
        ("qwen2", Head()),
        ("granite", Head(scale=1 / 8)),
        ("cohere", Head(scale=0.25)),
        ("gemma2", Head(cap=5.0)),
        ("bert", None),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_head_is_found_by_trying_in_every_type(family, head, dtype):
    assert traits(families.tiny_model(family).to(dtype)).head == head


def test_a_head_that_no_formula_describes_is_left_to_the_model():
    model = language_model()
    forward = model.forward

    def bent(**arguments):
        out = forward(**arguments)
        out.logits = out.logits.sin()
        return out

    model.forward = bent
    assert traits(model).head is None
    assert not packs(model)


def test_trying_a_model_changes_nothing_of_it():
    model = language_model().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    traits(model)
    packs(model)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.config._attn_implementation != "inoc_packed_tried"


def test_a_window_that_the_attention_is_not_told_of_prevents_packing():
    model = language_model(use_sliding_window=True, sliding_window=100, max_window_layers=0)
    assert packs(model)
    for layer in model.base_model.layers:
        layer.self_attn.sliding_window = None  # only the mask knows
    del model._inoc_packs
    assert not packs(model)


def test_a_model_that_sees_ahead_says_what_to_set():
    config = families.tiny_config("bert")
    config.is_decoder = False
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0 if parameter.dim() > 1 else 1.0)
    with pytest.raises(ModelError, match=r"no causal language model.*`is_decoder`, set that to true"):
        traits(model)


def test_half_precision_scores_of_every_kind_of_head_are_held_against_float32(tiny_model):
    for family in ("granite", "gemma2", "bert", "gpt2"):
        model = families.tiny_model(family).to(torch.bfloat16)
        with patch("inoc.engines.transformers.load_model", lambda _, model=model: model):
            engine = TransformersEngine(tiny_model)
        chats = chats_of_length()
        values = engine.logprobs(chats, 1000)
        assert 0 < engine.float32_difference(chats, values) < 0.5
        assert {part.dtype for part in model.parameters()} == {torch.bfloat16}
        assert all(np.isfinite(row).all() for row in values)


POSITIONS = ("gpt2", "mpt", "opt", "prophetnet", "roberta", "whisper", "xlm-roberta", "xmod")
"""Families that count their positions each in its own way."""


def holds_as_many_tokens_as_it_says(family):
    if family in REFUSED | NOT_BUILT:
        pytest.skip("it is refused, or no tiny model can be made from its defaults")
    model = families.tiny_model(family).eval()
    positions = max_positions(model.config)
    if positions is None or positions > 3_000:
        pytest.skip("there is no last position, or it is far")
    with torch.no_grad():
        found = model(input_ids=torch.full((1, positions), 7), use_cache=False)
    assert found.logits.shape[1] == positions


@pytest.mark.parametrize("family", POSITIONS)
def test_a_text_of_as_many_tokens_as_there_are_positions_can_be_read(family):
    holds_as_many_tokens_as_it_says(family)


@pytest.mark.long
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(POSITIONS)))
def test_it_can_be_by_every_other_family_too(family):
    holds_as_many_tokens_as_it_says(family)


@pytest.mark.parametrize("family", ["gemma3n_text", "deepseek_v4", "hy_v4"])
def test_a_model_with_several_states_for_each_token_is_not_read(family):
    with pytest.raises(ModelError, match="several states for each token"):
        Reader(tiny_model(family)).submit(chats_of_length(), ["embed"], ("response_mean",), 150)()
    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(tiny_config(family))
    with pytest.raises(ModelError, match="several states for each token"):
        check_readable(bare)


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma2", "gemma3_text", "mistral", "granite", "cohere", "olmo2"])
def test_the_check_without_weights_lets_pass_what_can_be_read(family):
    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(tiny_config(family))
    check_readable(bare)


def is_told_without_weights(family):
    """The check before the first job lets pass what the job can do, and nothing else."""
    if family in NOT_BUILT:
        pytest.skip("no tiny model can be made from its defaults")
    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(tiny_config(family))
    model = tiny_model(family)
    for check in (check_choosable, check_readable):
        assert accepts(check, bare) == accepts(check, model), check


def accepts(check, model):
    try:
        check(model)
    except ModelError:
        return False
    return True


TOLD = ("gemma2", "granite", "inkling_text", "minicpm3", "nanochat", "opt", "qwen2")


@pytest.mark.parametrize("family", TOLD)
def test_what_can_be_chosen_and_read_is_known_without_weights(family):
    is_told_without_weights(family)


@pytest.mark.long
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(TOLD)))
def test_it_is_known_of_every_other_family_too(family):
    is_told_without_weights(family)


@pytest.mark.parametrize("family", ["minicpm3", "inkling_text"])
def test_a_model_that_changes_its_states_before_its_head_is_asked_no_closed_questions(family):
    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(tiny_config(family))
    check_readable(bare)
    with pytest.raises(ModelError, match="has no separate head"):
        check_choosable(bare)


NEAR_TIE = 1e-3  # nats


def engine_of(family, tiny_model, **own):
    """An engine of a tiny model of a family, whose own settings of sampling are changed."""
    model = families.tiny_model(family)
    for name, value in own.items():
        setattr(model.generation_config, name, value)
    with patch("inoc.engines.transformers.load_model", lambda _: model):
        return TransformersEngine(tiny_model)


def samples_its_likeliest_tokens(family, tiny_model):
    if family in REFUSED | NOT_BUILT:
        pytest.skip("it is refused, or no tiny model can be made from its defaults")
    engine = engine_of(family, tiny_model)
    if why_not_sampled(engine):
        pytest.skip("it is not sampled")
    found = measure_sampled(engine, CHATS)
    assert max(found.plain, found.steered, found.decoded) < NEAR_TIE, found


@pytest.mark.parametrize("family", sorted({*REPRESENTATIVE, "bart"} - REFUSED))
def test_greedy_samples_are_the_likeliest_tokens_of_plain_passes_steered_or_not(family, tiny_model):
    samples_its_likeliest_tokens(family, tiny_model)


@pytest.mark.long
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {*REPRESENTATIVE, "bart"}))
def test_greedy_samples_of_every_other_family_are_too(family, tiny_model):
    samples_its_likeliest_tokens(family, tiny_model)


@pytest.mark.parametrize(
    "own",
    [
        {"repetition_penalty": 1.5},
        {"no_repeat_ngram_size": 1},
        {"suppress_tokens": list(range(200))},
        {"forced_eos_token_id": 5},
        {"top_k": 3, "temperature": 0.1, "do_sample": True},
    ],
)
def test_settings_of_sampling_that_a_model_brings_change_no_sample(own, tiny_model):
    assert max(measure_sampled(engine_of("qwen2", tiny_model, **own), CHATS)[:3]) < NEAR_TIE
    drawn = [
        engine.sample(CHATS, ["a", "b", "c"], Sampling(max_tokens=8))
        for engine in (engine_of("qwen2", tiny_model), engine_of("qwen2", tiny_model, **own))
    ]
    assert drawn[0] == drawn[1]
