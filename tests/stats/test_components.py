from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from inoc.errors import DataError
from inoc.stats import components, gram
from inoc.stats.bootstrap import Resampler
from inoc.stats.components import component_intervals, principal_components


def made_up(n: int = 8, k: int = 40, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, k)) * [[3.0]] + rng.normal(size=(n, k)) + 5


def test_components_are_those_of_sklearn_up_to_sign() -> None:
    matrix = made_up()
    oracle = PCA(5, svd_solver="full").fit(matrix)
    found = principal_components(matrix, 5, matrix.mean(axis=1))
    assert np.allclose(np.abs(found.scores), np.abs(oracle.transform(matrix)), atol=1e-9)
    assert np.allclose(found.share, oracle.explained_variance_ratio_)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_no_component_falls_with_what_orients_it(seed: int) -> None:
    matrix = made_up(seed=seed)
    orient = matrix.mean(axis=1)
    found = principal_components(matrix, 4, orient)
    assert all(np.corrcoef(column, orient)[0, 1] >= -1e-9 for column in found.scores.T)


def test_without_orientation_the_farthest_row_is_positive() -> None:
    found = principal_components(made_up(), 3, np.zeros(8))
    assert all(column[np.argmax(np.abs(column))] > 0 for column in found.scores.T)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(40)))
def test_order_of_columns_does_not_matter(order: list[int]) -> None:
    matrix = made_up()
    orient = matrix.mean(axis=1)
    ours, shuffled = (principal_components(m, 3, orient) for m in (matrix, matrix[:, order]))
    assert np.allclose(ours.scores, shuffled.scores)


def test_distances_between_rows_survive_when_all_components_are_kept() -> None:
    matrix = made_up()
    scores = principal_components(matrix, 99, matrix.mean(axis=1)).scores
    assert scores.shape == (8, 7)
    assert np.linalg.norm(scores[0] - scores[5]) == pytest.approx(np.linalg.norm(matrix[0] - matrix[5]))


def test_intervals_hold_the_values_of_a_strong_component() -> None:
    matrix, resampler = made_up(k=300), Resampler(200, 0)
    found = principal_components(matrix, 2, matrix.mean(axis=1))
    bounds = component_intervals(matrix, found, resampler)
    assert (bounds.share.lo < found.share).all()
    assert (found.share < bounds.share.hi).all()
    assert (bounds.scores.lo[:, 0] < found.scores[:, 0]).all()
    assert (found.scores[:, 0] < bounds.scores.hi[:, 0]).all()


def test_resampled_components_equal_those_of_a_matrix_of_drawn_columns() -> None:
    matrix, resampler = made_up(k=12), Resampler(100, 0)
    found = principal_components(matrix, 1, matrix.mean(axis=1))
    drawn = [
        PCA(1, svd_solver="full").fit(np.repeat(matrix, weights.astype(int), axis=1)).explained_variance_ratio_[0]
        for weights in resampler.simple_weights(12)
    ]
    bounds = component_intervals(matrix, found, resampler)
    assert (bounds.share.lo[0], bounds.share.hi[0]) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_a_matrix_that_does_not_vary_has_no_shares() -> None:
    found = principal_components(np.ones((3, 5)), 2, np.zeros(3))
    assert np.isnan(found.share).all()


@pytest.mark.parametrize("matrix", [np.full((3, 4), np.nan), np.ones((1, 4)), np.ones((3, 0))])
def test_incomplete_matrices_are_refused(matrix: np.ndarray) -> None:
    with pytest.raises(DataError, match="complete matrix"):
        principal_components(matrix, 2, np.zeros(matrix.shape[0]))


def test_intervals_of_many_prompts_are_those_of_the_whole_decomposition(monkeypatch) -> None:
    matrix = made_up(n=gram.ALL_PAIRS + 2, k=60)
    found = principal_components(matrix, 3, matrix.mean(axis=1))
    resampler = Resampler(resamples=12, seed=0)
    few = component_intervals(matrix, found, resampler)
    for module in (components, gram):
        monkeypatch.setattr(module, "ALL_PAIRS", 1_000)
    exact = component_intervals(matrix, found, resampler)
    for one, other in zip(few, exact, strict=True):
        assert np.allclose(one.lo, other.lo, rtol=0, atol=1e-9 * np.abs(other.lo).max())
        assert np.allclose(one.hi, other.hi, rtol=0, atol=1e-9 * np.abs(other.hi).max())
