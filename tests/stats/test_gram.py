from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.preprocessing import StandardScaler

from inoc.errors import DataError
from inoc.stats import gram
from inoc.stats.gram import (
    add_gram,
    angles,
    angles_to_mean,
    centred,
    decompose_gram,
    fix_signs,
    inner_products,
)


def matrix(seed: int = 0, n: int = 7, k: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0.3, 1, (n, k)) + rng.normal(0, 2, (n, 1)) * rng.normal(1, 0.2, k)


def brute_angles(rows: np.ndarray) -> np.ndarray:
    n = len(rows)
    found = np.full((n, n), np.nan)
    for i in range(n):
        for j in range(n):
            cosine = rows[i] @ rows[j] / (np.linalg.norm(rows[i]) * np.linalg.norm(rows[j]))
            found[i, j] = 0 if i == j else np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return found


def test_pca_is_that_of_scikit_learn() -> None:
    w = matrix()
    oracle = PCA(4, svd_solver="full").fit(w)
    found = decompose_gram(w @ w.T, "pca", 4)
    assert found.share == pytest.approx(oracle.explained_variance_ratio_, rel=1e-10)
    assert found.energy == pytest.approx(found.share, rel=1e-10)
    assert np.abs(found.scores) == pytest.approx(np.abs(oracle.transform(w)), rel=1e-8, abs=1e-9)


def test_scaled_pca_is_that_of_standardised_columns() -> None:
    w = np.column_stack([matrix(1), np.full(7, 3.0)])
    gram = np.zeros((7, 7))
    add_gram(gram, w[:, :15], scaled=True)
    add_gram(gram, w[:, 15:], scaled=True)
    z = StandardScaler().fit_transform(w)
    oracle = PCA(3, svd_solver="full").fit(z)
    found = decompose_gram(gram, "pca", 3)
    assert found.share == pytest.approx(oracle.explained_variance_ratio_, rel=1e-10)
    assert np.abs(found.scores) == pytest.approx(np.abs(oracle.transform(z)), rel=1e-8, abs=1e-9)


def test_svd_has_both_shares() -> None:
    w = matrix(2)
    oracle = TruncatedSVD(4, algorithm="arpack", random_state=0).fit(w)
    found = decompose_gram(w @ w.T, "svd", 4)
    order = np.argsort(-oracle.singular_values_)
    assert found.share == pytest.approx(oracle.explained_variance_ratio_[order], rel=1e-8)
    singular = np.linalg.svd(w, compute_uv=False)
    assert found.energy == pytest.approx(singular[:4] ** 2 / (w**2).sum(), rel=1e-10)


def test_signs_follow_the_orientation_or_the_farthest_row() -> None:
    w = matrix(3)
    orient = w.mean(axis=1)
    scores = fix_signs(decompose_gram(w @ w.T, "pca", 3), orient).scores
    assert all(np.corrcoef(column, orient)[0, 1] >= 0 for column in scores.T)
    flat = fix_signs(decompose_gram(w @ w.T, "pca", 3), np.ones(7)).scores
    assert all(column[np.argmax(np.abs(column))] > 0 for column in flat.T)


@pytest.mark.parametrize("representation", ["raw", "pca2", "svd2"])
def test_angles_are_those_of_the_vectors_themselves(representation: str) -> None:
    w = matrix(4)
    u, s, _ = np.linalg.svd(w - w.mean(axis=0) if representation == "pca2" else w, full_matrices=False)
    rows = w if representation == "raw" else (u * s)[:, :2]
    found = angles(inner_products(w @ w.T, representation))  # type: ignore[arg-type]
    assert found == pytest.approx(brute_angles(rows), abs=1e-5)


def test_stacked_grams_are_decomposed_one_by_one() -> None:
    grams = np.stack([matrix(seed) @ matrix(seed).T for seed in range(3)])
    for method in ("pca", "svd"):
        stacked = decompose_gram(grams, method, 2)
        single = [decompose_gram(gram, method, 2) for gram in grams]
        assert stacked.share == pytest.approx(np.stack([one.share for one in single]))
        assert np.abs(stacked.scores) == pytest.approx(np.stack([np.abs(one.scores) for one in single]))


def test_angle_to_a_groups_mean_vector() -> None:
    w = matrix(5)
    centre = w[[1, 3, 4]].mean(axis=0)
    oracle = [
        np.degrees(np.arccos(np.clip(row @ centre / np.linalg.norm(row) / np.linalg.norm(centre), -1, 1))) for row in w
    ]
    assert angles_to_mean(w @ w.T, [1, 3, 4]) == pytest.approx(oracle, abs=1e-6)
    assert np.isnan(angles_to_mean(w @ w.T, [])).all()


def test_a_prompt_without_direction_has_no_angle() -> None:
    w = matrix(6)
    w[2] = 0
    found = angles(w @ w.T)
    assert np.isnan(found[2]).all()
    assert np.isnan(found[:, 2]).all()
    assert not np.isnan(np.delete(np.delete(found, 2, 0), 2, 1)).any()


def test_equal_prompts_have_no_share() -> None:
    w = np.ones((4, 10)) * np.linspace(0.1, 3.7, 10)
    assert np.isnan(decompose_gram(w @ w.T, "pca", 2).share).all()


def test_a_gram_matrix_with_nan_is_refused() -> None:
    with pytest.raises(DataError, match="two prompts"):
        decompose_gram(np.full((3, 3), np.nan), "pca", 2)
    with pytest.raises(DataError, match="two prompts"):
        decompose_gram(np.ones((1, 1)), "pca", 2)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 9))
def test_shares_add_up_and_rotation_of_the_columns_changes_nothing(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    w = rng.normal(0, 1, (n, k))
    rotation, _ = np.linalg.qr(rng.normal(0, 1, (k, k)))
    one, other = decompose_gram(w @ w.T, "pca", n), decompose_gram((w @ rotation) @ (w @ rotation).T, "pca", n)
    assert one.share == pytest.approx(other.share, abs=1e-9)
    assert one.share.sum() == pytest.approx(1)
    assert centred(w @ w.T) == pytest.approx((w - w.mean(0)) @ (w - w.mean(0)).T, abs=1e-9)


@pytest.mark.parametrize("method", ["pca", "svd"])
def test_the_leading_components_of_many_prompts_are_those_of_the_whole_decomposition(method, monkeypatch) -> None:
    w = np.stack([matrix(seed, n=gram.ALL_PAIRS + 5, k=300) for seed in (1, 2)])
    products = w @ np.swapaxes(w, -1, -2)
    few = decompose_gram(products, method, 6)
    monkeypatch.setattr(gram, "ALL_PAIRS", 1_000)
    all_of_them = decompose_gram(products, method, 6)
    assert np.allclose(np.abs(few.scores), np.abs(all_of_them.scores), rtol=0, atol=1e-8 * np.abs(few.scores).max())
    assert np.allclose(few.share, all_of_them.share, rtol=1e-10)
    assert np.allclose(few.energy, all_of_them.energy, rtol=1e-10)


def test_many_equal_prompts_have_one_component_and_no_negative_value() -> None:
    found = decompose_gram(np.ones((gram.ALL_PAIRS + 1,) * 2), "svd", 3)
    assert found.energy == pytest.approx([1, 0, 0], abs=1e-12)
    assert (found.energy >= 0).all()
