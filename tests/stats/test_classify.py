"""What a split may see, and that scikit-learn's own tools give the same numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score, roc_auc_score, roc_curve

from inoc.stats.bootstrap import Resampler
from inoc.stats.classify import (
    Split,
    _drawn_auc,
    fit_split,
    gram_features,
    of_one_split,
    over_splits,
    published_split,
    random_splits,
    roc_on,
)
from support.reference import FOLDER, needs_reference


def shifts(n: int = 24, columns: int = 40, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (n, 3)) @ rng.normal(0, 1, (3, columns)) + 0.3 * rng.normal(0, 1, (n, columns))


def noisy_task(n: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    w = shifts(n, seed=seed)
    features = gram_features(w @ w.T, np.arange(n), w.mean(axis=1))
    return features, 10 * features[:, 0] + np.random.default_rng(seed).normal(0, 20, n)


def test_components_of_a_half_are_those_of_pca_on_its_rows() -> None:
    w = shifts()
    (split,) = random_splits(24, 1, 0)
    ours = gram_features(w @ w.T, split.train, w.mean(axis=1))
    theirs = PCA(4).fit(w[split.train]).transform(w)
    assert np.abs(ours) == pytest.approx(np.abs(theirs), rel=1e-6, abs=1e-8)
    for column in ours[split.train].T:
        assert np.corrcoef(column, w[split.train].mean(axis=1))[0, 1] >= 0


def test_a_held_out_prompt_moves_no_prediction_but_its_own() -> None:
    w, y = shifts(), np.arange(24.0) % 7
    (split,) = random_splits(24, 1, 3)
    changed_w, changed_y = w.copy(), y.copy()
    changed_w[split.held_out[0]] += 50
    changed_y[split.held_out[0]] = 900
    first, second = (
        fit_split(gram_features(one @ one.T, split.train, w.mean(axis=1)), outcome, split)
        for one, outcome in ((w, y), (changed_w, changed_y))
    )
    assert first is not None
    assert second is not None
    assert first.threshold == second.threshold
    assert first.probability[1:] == pytest.approx(second.probability[1:], rel=1e-6)
    assert first.predicted[1:] == pytest.approx(second.predicted[1:], rel=1e-6)
    assert first.predicted[0] != pytest.approx(second.predicted[0])


@pytest.mark.parametrize("n", [20, 21])
def test_halves_part_the_prompts_and_depend_on_the_seed_only(n: int) -> None:
    first, again, other = (random_splits(n, 6, seed) for seed in (0, 0, 1))
    for split, same in zip(first, again, strict=True):
        assert sorted([*split.train, *split.held_out]) == list(range(n))
        assert split.train.size == n // 2
        assert np.array_equal(split.train, same.train)
    assert any(not np.array_equal(a.train, b.train) for a, b in zip(first, other, strict=True))


def test_measures_of_a_split_are_those_of_scikit_learn() -> None:
    features, y = noisy_task()
    (split,) = random_splits(24, 1, 1)
    found = fit_split(features, y, split)
    assert found is not None
    high = y[split.held_out] > np.median(y[split.train])
    assert found.auc == pytest.approx(roc_auc_score(high, found.probability))
    assert found.accuracy == pytest.approx(((found.probability > 0.5) == high).mean())
    errors = (y[split.held_out] - found.predicted) ** 2
    assert found.r2_out == pytest.approx(1 - errors.sum() / ((y[split.held_out] - y[split.train].mean()) ** 2).sum())
    false_rate, true_rate, _ = roc_curve(high, found.probability, drop_intermediate=False)
    assert roc_on(false_rate, found) == pytest.approx([true_rate[false_rate == rate].max() for rate in false_rate])


def test_a_half_on_one_side_of_the_threshold_is_not_fitted_and_one_sided_halves_have_no_auc() -> None:
    features, _ = noisy_task(8)
    assert fit_split(features, np.ones(8), Split(np.arange(4), np.arange(4, 8))) is None
    one_sided = fit_split(features, np.array([0.0, 1, 2, 3, 9, 9, 9, 9]), Split(np.arange(4), np.arange(4, 8)))
    assert one_sided is not None
    assert np.isnan(one_sided.auc)
    assert np.isnan(roc_on(np.linspace(0, 1, 5), one_sided)).all()


def test_the_interval_over_splits_is_the_corrected_one() -> None:
    values = np.array([0.6, 0.8, 0.7, np.nan, 0.9])
    found = over_splits(values, 0.95)
    half = 3.182446 * np.nanstd(values, ddof=1) * np.sqrt(1 / 4 + 1)
    assert (found.value, found.lo, found.hi) == pytest.approx((0.75, 0.75 - half, 0.75 + half), rel=1e-5)
    assert over_splits(values, 0.95, 1.0).hi == 1.0
    assert np.isnan(over_splits(values[3:4], 0.95).value)


def test_resampled_auc_is_that_of_the_drawn_prompts() -> None:
    features, y = noisy_task(30, 2)
    (split,) = random_splits(30, 1, 2)
    found = fit_split(features, y, split)
    assert found is not None
    weights = Resampler(40, 0).simple_weights(15)
    drawn = _drawn_auc(found, weights)
    for value, one in zip(drawn, weights, strict=True):
        repeated = np.repeat(np.arange(15), one.astype(int))
        if len(set(found.high[repeated])) == 2:
            assert value == pytest.approx(roc_auc_score(found.high[repeated], found.probability[repeated]))
    measured = of_one_split(found, y[split.held_out], float(y[split.train].mean()), Resampler(200, 0))
    assert measured.auc.lo <= measured.auc.value <= measured.auc.hi
    assert measured.r2_out.value == pytest.approx(found.r2_out)


def test_noise_is_not_told_from_noise() -> None:
    features = np.random.default_rng(0).normal(0, 1, (40, 4))
    y = np.random.default_rng(1).normal(0, 1, 40)
    auc = over_splits(
        np.array([one.auc for split in random_splits(40, 30, 0) if (one := fit_split(features, y, split))]), 0.95
    )
    assert auc.lo < 0.5 < auc.hi


@needs_reference
@pytest.mark.parametrize("trait", ["playful", "french"])
def test_the_published_numbers_come_back_from_the_published_coordinates(trait: str) -> None:
    """Coordinates of all 48 prompts were released, but shifts of 27 only: so the fits and the split can be compared,
    the components cannot."""
    released = json.loads((FOLDER / "results" / "pca_classifier_20260323_065858.json").read_text(encoding="utf-8"))
    points = released["data_points"]
    features = np.array([[one[f"pc{c}"] for c in range(1, 5)] for one in points])
    playful, y = (np.array([one[f"y_{name}"] for one in points]) for name in ("playful", trait))
    split = published_split(playful > np.median(playful))
    assert [points[place]["key"] for place in split.train] == released["train_keys"]
    found = fit_split(features, y, split, float(np.median(y)))
    assert found is not None
    theirs, line = released["logistic"][trait], released["linear"][trait]
    assert found.threshold == pytest.approx(theirs["threshold_median_pp"])
    assert (found.auc, found.accuracy) == pytest.approx((theirs["roc_auc"], theirs["accuracy"]))
    assert list(found.logistic) == pytest.approx(list(theirs["coefficients"].values()), abs=1e-4)
    assert list(found.linear) == pytest.approx(list(line["coefficients"].values()), rel=1e-6)
    # The earlier study measured R² against the mean of the held-out half, which no prediction can know.
    assert r2_score(y[split.held_out], found.predicted) == pytest.approx(line["r2"])
