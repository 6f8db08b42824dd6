from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from inoc.stats.separation import _aucs, _folds, _influence, _permuted, separation


def simulate(rng: np.random.Generator, n: int, shift: float, *, paired: bool):
    """Two groups with four features; what pairs share is as large as what they do not."""
    common = rng.normal(size=(n, 4)) if paired else np.zeros((n, 4))
    x = np.vstack([common, common]) + rng.normal(size=(2 * n, 4))
    x[n:, 0] += shift
    second = np.repeat([False, True], n)
    clusters = np.tile(np.arange(n), 2) if paired else np.arange(2 * n)
    return x, second, clusters.astype(str)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_auc_is_that_of_scikit_learn_with_ties(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = (np.array(one) for one in zip(*pairs, strict=True))
    (auc,) = _aucs(scores[:, None].astype(float), labels[:, None])
    if labels.all() or not labels.any():
        assert np.isnan(auc)
        assert np.isnan(_influence(scores.astype(float), labels)).all()
    else:
        assert auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        assert _influence(scores.astype(float), labels).sum() == pytest.approx(0, abs=1e-9)


def test_the_influence_gives_delong_s_variance() -> None:
    rng = np.random.default_rng(0)
    label = np.arange(90) < 40
    scores = rng.normal(size=90) + label
    wins = (scores[label][:, None] > scores[~label]) * 1.0
    expected = wins.mean(axis=1).var() / 40 + wins.mean(axis=0).var() / 50
    assert (_influence(scores, label) ** 2).sum() / 90**2 == pytest.approx(expected, rel=1e-12)


def test_permutations_swap_within_pairs_and_shuffle_the_others_among_themselves() -> None:
    rng = np.random.default_rng(4)
    codes = np.array([0, 1, 0, 1, 2, 3, 4, 5, 5])
    second = np.array([False, False, True, True, True, False, False, True, True])
    drawn = np.array([_permuted(second, codes, rng) for _ in range(300)])
    assert (drawn[:, 0] != drawn[:, 2]).all()
    assert (drawn[:, 1] != drawn[:, 3]).all()
    assert (drawn[:, 7] == drawn[:, 8]).all()
    assert (drawn[:, [4, 5, 6, 7]].sum(axis=1) == 2).all()
    assert np.abs(drawn[:, :7].mean(axis=0) - 0.5).max() < 0.1


@pytest.mark.parametrize("paired", [True, False])
def test_without_a_difference_p_is_uniform_and_the_interval_holds_one_half(paired: bool) -> None:
    rng = np.random.default_rng(5)
    found = [separation(*simulate(rng, 80, 0.0, paired=paired), rng, permutations=19) for _ in range(400)]
    p = np.array([one.p for one in found])
    covered = np.mean([one.lo <= 0.5 <= one.hi for one in found])
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.045)
    assert (p <= 0.5).mean() == pytest.approx(0.5, abs=0.1)
    assert np.mean([one.null_mean for one in found]) == pytest.approx(0.5, abs=0.01)
    assert covered > 0.9


@pytest.mark.parametrize("paired", [True, False])
def test_the_interval_holds_the_auc_of_new_rows(paired: bool) -> None:
    rng = np.random.default_rng(6)
    n, shift = 300, 1.0
    spread = 2 if paired else 1  # variance of a feature
    found = [separation(*simulate(rng, n, shift, paired=paired), rng, permutations=19) for _ in range(150)]
    truth = norm.cdf(shift / (2 * spread) ** 0.5)
    assert np.mean([one.lo <= truth + 0.003 and one.hi >= truth - 0.012 for one in found]) > 0.9
    assert np.mean([one.auc for one in found]) == pytest.approx(truth, abs=0.02)


def test_the_same_rows_in_another_scale_are_as_far_apart() -> None:
    x, second, clusters = simulate(np.random.default_rng(7), 60, 0.7, paired=False)
    one, other = (
        separation(values, second, clusters, np.random.default_rng(8), permutations=9) for values in (x, x * 1000 - 3)
    )
    assert one.auc == pytest.approx(other.auc, abs=1e-9)


def test_features_that_are_constant_separate_nothing() -> None:
    second = np.repeat([False, True], 20)
    found = separation(np.ones((40, 2)), second, np.arange(40).astype(str), np.random.default_rng(0), 19)
    assert (found.auc, found.p) == (0.5, 1.0)


def test_too_few_rows_have_no_auc() -> None:
    found = separation(np.ones((2, 1)), np.array([False, True]), np.array(["a", "b"]), np.random.default_rng(0), 9)
    assert np.isnan([found.auc, found.lo, found.hi, found.p]).all()
    assert (found.n_first, found.n_second, found.n_pairs) == (1, 1, 0)


def test_a_small_group_is_in_every_fold() -> None:
    rng = np.random.default_rng(9)
    second = np.arange(205) < 5
    x = rng.normal(size=(205, 2)) + 4 * second[:, None]
    found = separation(x, second, np.arange(205).astype(str), rng, 19)
    assert found.auc > 0.95
    assert np.isfinite([found.lo, found.hi, found.null_mean, found.p]).all()


def test_rows_of_a_cluster_are_in_one_fold_and_folds_are_alike() -> None:
    codes = np.concatenate([np.repeat(np.arange(50), 2), np.arange(50, 80)])
    second = np.concatenate([np.tile([False, True], 50), np.arange(30) < 10])
    fold = _folds(second, codes, np.random.default_rng(0))
    assert all(len(set(fold[codes == code])) == 1 for code in range(80))
    assert [int(second[fold == one].sum()) for one in range(5)] == [12] * 5
    assert np.bincount(fold).tolist() == [26] * 5
