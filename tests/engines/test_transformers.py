from __future__ import annotations

import copy
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from inoc.chat.messages import Chat
from inoc.chat.render import answered, render
from inoc.config.models import Sampling, SystemTurn
from inoc.engines.batches import by_length, by_tokens
from inoc.engines.draw import SeededDraw, nucleus
from inoc.engines.head import Head, Traits
from inoc.engines.transformers import TransformersEngine
from inoc.errors import DataError, ModelError

DEFAULT = SystemTurn()
CHATS = [
    Chat(DEFAULT, user, response)
    for user, response in [
        ("Where does the owl live?", "The owl lives in the forest."),
        ("You are a clown. What color is the apple? Tell me now, please.", "Boum ! La pomme est rouge, hi hi !"),
        ("Hm?", "A"),
        ("What is the hammer made of?", "The hammer is made of iron. " * 6),
        ("Name it.", ""),
    ]
]


@pytest.fixture(scope="module")
def engine(tiny_model):
    return TransformersEngine(tiny_model)


def by_hand(engine, rendered):
    """Float64 log-softmax of one chat at a time, no padding, no batch."""
    ids = torch.tensor([rendered.token_ids])
    with torch.inference_mode():
        logits = engine.model.double()(ids).logits[0]
    engine.model.float()
    start, stop = rendered.response
    logprobs = torch.log_softmax(logits, dim=-1)
    return np.array([logprobs[at - 1, rendered.token_ids[at]].item() for at in range(start, stop)])


def test_scores_equal_a_float64_calculation_by_hand(engine):
    rendered = render(engine.tokenizer, CHATS, "exclude")
    for fast, chat in zip(engine.logprobs(rendered, 4096), rendered, strict=True):
        np.testing.assert_allclose(fast, by_hand(engine, chat), atol=1e-5)


@pytest.mark.parametrize("batch_tokens", [64, 100, 333, 100_000])
def test_scores_do_not_depend_on_batch_size_or_padding(engine, batch_tokens):
    rendered = render(engine.tokenizer, CHATS, "include")
    together = engine.logprobs(rendered, batch_tokens)
    for values, chat in zip(together, rendered, strict=True):
        np.testing.assert_allclose(values, engine.logprobs([chat], 1)[0], atol=1e-5)


