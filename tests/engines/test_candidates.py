from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.engines.candidates import (
    Candidate,
    Choice,
    candidate,
    check_candidates,
    choice,
    scale,
    spelled,
    total,
    unmeasured,
)
from inoc.errors import ConfigError

SEQUENCES = st.dictionaries(
    st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple), st.integers(0, 2), min_size=1, max_size=8
)


def language(rng):
    """A random language of three words: each context has its own next-word probabilities; word 2 may stop an answer."""
    known = {}

    def shares(context):
        return known.setdefault(context, rng.dirichlet(np.ones(3)))

    return shares


def answers(shares, length=5):
    """All answers of a length and their probabilities."""
    found = {(): 1.0}
    for _ in range(length):
        found = {(*one, word): p * shares(one)[word] for one, p in found.items() for word in range(3)}
    return found


def steps_of(plan, shares):
    """What a forward pass would say."""
    contexts = {(-1, -1): ()} | {
        (index, at): branch[: at + 1] for index, branch in enumerate(plan.branches) for at in range(len(branch))
    }
    return [math.log(shares(contexts[branch, place])[token]) for branch, place, token in plan.steps]


@given(SEQUENCES, st.integers(0, 2**32))
def test_each_answer_counts_once_for_the_longest_listed_spelling_that_it_begins_with(sequences, seed):
    shares = language(np.random.default_rng(seed))
    expected = [0.0] * 3
    for answer, probability in answers(shares).items():
        listed = [answer[:at] for at in range(1, 5) if answer[:at] in sequences]
        if listed:
            expected[sequences[listed[-1]]] += probability
    plan = spelled(sequences, 3)
    found = total(plan, steps_of(plan, shares))
    np.testing.assert_allclose(np.exp(found.logprobs), expected, atol=1e-9)
    assert found.mass == pytest.approx(min(1.0, sum(expected)), abs=1e-9)


@given(SEQUENCES, st.integers(0, 2**32))
def test_whole_answers_are_those_that_end_after_a_spelling(sequences, seed):
    sequences = {one: owner for one, owner in sequences.items() if 2 not in one}
    shares = language(np.random.default_rng(seed))
    plan = spelled(sequences, 3, stops=[2])
    found = total(plan, steps_of(plan, shares))
    expected = [0.0] * 3
    for one, owner in sequences.items():
        steps = [shares(one[:at])[token] for at, token in enumerate(one)]
        expected[owner] += math.prod(steps) * shares(one)[2]
    np.testing.assert_allclose(np.exp(found.logprobs), expected, atol=1e-12)


@given(SEQUENCES)
def test_no_branch_begins_another_and_one_token_answers_need_none(sequences):
    branches = spelled(sequences, 3).branches
    assert not any(one != other and other[: len(one)] == one for one in branches for other in branches)
    assert () not in branches
    assert spelled({one[:1]: 0 for one in sequences}, 3).branches == ()


def test_the_usual_spellings_of_a_text():
    assert candidate("Lion").spellings == ("Lion", " Lion", "lion", " lion", "LION", " LION")
    assert candidate("7", 7.0).spellings == ("7", " 7")
    assert "one" in candidate("1", others=["one"]).spellings
    assert [one.value for one in scale(1, 5)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ([], "at least one"),
        ([Candidate("A", ("a",)), Candidate("A", ("b",))], "a name of its own"),
        ([Candidate("A", ("a", "x")), Candidate("B", ("b", "x"))], "'x' belongs to the candidates 'A' and 'B'"),
        ([Candidate("A", (" ",))], "none blank"),
        ([Candidate("A", ())], "none blank"),
        ([candidate("a"), candidate("A")], "belongs to the candidates"),
    ],
)
def test_candidates_that_cannot_be_told_apart_are_refused(candidates, message):
    with pytest.raises(ConfigError, match=message):
        check_candidates(candidates)


def test_argmax_and_expectation_are_those_of_the_covered_mass():
    answers = [*scale(1, 3), candidate("pass")]
    found = choice(tuple(math.log(p) for p in (0.1, 0.2, 0.1, 0.3)))
    assert found.mass == pytest.approx(0.7)
    assert found.shares() == pytest.approx((1 / 7, 2 / 7, 1 / 7, 3 / 7))
    assert found.best() == 3
    assert found.expectation(answers) == pytest.approx(2.0)
    assert math.isnan(found.expectation([candidate(name) for name in "abcd"]))


def test_long_texts_have_shares_though_their_probabilities_are_below_every_float():
    found = choice((-2000.0, -2001.0))
    assert found.mass == 0
    assert found.shares()[0] == pytest.approx(1 / (1 + math.exp(-1)))
    assert found.best() == 0


def test_nothing_covered_and_nothing_measured_are_nan_and_no_choice():
    for found in (choice((-math.inf, -math.inf)), unmeasured(2, "no logprobs")):
        assert found.best() == -1
        assert np.isnan(found.shares()).all()
        assert math.isnan(found.expectation(scale(0, 1)))
    assert choice((-math.inf,)).mass == 0
    assert math.isnan(unmeasured(1, "x").mass)
    assert isinstance(found, Choice)
