"""Near ties: which gaps between greedy answers rounding explains."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inoc.engines.greedy import TIMES, Ties, near_tie_nats


def never() -> float:
    pytest.fail("the rounding was measured without need")


def test_rounding_is_not_measured_where_the_constant_is_enough():
    assert Ties("bfloat16", never).limit(0.5, 0.5) == 0.5
    assert Ties("float32", never).limit(math.inf, 0.01) == 0.01


def test_rounding_is_measured_once_and_only_widens_the_limit():
    asked = []
    ties = Ties("bfloat16", lambda: asked.append(None) or 0.2)
    assert [ties.limit(gap, 0.5) for gap in (0.6, 2.0, 0.1)] == [TIMES * 0.2, TIMES * 0.2, 0.5]
    assert len(asked) == 1
    assert Ties("bfloat16", lambda: 0.01).limit(0.6, 0.5) == 0.5


@pytest.mark.parametrize("rounding", [0.02, 0.06, 0.19])
def test_gaps_of_two_computations_that_round_are_within_the_limit_and_wrong_tokens_are_not(rounding):
    """10,000 tokens of 300 words, whose log-probabilities two computations round independently."""
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1, (10_000, 300))
    sampled, plain = (true + rng.normal(0, rounding, true.shape) for _ in range(2))
    rows = np.arange(len(true))
    gaps = plain.max(axis=1) - plain[rows, sampled.argmax(axis=1)]
    limit = Ties("bfloat16", lambda: rounding).limit(gaps.max(), near_tie_nats("bfloat16"))
    assert (gaps > 0).sum() > 100
    assert gaps.max() <= limit
    wrong = plain.max(axis=1) - plain[rows, rng.integers(0, 300, len(true))]
    assert np.mean(wrong > limit) > 0.85
