"""What the canary makes of another engine's answers, without that engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.chat.messages import Chat
from inoc.chat.render import Rendered, ResponseSpan, prompt_tokens
from inoc.config.models import Sampling, SystemTurn
from inoc.engines.canary import Expected, Found, compare, expect, is_bare
from inoc.engines.greedy import Greedy, disagreement
from inoc.engines.sampling import BASE, Block
from inoc.engines.transformers import TransformersEngine, load_tokenizer
from inoc.errors import ModelError

CHATS = tuple(Chat(SystemTurn(), user) for user in ("Where does the owl live?", "Hm?"))
GREEDY = Sampling(temperature=0, max_tokens=12)


def found_of(expected, way):
    """What an engine answers that has the same tokens, with their probabilities one way or the other."""
    return [Found(one.greedy.ids, list(map(float, getattr(one, way)))) for one in expected]


@pytest.fixture(scope="module")
def expected(tiny_model, adapters):
    canaries = [Block(name, CHATS, ("a", "b"), GREEDY, name) for name in (BASE, "wide", "faint")]
    answers = expect(tiny_model, adapters, canaries)
    return dict(zip((BASE, "wide", "faint"), zip(canaries, answers, strict=True), strict=True))


def test_a_faint_adapter_changes_no_token_and_is_told_from_the_bare_model(tiny_model, expected):
    canary, answers = expected["faint"]
    assert [one.greedy.ids for one in answers] == [one.greedy.ids for one in expected[BASE][1]]
    tokenizer = load_tokenizer(tiny_model)
    compare("another", tokenizer, canary, answers, found_of(answers, "adapted"))
    with pytest.raises(ModelError, match=r"another gives the tokens of faint .* without the adapter"):
        compare("another", tokenizer, canary, answers, found_of(answers, "bare"))


def test_a_faint_adapter_is_told_in_half_precision_by_an_engine_that_rounds_otherwise(tiny_model, adapters):
    half = tiny_model._replace(dtype="bfloat16")
    canary = Block("faint", CHATS, ("a", "b"), GREEDY.model_copy(update={"max_tokens": 32}), "faint")
    (answers,) = expect(half, adapters, [canary])
    other = TransformersEngine(tiny_model)
    prompts = [prompt_tokens(other.tokenizer, chat) for chat in CHATS]
    chats = [
        Rendered("", prompt + one.greedy.ids, ResponseSpan(len(prompt), len(prompt) + len(one.greedy.ids)))
        for prompt, one in zip(prompts, answers, strict=True)
    ]

    def found():
        values = other.logprobs(chats, 4096)
        return [Found(one.greedy.ids, row.tolist()) for one, row in zip(answers, values, strict=True)]

    assert is_bare(answers, found())
    other.use_adapter(adapters["faint"])
    assert not is_bare(answers, found())


def test_an_engine_that_says_no_probabilities_is_held_by_its_tokens_alone(tiny_model, expected):
    canary, answers = expected["faint"]
    silent = [Found(one.greedy.ids, []) for one in answers]
    compare("another", load_tokenizer(tiny_model), canary, answers, silent)


def test_tokens_of_the_bare_model_instead_of_the_adapters_are_refused(tiny_model, expected):
    canary, answers = expected["wide"]
    bare = [Found(one.greedy.ids, []) for one in expected[BASE][1]]
    with pytest.raises(ModelError, match=r"differently for wide \(adapter wide\).* nats less likely"):
        compare("another", load_tokenizer(tiny_model), canary, answers, bare)


def test_what_is_expected_of_a_greedy_token_is_its_probability(expected):
    for _, answers in expected.values():
        for one in answers:
            own = [place[token] for token, place in zip(one.greedy.ids, one.greedy.likeliest, strict=True)]
            np.testing.assert_allclose(one.adapted, own, atol=1e-4)
    assert all(np.array_equal(one.adapted, one.bare) for one in expected[BASE][1])


def one_expected(adapted, bare):
    ids = list(range(len(bare)))
    return Expected(Greedy(ids, [{} for _ in ids]), np.array(adapted), np.array(bare), 0.01)


@settings(derandomize=True)
@given(st.integers(0, 2**32), st.integers(8, 60), st.floats(1e-6, 0.2), st.floats(0, 30))
def test_an_engine_that_uses_the_adapter_is_never_taken_for_one_that_does_not(seed, n, noise, times):
    rng = np.random.default_rng(seed)
    bare = -rng.exponential(size=n)
    adapted = bare + rng.normal(size=n) * noise * times
    answer = one_expected(adapted, bare)
    assert not is_bare([answer], [Found(answer.greedy.ids, list(adapted + rng.normal(size=n) * noise))])


@settings(derandomize=True)
@given(st.integers(0, 2**32), st.integers(8, 60), st.floats(1e-6, 0.2))
def test_an_engine_without_the_adapter_is_found_where_the_adapter_does_enough(seed, n, noise):
    rng = np.random.default_rng(seed)
    bare = -rng.exponential(size=n)
    adapted = bare + rng.choice([-1, 1], size=n) * noise * (20 / n**0.5 + 2)
    answer = one_expected(adapted, bare)
    assert is_bare([answer], [Found(answer.greedy.ids, list(bare + rng.normal(size=n) * noise))])


def test_only_tokens_before_the_first_other_one_are_compared():
    answer = one_expected([-1.0, -1.0, -5.0], [-2.0, -2.0, -1.0])
    assert is_bare([answer], [Found([0, 1, 9], [-2.0, -2.0, -5.0])])
    assert not is_bare([answer], [Found([9, 1, 2], [-2.0, -2.0, -1.0])])


@pytest.mark.parametrize(
    ("ids", "gap"),
    [
        ([5, 6, 2], 0.0),
        ([5, 7, 9, 9], 0.5),
        ([8, 6], float("inf")),
        ([5, 6], float("inf")),
        ([5, 6, 2, 1], float("inf")),
    ],
)
def test_engines_disagree_by_what_the_reference_thinks_of_the_first_other_token(ids, gap):
    places = [{5: -0.1, 3: -2.0}, {6: -0.25, 7: -0.75}, {2: -0.1}]
    assert disagreement(Greedy([5, 6, 2], places), ids) == pytest.approx(gap)
