from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.engines import scoring
from inoc.engines.packed import can_pack, pack, packing, shared_beginning
from inoc.engines.scoring import Scorer, batches_by_sum, float32_logprobs, logits
from support.toy_models import capped_model, language_model, one_by_one, random_chats


@pytest.fixture(scope="module")
def model():
    return language_model()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([0, 3, 17]), st.sampled_from([1, 60, 10_000]))
def test_packed_scores_are_those_of_each_chat_alone(model, seed, n, shared, budget):
    chats = random_chats(np.random.default_rng(seed), n, shared)
    found = Scorer(model, compiled=False).submit(chats, budget)()
    for values, exact in zip(found, one_by_one(model, chats), strict=True):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, exact, atol=2e-5)


def test_a_sliding_window_is_kept_when_chats_share_their_beginning():
    model = language_model(use_sliding_window=True, sliding_window=6, max_window_layers=0)
    chats = random_chats(np.random.default_rng(0), 6, shared=12)
    wide = language_model()
    found = Scorer(model, compiled=False).submit(chats, 500)()
    exact = one_by_one(model, chats)
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(exact), atol=2e-5)
    assert np.abs(np.concatenate(exact) - np.concatenate(one_by_one(wide, chats))).max() > 1e-3


def test_the_model_has_its_own_attention_again_after_scoring(model):
    before = model.config._attn_implementation
    Scorer(model, compiled=False).submit(random_chats(np.random.default_rng(0), 3), 100)()
    assert model.config._attn_implementation == before != "inoc_packed"


def test_a_batch_that_does_not_fit_is_halved_and_later_ones_start_smaller(model, monkeypatch):
    scorer = Scorer(model, compiled=False)
    start, failures = scorer._start, []

    def fits_60(chats):
        if sum(len(chat.token_ids) for chat in chats) > 60:
            failures.append(len(chats))
            raise torch.OutOfMemoryError
        return start(chats)

    monkeypatch.setattr(scorer, "_start", fits_60)
    chats = random_chats(np.random.default_rng(1), 12)
    found = scorer.submit(chats, 10_000)()
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(one_by_one(model, chats)), atol=2e-5)
    assert failures
    failures.clear()
    scorer.submit(chats, 10_000)()
    assert not failures


def test_one_chat_that_does_not_fit_is_an_error(model, monkeypatch):
    scorer = Scorer(model, compiled=False)

    def never(chats):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(scorer, "_start", never)
    with pytest.raises(torch.OutOfMemoryError):
        scorer.submit(random_chats(np.random.default_rng(1), 1), 10_000)


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 120))
def test_batches_hold_every_chat_once_and_no_more_tokens_than_allowed(lengths, most):
    batches = list(batches_by_sum(lengths, most))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or sum(lengths[index] for index in batch) <= most for batch in batches)


@given(st.lists(st.lists(st.integers(0, 1), min_size=5, max_size=9), min_size=1, max_size=5), st.integers(0, 5))
def test_the_shared_beginning_is_the_longest_that_all_have(chats, most):
    shared = shared_beginning(chats, most)
    assert all(chat[:shared] == chats[0][:shared] for chat in chats)
    assert shared == most or any(chat[shared] != chats[0][shared] for chat in chats)


def test_a_row_says_what_each_part_of_it_sees():
    row = pack([[7, 8, 1, 2], [7, 8, 3]], shared=2)
    assert row.ids.tolist() == [[7, 8, 1, 2, 3]]
    assert row.positions.tolist() == [[0, 1, 2, 3, 2]]
    assert row.keys.tolist() == [0, 1, 0, 1, 2, 3, 0, 1, 4]
    assert row.bounds.tolist() == [0, 2, 4, 5]
    assert row.key_bounds.tolist() == [0, 2, 6, 9]
    assert row.starts == [0, 2]


def test_attention_that_bounds_its_scores_is_not_packed(model):
    assert can_pack(model)
    assert not can_pack(capped_model())


def test_dropout_in_packed_attention_is_refused(model):
    with packing(model), pytest.raises(NotImplementedError, match="attention_dropout"):
        layer = model.base_model.layers[0].self_attn
        layer.attention_dropout, layer.training = 0.5, True
        try:
            model.base_model(**pack([[1, 2, 3]]).arguments())
        finally:
            layer.attention_dropout, layer.training = 0.0, False


@pytest.mark.parametrize("rows", [1, 7, 4096])
def test_the_number_of_positions_asked_at_once_changes_nothing(model, monkeypatch, rows):
    chats = random_chats(np.random.default_rng(3), 5)
    expected = np.concatenate(one_by_one(model, chats))
    monkeypatch.setattr(scoring, "ROWS", rows)
    np.testing.assert_allclose(np.concatenate(Scorer(model, compiled=False).submit(chats, 999)()), expected, atol=2e-5)


def test_float32_scores_of_a_half_precision_model_are_those_of_its_widened_copy():
    half = language_model().to(torch.bfloat16)
    wide = language_model().to(torch.bfloat16).float()
    chats = random_chats(np.random.default_rng(4), 4)
    weights = {name: value.clone() for name, value in half.state_dict().items()}
    found = [float32_logprobs(half, chat) for chat in chats]
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(one_by_one(wide, chats)), atol=2e-4)
    after = half.state_dict()
    assert all(torch.equal(after[name], weights[name]) and after[name].dtype == torch.bfloat16 for name in weights)
    assert np.abs(np.concatenate(found) - np.concatenate(one_by_one(half, chats))).max() > 1e-3


def test_logits_of_a_head_with_a_bias_have_it():
    head = torch.nn.Linear(8, 5)
    states = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(logits(head, states), head(states))
