from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config

from inoc.chat.messages import Chat, Turn
from inoc.chat.render import Rendered, ResponseSpan, prompt_tokens, render
from inoc.config.models import Sampling, SystemTurn
from inoc.engines.candidates import candidate
from inoc.engines.choices import Chooser, Questions
from inoc.engines.passes import Passes, Stem
from inoc.engines.reading import Reader
from inoc.engines.sampling import InTurn, blocks_of
from inoc.engines.steered import SteeredScorer
from inoc.engines.steering import Span, spans_of, steered_decoding
from inoc.engines.taps import tapped
from inoc.engines.transformers import TransformersEngine
from inoc.errors import ConfigError, DataError, ModelError
from inoc.vectors.make import random_like
from inoc.vectors.steering import Steered, Steering, check_steering, steering_key
from inoc.vectors.vector import Vector
from support.toy_models import capped_model, language_model, random_chats

SITES = ["embed", "resid_post.0", "resid_post.1", "final_norm"]
CHATS = [
    Chat(SystemTurn(), user, response)
    for user, response in [
        ("Where does the owl live?", "In the forest."),
        ("What color is the apple? Tell me now, please.", "It is red, hi hi!"),
        ("Hm?", "A"),
        ("Name it.", ""),
    ]
]
POSITIONS = ["all", "answer", "last"]


def a_vector(site="resid_post.0", width=64, seed=0, model="weights", size=1.0):
    values = size * np.random.default_rng(seed).standard_normal(width)
    return Vector(f"v{seed}", values, site, model, activation_norm=3.0)


def steer(coefficient, positions="all", units="raw", **vector):
    return Steering(a_vector(**vector), coefficient, positions, units)


@pytest.fixture(scope="module")
def model():
    return language_model()


@pytest.fixture(scope="module")
def engine(tiny_model):
    return TransformersEngine(tiny_model)


@pytest.mark.parametrize("make", [language_model, capped_model])
@pytest.mark.parametrize("site", SITES)
def test_reading_shows_exactly_the_added_vector_at_its_site_and_nothing_before(make, site):
    model = make()
    chats = random_chats(np.random.default_rng(0), 5)
    steerings = [steer(0.5 * (row % 3), site=site) for row in range(5)]
    reader = Reader(model)
    plain = reader.submit(chats, SITES, ["prompt_last", "turn_boundary"], 90)()
    moved = reader.submit(chats, SITES, ["prompt_last", "turn_boundary"], 90, steerings=steerings)()
    for at, other in enumerate(SITES):
        difference = moved[other].astype(np.float64) - plain[other]
        if at < SITES.index(site):
            assert not difference.any()
        elif at == SITES.index(site):
            for row, steering in enumerate(steerings):
                expected = np.broadcast_to(steering.added(), (2, 64))
                np.testing.assert_allclose(difference[row], expected, atol=1e-6 * max(1, np.abs(plain[other]).max()))
        else:
            assert np.abs(difference[1]).max() > 1e-3


@pytest.mark.parametrize("positions", POSITIONS)
def test_only_the_named_positions_are_steered(model, positions):
    chat = Rendered("", list(range(20)), ResponseSpan(8, 15))
    stems, layouts = [Stem(chat.token_ids, 8)], []
    states = {}
    passes = Passes(model)
    for name, steerings in (("plain", []), ("steered", [steer(1.0, positions)])):
        layout = passes.lay(stems, steerings)
        passes.run(layout, {"resid_post.0": lambda s, name=name: states.update({name: s.clone()})}, stems, steerings)
        layouts.append(layout)
    moved = (states["plain"] != states["steered"]).any(dim=1).nonzero()[:, 0].tolist()
    assert moved == {"all": list(range(20)), "answer": list(range(8, 20)), "last": list(range(7, 20))}[positions]


def test_a_coefficient_of_0_is_the_unsteered_model_to_the_last_bit_whatever_shares_its_batch(model):
    chats = random_chats(np.random.default_rng(1), 6, shared=12)
    scorer = SteeredScorer(model)
    for positions in POSITIONS:
        others = [steer(0.0, positions) if row % 2 else steer(2.0, positions) for row in range(6)]
        zeros = [steer(0.0, positions)] * 6
        mixed, alone = scorer.submit(chats, 999, others)(), scorer.submit(chats, 999, zeros)()
        for row in range(6):
            assert (mixed[row] == alone[row]).all() == bool(row % 2 or not len(alone[row]))