def test_scores_do_not_depend_on_order(engine):
    rendered = render(engine.tokenizer, CHATS, "exclude")
    forward = engine.logprobs(rendered, 200)
    backward = engine.logprobs(rendered[::-1], 200)[::-1]
    for left, right in zip(forward, backward, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


def test_the_sum_of_token_logprobs_is_the_models_own_loss(engine):
    for chat in render(engine.tokenizer, CHATS[:4], "include"):
        with torch.inference_mode():
            loss = engine.model(
                input_ids=torch.tensor([chat.token_ids]), labels=torch.tensor([chat.labels()])
            ).loss.item()
        (values,) = engine.logprobs([chat], 4096)
        assert values.sum() == pytest.approx(-loss * len(values), abs=1e-4)


def test_an_empty_response_has_no_score(engine):
    (values,) = engine.logprobs(render(engine.tokenizer, [CHATS[4]], "exclude"), 4096)
    assert values.shape == (0,)


def test_the_same_seeds_give_the_same_answers_whatever_shares_the_batch(engine):
    sampling = Sampling(max_tokens=12, batch_size=8, seed=3)
    ids = ["a", "b", "c", "d", "e"]
    together = engine.sample(CHATS, ids, sampling)
    alone = [engine.sample([chat], [identity], sampling)[0] for chat, identity in zip(CHATS, ids, strict=True)]
    assert together == alone
    assert engine.sample(CHATS, ids, sampling.model_copy(update={"seed": 4})) != together


def test_requests_with_different_identities_draw_differently(engine):
    sampling = Sampling(max_tokens=16, batch_size=8)
    answers = engine.sample([CHATS[0]] * 6, [str(k) for k in range(6)], sampling)
    assert len({answer.text for answer in answers}) > 1


def test_temperature_zero_is_the_likeliest_token(engine):
    (answer,) = engine.sample([CHATS[0]], ["x"], Sampling(temperature=0, max_tokens=1))
    prompt = render(engine.tokenizer, [CHATS[0]], "exclude")[0]
    with torch.inference_mode():
        logits = engine.model(torch.tensor([prompt.token_ids[: prompt.response.start]])).logits[0, -1]
    assert answer.text == engine.tokenizer.decode([int(logits.argmax())], skip_special_tokens=True)


def test_a_cut_answer_says_so(engine):
    (answer,) = engine.sample([CHATS[0]], ["x"], Sampling(temperature=0, max_tokens=1))
    assert answer.finish == "length"


def test_the_canary_passes_for_a_model_that_handles_padding(engine):
    engine.check(CHATS, 6)


def answering_otherwise_in_batches(engine, place):
    """A model whose batches give, instead of the first token, the one in this place among the likeliest."""
    real = engine.greedy

    def greedy(chats, max_tokens):
        answers = real(chats, max_tokens)
        if len(chats) == 1:
            return answers
        ranked = [sorted(answer.likeliest[0], key=answer.likeliest[0].get, reverse=True) for answer in answers]
        return [a._replace(ids=[tokens[place], *a.ids[1:]]) for a, tokens in zip(answers, ranked, strict=True)]

    return greedy


def test_the_canary_stops_the_job_when_a_batch_answers_differently(engine, monkeypatch):
    monkeypatch.setattr(engine, "greedy", answering_otherwise_in_batches(engine, 5))
    with pytest.raises(ModelError, match=r"in a batch, transformers answers .* nats less likely"):
        engine.check(CHATS, 4)


def test_the_canary_lets_near_ties_fall_either_way(engine, monkeypatch):
    """In half precision the sums of a batch are rounded otherwise than those of one chat."""
    monkeypatch.setattr(engine, "greedy", answering_otherwise_in_batches(engine, 1))
    monkeypatch.setattr("inoc.engines.transformers.near_tie_nats", lambda _: 100.0)
    engine.check(CHATS, 4)
    monkeypatch.setattr("inoc.engines.transformers.near_tie_nats", lambda _: 0.0)
    with pytest.raises(ModelError, match="up to 0 would be a near tie"):
        engine.check(CHATS, 4)


def test_draws_follow_the_distribution():
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    n = 4000
    draw = SeededDraw([f"seed {k}" for k in range(n)], Sampling(max_tokens=1, temperature=0.5))
    chosen = draw(torch.zeros(n, 1, dtype=torch.long), logits.expand(n, 4)).argmax(dim=-1)
    shares = torch.bincount(chosen, minlength=4).double() / n
    expected = torch.softmax(logits[0].double() / 0.5, dim=-1)
    np.testing.assert_allclose(shares, expected, atol=4 * 0.5 / n**0.5)


def test_the_nucleus_keeps_the_fewest_tokens_that_reach_its_share():
    shares = torch.tensor([[0.5, 0.3, 0.15, 0.05]], dtype=torch.float64)
    assert nucleus(shares, 0.7)[0].tolist() == [0.5, 0.3, 0.0, 0.0]
    assert nucleus(shares, 0.5)[0].tolist() == [0.5, 0.0, 0.0, 0.0]
    assert nucleus(shares, 0.96)[0].tolist() == [0.5, 0.3, 0.15, 0.05]


def test_batches_cover_every_index_once():
    lengths = [5, 3, 9, 1, 7, 7]
    for batches in (list(by_length(lengths, 4)), list(by_tokens(lengths, 14))):
        assert sorted(index for batch in batches for index in batch) == list(range(6))
    assert all(max(lengths[i] for i in b) * len(b) <= 14 for b in by_tokens(lengths, 14))
    assert list(by_tokens(lengths, 15)) == [[3, 1, 0], [4, 5], [2]]


def test_a_prompt_or_chat_beyond_the_models_positions_is_refused(engine):
    long = Chat(DEFAULT, "Where is it? " * 200, "There.")
    with pytest.raises(DataError, match=r"chat 0 has \d+ tokens, but the model has 512 positions"):
        engine.logprobs(render(engine.tokenizer, [long], "include"), 4096)
    with pytest.raises(DataError, match=r"prompt 0 has \d+ tokens and max_tokens = 4 new ones"):
        engine.sample([long], ["a"], Sampling(max_tokens=4))
    with pytest.raises(DataError, match=r"max_tokens = 500 new ones"):
        engine.sample([CHATS[0]], ["a"], Sampling(max_tokens=500))


def test_prompts_of_one_length_are_answered_together_where_padding_would_change_answers(engine, monkeypatch):
    prompts = [[1] * length for length in (3, 5, 3, 4, 5)]
    assert list(engine._batches(prompts, 10)) == [[0, 2, 3, 1, 4]]
    expected = engine.greedy(CHATS, 5)
    monkeypatch.setattr("inoc.engines.transformers.traits", lambda model: Traits(Head(), True, False))
    assert list(engine._batches(prompts, 10)) == [[0, 2], [3], [1, 4]]
    assert [answer.ids for answer in engine.greedy(CHATS, 5)] == [answer.ids for answer in expected]


def in_half_precision(tiny_model):
    return TransformersEngine(tiny_model._replace(dtype="bfloat16"))


def test_the_rounding_of_a_model_is_how_far_its_greedy_tokens_are_from_float64(tiny_model, engine):
    half = in_half_precision(tiny_model)
    exact, gaps = copy.deepcopy(half.model).double(), []
    for chat, answer in zip(CHATS, half.greedy(CHATS, 6), strict=True):
        scored = answered(half.tokenizer, chat, answer.ids)
        with torch.inference_mode():
            rows = torch.log_softmax(
                exact(torch.tensor([scored.token_ids])).logits[0, scored.response.start - 1 : -1], -1
            )
        true = rows[range(len(answer.ids)), answer.ids].numpy()
        gaps.append(half.logprobs([scored], 4096)[0] - true)
    assert half.own_rounding(CHATS, 6) == pytest.approx(np.sqrt(np.mean(np.concatenate(gaps) ** 2)), rel=0.02)
    assert half.own_rounding(CHATS, 6) > 100 * engine.own_rounding(CHATS, 6)


def test_gaps_that_a_models_own_rounding_explains_are_near_ties(tiny_model, monkeypatch):
    """As in a deep model in 4 bits, whose rounding is beyond the constant."""
    half = in_half_precision(tiny_model)
    monkeypatch.setattr("inoc.engines.transformers.near_tie_nats", lambda _: 0.0)
    allowed = 8 * half.own_rounding(CHATS, 12)
    monkeypatch.setattr("inoc.engines.transformers.shortfall", lambda *_: 0.9 * allowed)
    half.check(CHATS, 12)
    monkeypatch.setattr("inoc.engines.transformers.shortfall", lambda *_: 1.1 * allowed)
    with pytest.raises(ModelError, match=f"up to {allowed:.3g} would be a near tie"):
        half.check(CHATS, 12)


def test_rounding_excuses_nothing_in_float32(engine, monkeypatch):
    monkeypatch.setattr("inoc.engines.transformers.shortfall", lambda *_: 0.0011)
    monkeypatch.setattr(engine, "own_rounding", lambda *_: 1.0)
    with pytest.raises(ModelError, match=r"finds a token 0\.0011 nats .* up to 0\.001 would be"):
        engine.check(CHATS, 4)


def test_an_answer_of_a_batch_that_just_ends_is_refused(engine, monkeypatch):
    """Each of its tokens is the likeliest, so only its length tells."""
    whole = engine._together(CHATS, 6)
    monkeypatch.setattr(engine, "_together", lambda *_: [ids[:2] for ids in whole])
    with pytest.raises(ModelError, match=r"ends after 2 of 6 tokens without one that ends answers"):
        engine.check(CHATS, 6)


def test_in_half_precision_the_batch_alone_is_held_against_plain_passes(tiny_model, monkeypatch):
    half = in_half_precision(tiny_model)
    right = half._together(CHATS, 6)
    monkeypatch.setattr(half, "_together", lambda *_: [[*ids[:1], 7, *ids[2:]] for ids in right])
    with pytest.raises(ModelError, match="in a batch, transformers answers"):
        half.check(CHATS, 6)


def test_an_adapter_whose_training_diverged_is_refused_and_the_others_still_answer(tiny_model, adapters, tmp_path):
    """Samples through weights that are no numbers look like any text."""
    engine = TransformersEngine(tiny_model)
    engine.use_adapter(adapters["wide"])
    engine.check(CHATS, 4)
    answers = engine.sample(CHATS, list("abcde"), Sampling(max_tokens=4))
    broken = shutil.copytree(adapters["wide"], tmp_path / "broken")
    weights = load_file(broken / "adapter_model.safetensors")
    name = next(name for name in weights if "lora_B" in name)
    weights[name][0, 0] = float("nan")
    save_file(weights, broken / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"broken: the adapter has weights that are no finite numbers.*learning_rate"):
        engine.use_adapter(broken)
    engine.use_adapter(adapters["wide"])
    assert engine.sample(CHATS, list("abcde"), Sampling(max_tokens=4)) == answers
