from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.chat.render import Rendered, ResponseSpan
from inoc.engines.layers import decoder_layers
from inoc.engines.reading import Reader
from inoc.engines.readouts import READOUTS, span_of_readout
from inoc.errors import ConfigError, DataError
from inoc.vectors.sites import depth, hidden_state_site, site_names
from inoc.vectors.vector import Vector
from support.toy_models import capped_model, language_model, random_chats

SITES = ["embed", "resid_post.0", "resid_post.1", "final_norm"]


@pytest.fixture(scope="module")
def model():
    return language_model()


@torch.no_grad()
def by_hand(model, chat, site, readout):
    """Each chat alone: float64 means of tokens of transformers' own hidden states, or of the last block's output."""
    kept = []
    hook = model.base_model.layers[-1].register_forward_hook(lambda _m, _i, out: kept.append(out))
    out = model(input_ids=torch.tensor([chat.token_ids]), output_hidden_states=True)
    hook.remove()
    last = kept[0][0] if isinstance(kept[0], tuple) else kept[0]
    states = {"embed": out.hidden_states[0], "resid_post.0": out.hidden_states[1]}
    states |= {"resid_post.1": last, "final_norm": out.hidden_states[2]}
    start, stop = span_of_readout(chat, readout)
    rows = states[site][0, start:stop].double().numpy()
    return rows.mean(axis=0) if len(rows) else np.full(rows.shape[1], np.nan)


def assert_right(model, chats, found, readouts):
    for site, values in found.items():
        assert values.dtype == np.float32
        for row, chat in zip(values, chats, strict=True):
            for value, readout in zip(row, readouts, strict=True):
                np.testing.assert_allclose(value, by_hand(model, chat, site, readout), atol=1e-5)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.sampled_from([0, 12]), st.sampled_from([1, 60, 10_000]))
def test_read_outs_are_those_of_each_chat_alone_in_hidden_states_of_transformers(model, seed, n, shared, budget):
    chats = random_chats(np.random.default_rng(seed), n, shared)
    found = Reader(model).submit(chats, SITES, READOUTS, budget)()
    assert list(found) == SITES
    assert_right(model, chats, found, READOUTS)


@pytest.mark.parametrize("readout", READOUTS)
def test_each_read_out_alone_is_what_it_is_among_others(model, readout):
    chats = random_chats(np.random.default_rng(5), 5, shared=12)
    assert_right(model, chats, Reader(model).submit(chats, ["resid_post.1"], [readout], 90)(), [readout])


def test_a_model_whose_attention_cannot_be_packed_is_read_with_padding():
    model = capped_model()
    chats = random_chats(np.random.default_rng(1), 5)
    readouts = ["prompt_last", "response_mean", "turn_boundary"]
    assert_right(model, chats, Reader(model).submit(chats, SITES, readouts, 100)(), readouts)


def test_the_sites_of_hidden_states_have_the_names_that_they_are_read_under(model):
    chats = random_chats(np.random.default_rng(2), 1)
    states = model(input_ids=torch.tensor([chats[0].token_ids]), output_hidden_states=True).hidden_states
    names = [hidden_state_site(index, 2) for index in range(len(states))]
    assert names == ["embed", "resid_post.0", "final_norm"]
    found = Reader(model).submit(chats, names, ["turn_boundary"], 100)()
    for name, state in zip(names, states, strict=True):
        np.testing.assert_allclose(found[name][0, 0], state[0, -1].detach().numpy(), atol=1e-6)


def test_the_pass_ends_after_the_last_site_and_the_model_is_as_before(model):
    calls = []
    hooks = [
        layer.register_forward_hook(lambda *_, index=index: calls.append(index))
        for index, layer in enumerate(decoder_layers(model))
    ]
    before = decoder_layers(model)
    chats = random_chats(np.random.default_rng(3), 2)
    for sites, expected in ((["embed"], []), (["resid_post.0"], [0]), (["resid_post.0", "resid_post.1"], [0, 1])):
        calls.clear()
        Reader(model).submit(chats, sites, ["prompt_last"], 1000)()
        assert calls == expected
    for hook in hooks:
        hook.remove()
    assert all(one is other for one, other in zip(before, decoder_layers(model), strict=True))