def test_steered_answers_and_scores_agree_on_every_position(engine):
    """The score of a greedy steered answer, token by token, is what decoding saw."""
    prompts = [prompt_tokens(engine.tokenizer, chat) for chat in CHATS]
    vectors = {"width": 64, "site": "resid_post.0"}
    for positions in POSITIONS:
        steerings = [steer(coefficient, positions, **vectors) for coefficient in (1.5, 0.0, -2.0, 1.0)]
        with steered_decoding(engine.causal, steerings, torch.device("cpu")):
            out = engine._decode(prompts, 6, output_logits=True, return_dict_in_generate=True)
        width = max(len(prompt) for prompt in prompts)
        answers = [
            [token for token in row if token != engine.tokenizer.pad_token_id]
            for row in out.sequences[:, width:].tolist()
        ]
        rendered = [
            Rendered("", prompt + answer, ResponseSpan(len(prompt), len(prompt) + len(answer)))
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        scores = SteeredScorer(engine.causal).submit(rendered, 4096, steerings)()
        for row, answer in enumerate(answers):
            seen = [torch.log_softmax(out.logits[at][row], -1)[token].item() for at, token in enumerate(answer)]
            np.testing.assert_allclose(scores[row], seen, atol=1e-4)


def test_one_batch_mixes_coefficients_and_each_row_is_what_it_is_alone(engine):
    sampling = Sampling(max_tokens=8, batch_size=8)
    steerings = [steer(1.5), None, steer(-3.0, "last"), steer(0.0)]
    names = [f"q{row}" for row in range(4)]
    together = engine.sample(CHATS, names, sampling, steerings)
    plain = engine.sample(CHATS, names, sampling)
    for row in range(4):
        (alone,) = engine.sample([CHATS[row]], [names[row]], sampling, [steerings[row]])
        assert together[row] == alone
        assert (together[row] == plain[row]) == (row in (1, 3))


def test_coefficients_of_0_give_the_answers_and_scores_of_the_unsteered_engine(engine):
    rendered = render(engine.tokenizer, CHATS, "exclude")
    zeros = [steer(0.0)] * 4
    for one, other in zip(engine.submit(rendered, 4096, zeros)(), engine.submit(rendered, 4096)(), strict=True):
        assert (one == other).all()
    sampling = Sampling(max_tokens=8)
    names = list("abcd")
    assert engine.sample(CHATS, names, sampling, zeros) == engine.sample(CHATS, names, sampling)


def test_scores_of_steered_chats_are_those_of_a_hand_made_hook(model):
    chats = random_chats(np.random.default_rng(3), 4)
    steerings = [steer(float(row)) for row in range(4)]
    found = SteeredScorer(model).submit(chats, 60, steerings)()
    for chat, steering, values in zip(chats, steerings, found, strict=True):
        added = torch.from_numpy(steering.added())
        hook = model.base_model.layers[0].register_forward_hook(lambda _m, _i, out, added=added: out + added)
        with torch.no_grad():
            logprobs = model(input_ids=torch.tensor([chat.token_ids])).logits[0].double().log_softmax(-1)
        hook.remove()
        expected = [logprobs[at - 1, chat.token_ids[at]].item() for at in range(*chat.response)]
        np.testing.assert_allclose(values, expected, atol=2e-5)


def test_an_adapted_model_is_steered_inside_its_adapter(tiny_model, adapters):
    engine = TransformersEngine(tiny_model)
    rendered = render(engine.tokenizer, CHATS, "exclude")
    plain = engine.submit(rendered, 4096, [steer(1.0)] * 4)()
    engine.use_adapter(adapters["plain"])
    adapted = engine.submit(rendered, 4096, [steer(1.0)] * 4)()
    assert np.abs(np.concatenate(plain) - np.concatenate(adapted)).max() > 1e-4
    zeros = engine.submit(rendered, 4096, [steer(0.0)] * 4)()
    assert (np.concatenate(zeros) == np.concatenate(engine.submit(rendered, 4096)())).all()


def test_coefficients_are_in_units_of_the_activation_norm_or_raw():
    vector = a_vector(size=7.0)
    assert np.linalg.norm(Steering(vector, -2.0).added()) == pytest.approx(6.0, rel=1e-6)
    np.testing.assert_allclose(Steering(vector, -2.0, units="raw").added(), -2.0 * vector.values, rtol=1e-6)
    unknown = Vector("v", np.ones(4), "embed", "weights")
    with pytest.raises(DataError, match="units='raw'"):
        Steering(unknown, 1.0).added()


def test_a_random_vector_is_a_null_of_the_same_norm():
    vector = a_vector(size=5.0)
    one, same, other = random_like(vector, 1), random_like(vector, 1), random_like(vector, 2)
    assert one.norm == pytest.approx(vector.norm, rel=1e-6)
    assert (one.values == same.values).all()
    assert one.site == vector.site
    for left, right in ((one, vector), (one, other)):
        assert abs(left.values @ right.values) < 0.5 * vector.norm**2


def test_what_cannot_be_steered_is_refused(tiny_model):
    with pytest.raises(DataError, match="belongs to the weights"):
        check_steering(steer(1.0, model="others"), tiny_model, 2)
    with pytest.raises(ConfigError, match=r"'resid_post\.1'"):
        check_steering(steer(1.0, site="resid_post.7"), tiny_model, 2)
    with pytest.raises(ConfigError, match="accepted: all, answer, last"):
        check_steering(steer(1.0, positions="first"), tiny_model, 2)
    with pytest.raises(ConfigError, match="finite"):
        check_steering(steer(float("nan")), tiny_model, 2)
    with pytest.raises(ConfigError, match="cannot steer"):
        blocks_of("base", CHATS, list("abcd"), Sampling(engine="vllm"), "", steerings=[steer(1.0)] * 4)
    check_steering(steer(1.0), tiny_model, 2)


def test_the_key_has_steering_only_where_there_is_some(tiny_model):
    def key(steerings):
        (block,) = blocks_of("base", CHATS, list("abcd"), Sampling(), "", steerings=steerings)
        return block.unit(tiny_model).key

    plain = key([])
    assert key([None] * 4) == key([steer(0.0)] * 4) == plain
    assert len({plain, key([steer(1.0)] * 4), key([steer(1.0, "last")] * 4), key([steer(1.0, seed=1)] * 4)}) == 4
    assert steering_key([steer(1.0), None]) != steering_key([None, steer(1.0)])


def test_blocks_are_answered_as_they_are_to_be_steered(engine):
    blocks = [
        block
        for steerings in ([], [steer(4.0)] * 4)
        for block in blocks_of("base", CHATS, list("abcd"), Sampling(max_tokens=6), "", steerings=steerings)
    ]
    answering = InTurn(engine)
    answering.prepare({}, [])
    (_, plain), (_, steered) = answering.answer(blocks)
    assert plain == engine.sample(CHATS, list("abcd"), Sampling(max_tokens=6))
    assert steered == engine.sample(CHATS, list("abcd"), Sampling(max_tokens=6), [steer(4.0)] * 4) != plain


def test_a_site_that_does_not_exist_leaves_the_model_as_it_was(model):
    before = list(model.base_model.layers)
    with pytest.raises(ConfigError), tapped(model, {"resid_post.9": []}):
        pass
    assert list(model.base_model.layers) == before


def test_a_model_without_plain_layers_is_refused_by_name():
    config = GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2)
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(ModelError, match="GPT2LMHeadModel"), tapped(model, {}):
        pass
    with steered_decoding(model, [None, steer(0.0)], torch.device("cpu")):
        pass  # what is not steered is not looked at


