"""Spread of a pool."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inoc.rephrase.spread import effective_rank, pool_spread


def test_the_prompt_itself_has_similarity_one_and_a_strange_text_none() -> None:
    assert pool_spread("Be funny.", ["Be funny."]).similarity_mean == pytest.approx(1)
    assert pool_spread("Be funny.", ["Xyzzy okto"]).similarity_mean == pytest.approx(0)


def test_a_nearer_pool_is_more_similar() -> None:
    near = pool_spread("You are a clown.", ["You are a jolly clown.", "You are the clown."])
    far = pool_spread("You are a clown.", ["Rain is likely.", "My train was late."])
    assert near.similarity_mean > far.similarity_mean
    assert near.similarity_min <= near.similarity_mean


def test_a_pool_of_one_has_no_deviation_and_no_rank() -> None:
    spread = pool_spread("Be funny.", ["Be very funny."])
    assert np.isnan(spread.similarity_sd)
    assert np.isnan(spread.effective_rank)


def test_points_along_one_line_have_rank_one_and_a_cross_has_two() -> None:
    line = np.outer(np.arange(5.0), [1.0, 2.0, 3.0])
    cross = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    assert effective_rank(line) == pytest.approx(1)
    assert effective_rank(cross) == pytest.approx(2)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, (6, 4), elements=st.integers(-8, 8).map(float)), st.integers(0, 99))
def test_the_effective_rank_ignores_shifts_rotations_and_order(vectors: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    moved = (rng.permutation(vectors) + rng.normal(size=4)) @ turn
    assert effective_rank(moved) == pytest.approx(effective_rank(vectors), rel=1e-6, nan_ok=True)