def test_tokens_after_the_last_read_out_are_not_computed(model):
    lengths = []
    hook = model.base_model.layers[0].register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    chat = Rendered("", list(range(40)), ResponseSpan(10, 30))
    for readout in ("prompt_last", "response_first", "response_last", "turn_boundary"):
        Reader(model).submit([chat], ["resid_post.0"], [readout], 1000)()
    hook.remove()
    assert lengths == [10, 11, 30, 40]


def test_an_empty_response_is_nan_and_its_neighbours_are_not(model):
    chats = [Rendered("", [1, 2, 3], ResponseSpan(2, 2)), Rendered("", [4, 5, 6, 7], ResponseSpan(2, 4))]
    found = Reader(model).submit(chats, ["embed"], ["response_mean", "turn_boundary"], 100)()["embed"]
    assert np.isnan(found[0, 0]).all()
    assert not np.isnan(found[0, 1]).any()
    assert not np.isnan(found[1]).any()


def test_projections_are_the_dot_products_of_the_activations_and_their_norms(model):
    rng = np.random.default_rng(4)
    chats = random_chats(rng, 7)
    vectors = [
        Vector(f"v{at}", rng.standard_normal(64), site, "weights")
        for at, site in enumerate(["resid_post.1", "embed", "resid_post.1"])
    ]
    readouts = ["prompt_last", "response_mean"]
    read = Reader(model).submit(chats, ["embed", "resid_post.1"], readouts, 100)()
    found = Reader(model).project(chats, vectors, readouts, 100)()
    for site, own in (("embed", [vectors[1]]), ("resid_post.1", [vectors[0], vectors[2]])):
        dots = read[site].astype(np.float64) @ np.stack([vector.values for vector in own]).T
        np.testing.assert_allclose(found[site][..., :-1], dots, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[site][..., -1], np.linalg.norm(read[site], axis=2), rtol=1e-5)


def test_a_batch_that_does_not_fit_is_halved(model, monkeypatch):
    reader = Reader(model)
    start = reader._start

    def fits_3(items, *rest):
        if len(items) > 3:
            raise torch.OutOfMemoryError
        return start(items, *rest)

    monkeypatch.setattr(reader, "_start", fits_3)
    chats = random_chats(np.random.default_rng(1), 8)
    assert_right(model, chats, reader.submit(chats, ["resid_post.0"], ["prompt_last"], 10_000)(), ["prompt_last"])


def test_sites_and_read_outs_that_do_not_exist_are_refused(model):
    chats = random_chats(np.random.default_rng(1), 1)
    with pytest.raises(ConfigError, match=r"resid_post\.2.*'resid_post\.1'"):
        Reader(model).submit(chats, ["resid_post.2"], ["prompt_last"], 100)
    with pytest.raises(ConfigError, match='did you mean "prompt_last"'):
        Reader(model).submit(chats, ["embed"], ["promt_last"], 100)
    with pytest.raises(DataError, match="intercept"):
        Reader(model).project(chats, [Vector("v", np.ones(65), "embed", "w")], ["prompt_last"], 100)
    assert [depth(site, 2) for site in site_names(2)] == [0, 1, 2, 3]


def test_no_chat_gives_no_rows(model):
    assert Reader(model).submit([], ["embed"], ["prompt_last"], 100)()["embed"].shape == (0, 1, 64)


def test_nothing_is_read_past_the_last_position(model, monkeypatch):
    (chat,) = random_chats(np.random.default_rng(0), 1, shared=30)
    monkeypatch.setattr(model.config, "max_position_embeddings", 8)
    with pytest.raises(DataError, match="but the model has 8 positions"):
        Reader(model).submit([chat], ["embed"], ["response_mean", "prompt_last"], 4096)