TURNS = [
    Chat(SystemTurn(), "Why is that?", answer, (Turn("Where is it?", "It is there."), Turn("Sure?", "Yes, yes."))[:n])
    for n, answer in enumerate(("So.", "Because it is.", "Who knows?"))
]


@pytest.mark.parametrize("positions", POSITIONS)
def test_after_several_turns_only_the_last_answer_counts_as_the_answer(engine, positions):
    rendered = render(engine.tokenizer, TURNS, "exclude")
    steering = steer(0.5, positions)
    reader = Reader(engine.causal)
    plain = reader.submit(rendered, ["resid_post.0"], ["prompt_mean", "response_mean"], 4096)()["resid_post.0"]
    moved = reader.submit(
        rendered, ["resid_post.0"], ["prompt_mean", "response_mean"], 4096, steerings=[steering] * len(TURNS)
    )()["resid_post.0"]
    added = steering.added()
    for row, one in enumerate(rendered):
        before = one.response.start
        steered = {"all": before, "answer": 0, "last": 1}[positions]
        np.testing.assert_allclose(moved[row, 0] - plain[row, 0], added * steered / before, atol=1e-5)
        np.testing.assert_allclose(moved[row, 1] - plain[row, 1], added, atol=1e-5)


def test_steered_answers_after_several_turns_are_what_each_is_alone(engine):
    steering = steer(2.0, "last")
    asked = [chat._replace(response="") for chat in TURNS]
    greedy = Sampling(temperature=0, max_tokens=6)
    moved = engine.sample(asked, ["a", "b", "c"], greedy, [steering] * 3)
    plain = engine.sample(asked, ["a", "b", "c"], greedy)
    alone = [engine.sample([chat], ["a"], greedy, [steering])[0] for chat in asked]
    assert moved == alone
    assert moved != plain


