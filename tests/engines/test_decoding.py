from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Qwen3Config,
)

from inoc.config.models import Sampling
from inoc.engines import decoding
from inoc.engines.decoding import Decoder, can_decode
from inoc.engines.draw import chosen_tokens, uniforms
from inoc.engines.transformers import TransformersEngine
from inoc.errors import ModelError
from inoc.vectors.steering import Steering
from inoc.vectors.vector import Vector
from support.reading import chats_of
from support.toy_models import SHAPE, capped_model, language_model

PROMPTS = [np.random.default_rng(row).integers(0, 300, n).tolist() for row, n in enumerate([3, 17, 1, 40, 9, 26])]
SEEDS = [f"r{row}" for row in range(6)]


@pytest.fixture(autouse=True)
def small_rows(monkeypatch):
    """Several rows of prompts and two lengths, even for tiny prompts."""
    monkeypatch.setattr(decoding, "PREFILL", 32)
    monkeypatch.setattr(decoding, "LENGTHS", 32)


@pytest.fixture(scope="module")
def model():
    return language_model()


@torch.no_grad()
def by_hand(model, prompt, seed, sampling, steering=None):
    """One request alone, without a cache: the whole text again for every token."""
    tokens, numbers = list(prompt), uniforms([seed], sampling.max_tokens)
    for at in range(sampling.max_tokens):
        hook = None
        if steering is not None:
            added = torch.zeros(len(tokens), 64)
            first = {"all": 0, "answer": len(prompt), "last": len(prompt) - 1}[steering.positions]
            added[first:] = torch.from_numpy(steering.added())
            hook = model.base_model.layers[0].register_forward_hook(lambda _m, _i, out, added=added: out + added)
        scores = model(input_ids=torch.tensor([tokens])).logits[:, -1]
        if hook is not None:
            hook.remove()
        tokens.append(chosen_tokens(scores, numbers[:, at, None], sampling.temperature, sampling.top_p).item())
    return tokens[len(prompt) :]


@pytest.mark.parametrize("changes", [{}, {"temperature": 0}, {"top_p": 0.7, "temperature": 1.5}])
def test_draws_are_those_of_each_request_alone_without_a_cache(model, changes):
    sampling = Sampling(max_tokens=10, batch_size=3, **changes)
    found = Decoder(model, set(), 0).sample(PROMPTS, SEEDS, sampling)
    for prompt, seed, row in zip(PROMPTS, SEEDS, found, strict=True):
        assert row == by_hand(model, prompt, seed, sampling)


def test_a_sliding_window_is_kept_while_decoding():
    model = language_model(use_sliding_window=True, sliding_window=6, max_window_layers=0)
    sampling = Sampling(max_tokens=10, batch_size=4)
    found = Decoder(model, set(), 0).sample(PROMPTS, SEEDS, sampling)
    assert found == [by_hand(model, *pair, sampling) for pair in zip(PROMPTS, SEEDS, strict=True)]
    assert found != Decoder(language_model(), set(), 0).sample(PROMPTS, SEEDS, sampling)


def test_the_numbers_of_a_request_do_not_depend_on_who_shares_its_batch(model, monkeypatch):
    seen = []
    original = decoding.vocabulary_logits

    def noting(causal, states):
        seen.append(original(causal, states))
        return seen[-1]

    monkeypatch.setattr(decoding, "vocabulary_logits", noting)
    decoder, sampling = Decoder(model, set(), 0), Sampling(max_tokens=6, batch_size=3)
    # Shorter prompts come first: request 0 is the first, the second and the last row of its batch.
    batches = {0: [0], 1: [0, 2], 2: [0, 2, 2]}
    numbers = {}
    for row, requests in batches.items():
        seen.clear()
        decoder.sample([PROMPTS[index] for index in requests], [SEEDS[index] for index in requests], sampling)
        numbers[row] = [scores[row].clone() for scores in seen]
    for row in (1, 2):
        assert all(torch.equal(one, other) for one, other in zip(numbers[row], numbers[0], strict=True))


@pytest.mark.parametrize("positions", ["all", "answer", "last"])
def test_steered_draws_are_those_of_each_request_alone_and_0_is_none(model, positions):
    vector = Vector("v", np.random.default_rng(0).standard_normal(64), "resid_post.0", "weights")
    sampling = Sampling(max_tokens=8, batch_size=6)
    steerings = [Steering(vector, c, positions, "raw") if c is not None else None for c in (1, -2, 0, None, 3, 0.5)]
    decoder = Decoder(model, set(), 0)
    found = decoder.sample(PROMPTS, SEEDS, sampling, steerings)
    plain = decoder.sample(PROMPTS, SEEDS, sampling)
    for row, steering in enumerate(steerings):
        assert found[row] == by_hand(model, PROMPTS[row], SEEDS[row], sampling, steering)
        assert (found[row] == plain[row]) == (row in (2, 3))


def test_decoding_ends_when_every_answer_has(model, monkeypatch):
    monkeypatch.setattr(decoding, "LOOKS", 2)
    decoder = Decoder(model, set(range(300)), 0)
    calls = []
    advance = decoder._advance
    monkeypatch.setattr(decoder, "_advance", lambda *given: (calls.append(1), advance(*given)))
    decoder.sample(PROMPTS[:2], SEEDS[:2], Sampling(max_tokens=20, batch_size=2))  # of two lengths, so in two batches
    assert len(calls) <= 2 * 2