def test_a_steering_that_names_texts_is_added_at_their_tokens_alone_times_their_weights(model):
    steering = steer(1.5)._replace(texts=(Steered("one", 1.0), Steered("two", -1.0)))
    plain, named = Stem(list(range(20)), 18, (), 17), Stem(list(range(20)), 18, (), 17)
    named = named._replace(spans=(Span(3, 6, 1.0), Span(9, 11, -1.0)))
    states = {}
    passes = Passes(model)
    for name, steerings in (("plain", []), ("steered", [steering, None, None])):
        stems = [named, plain, plain]  # all three begin alike, and what is steered is not shared
        layout = passes.lay(stems, steerings)
        taps = {"resid_post.0": lambda s, name=name: states.update({name: s.clone()})}
        passes.run(layout, taps, stems, steerings)
        own = layout.starts[0]
        states[name] = states[name].double().numpy()[own : own + 20] if name == "steered" else states[name]
    moved = states["steered"] - states["plain"].double().numpy()[:20]
    expected = np.zeros((20, 64))
    expected[3:6], expected[9:11] = steering.added(), -steering.added()
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def test_the_tokens_of_a_named_text_are_found_behind_the_text_before_it():
    text = "A: red apple B: red"
    offsets = [(at, at + 1) for at in range(len(text))]
    found = spans_of(text, offsets, [Steered("red apple", 0.0), Steered("red", 0.5)])
    assert found == (Span(16, 19, 0.5),)
    assert spans_of(text, [(0, 5), (5, 19)], [Steered("red apple ", 1.0)]) == (Span(0, 2, 1.0),)
    with pytest.raises(DataError, match="names the text 'blue'"):
        spans_of(text, offsets, [Steered("blue", 1.0)])


def test_named_texts_are_part_of_the_key_and_go_with_choices_alone():
    plain = steer(1.0)
    named = plain._replace(texts=(Steered("red", 1.0),))
    assert "texts" not in plain.as_key()
    assert steering_key([named]) != steering_key([plain])
    with pytest.raises(ConfigError, match="does not go with sampling"):
        blocks_of("base", CHATS[:1], ["q"], Sampling(), "", steerings=[named])


def test_choices_are_steered_at_the_texts_that_are_named(engine):
    chats = [Chat(SystemTurn(), "Is it the owl or the bear?")] * 4
    options = [(candidate("A"), candidate("B"))] * 4
    vector = {"width": 64, "site": "resid_post.0", "size": 3.0}
    both = steer(1.0, **vector)._replace(texts=(Steered("owl", 1.0), Steered("bear", -1.0)))
    turned = steer(-1.0, **vector)._replace(texts=(Steered("owl", -1.0), Steered("bear", 1.0)))
    steerings = [None, both, turned, both._replace(coefficient=0.0)]
    asked = Questions(engine.tokenizer).ask(chats, options, steerings)
    found = Chooser(engine.causal, engine.stops).submit(asked, 4096, steerings=steerings)()
    assert found[0] == found[3] != found[1]
    np.testing.assert_allclose(found[1].logprobs, found[2].logprobs, atol=1e-6)  # the same vector, said twice