@pytest.mark.parametrize("batch", [1, 3, 5])
@pytest.mark.parametrize("positions", [None, "all", "answer", "last"])
def test_rows_of_ended_answers_are_taken_by_further_requests_whose_numbers_are_their_own(
    model, positions, batch, monkeypatch
):
    monkeypatch.setattr(decoding, "LOOKS", 2)
    rng = np.random.default_rng(0)
    prompts = [rng.integers(0, 300, n).tolist() for n in rng.integers(1, 21, 17)]
    seeds = [f"own {row}" for row in range(17)]
    vector = Vector("v", rng.standard_normal(64), "resid_post.0", "weights")
    steerings = [
        None if positions is None or row % 3 == 0 else Steering(vector, row % 4, positions, "raw") for row in range(17)
    ]
    stops = set(range(0, 300, 9))
    sampling = Sampling(max_tokens=11, batch_size=batch)
    decoder, calls = Decoder(model, stops, 0), []
    advance = decoder._advance
    monkeypatch.setattr(decoder, "_advance", lambda *given: (calls.append(1), advance(*given)))
    found = decoder.sample(prompts, seeds, sampling, [] if positions is None else steerings)
    alone = [by_hand(model, *one, sampling, steering) for *one, steering in zip(prompts, seeds, steerings, strict=True)]

    def ended(tokens):
        return tokens[: next((at for at, token in enumerate(tokens) if token in stops), len(tokens) - 1) + 1]

    assert [ended(tokens) for tokens in found] == [ended(tokens) for tokens in alone]
    lengths = [len(ended(tokens)) for tokens in alone]
    assert min(lengths) < 4 < 10 < max(lengths)
    # No batch waits for its longest answer: at most as many steps as its tokens, looked at every second step, and one
    # longest answer at the end.
    assert len(calls) <= sum(-(-length // 2) * 2 for length in lengths) / batch + 11
    if batch == 3:
        in_order = [max(lengths[at : at + batch]) for at in range(0, 17, batch)]
        assert len(calls) < sum(in_order)


def test_nothing_that_a_request_left_in_its_row_is_seen_by_the_next(model):
    decoder, sampling = Decoder(model, set(), 0), Sampling(max_tokens=4, batch_size=1)
    alone = decoder.sample(PROMPTS[:1], SEEDS[:1], sampling)
    buffers = decoder._kept[1].buffers
    with torch.inference_mode():
        buffers.cache.keys.fill_(torch.nan)
        buffers.cache.values.fill_(torch.nan)
    assert decoder.sample(PROMPTS[:1], SEEDS[:1], sampling) == alone
    assert decoder._kept[1].buffers is buffers


def test_fewer_rows_are_taken_where_they_do_not_fit(model, monkeypatch):
    tried, room = [], [3]

    class Small(decoding.Cache):
        def __init__(self, model, rows, length):
            tried.append(rows)
            if rows > room[0]:
                raise torch.OutOfMemoryError("full")
            super().__init__(model, rows, length)

    sampling = Sampling(max_tokens=5, batch_size=14)
    usual = Decoder(model, set(), 0).sample(PROMPTS, SEEDS, sampling)
    monkeypatch.setattr(decoding, "Cache", Small)
    decoder = Decoder(model, set(), 0)
    assert decoder.sample(PROMPTS[:1], SEEDS[:1], sampling) == usual[:1]
    assert decoder.sample(PROMPTS[:1], SEEDS[:1], sampling) == usual[:1]
    assert tried == [14, 7, 3]  # once, and not anew for every block
    assert decoder.sample(PROMPTS, SEEDS, sampling) == usual
    room[0] = 0
    with pytest.raises(ModelError, match="one answer of up to 5 tokens do not fit in the GPU's memory"):
        Decoder(model, set(), 0).sample(PROMPTS, SEEDS, sampling)


def test_only_dense_models_with_fixed_rotations_are_decoded_so(model):
    assert can_decode(model)
    assert not can_decode(capped_model())
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
    assert not can_decode(language_model(rope_parameters=rope))


FAMILIES = [LlamaConfig, MistralConfig, GemmaConfig, Gemma3TextConfig, Qwen3Config, Olmo2Config]


@pytest.mark.parametrize("config", FAMILIES)
def test_draws_of_each_family_are_those_of_each_request_alone(config):
    torch.manual_seed(0)
    own = {"head_dim": 16} if "Gemma" in config.__name__ or config is Qwen3Config else {}
    model = AutoModelForCausalLM.from_config(config(**SHAPE, **own, pad_token_id=0)).eval()
    assert can_decode(model)
    sampling = Sampling(max_tokens=6, batch_size=4)
    found = Decoder(model, set(), 0).sample(PROMPTS[:3], SEEDS[:3], sampling)
    assert found == [by_hand(model, *pair, sampling) for pair in zip(PROMPTS[:3], SEEDS[:3], strict=True)]


def test_the_model_has_its_own_attention_again(model):
    before = model.config._attn_implementation
    Decoder(model, set(), 0).sample(PROMPTS[:1], SEEDS[:1], Sampling(max_tokens=2))
    assert model.config._attn_implementation == before != decoding.ATTENTION


def test_answers_are_those_of_the_usual_way(tiny_model, monkeypatch):
    engine = TransformersEngine(tiny_model)
    names, sampling = list("abcde"), Sampling(max_tokens=12, batch_size=4)
    usual = engine.sample(chats_of(), names, sampling)
    engine._decoder = Decoder(engine.causal, engine.stops, engine.tokenizer.pad_token_id)
    assert engine.sample(chats_of(), names, sampling) == usual
    engine.check(chats_of(), 8)
    monkeypatch.setattr(engine._decoder, "sample", lambda prompts, *_: [[7] * 8 for _ in prompts])
    with pytest.raises(ModelError, match="in a batch, transformers answers"):
        engine.check(chats_of(), 8)
