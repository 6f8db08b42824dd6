from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inoc.errors import DataError
from inoc.stats.probes.folds import Indices, fold_numbers, parts, within_splits
from inoc.stats.probes.ridge import fit, nested

PENALTIES = [1e-4, 1e-2, 0.3, 1.0, 10.0, 1e3]


def _data(n: int, d: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64], Indices]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) * np.exp(-np.arange(d) / (d / 4)) * 5 + rng.standard_normal(d)
    y = np.stack([x[:, :5].sum(axis=1) + rng.standard_normal(n) * 3, rng.standard_normal(n), x[:, 0] ** 2], axis=1)
    return x, y, rng.integers(0, n // 3, n).astype(np.int64)


def _sklearn(
    x: NDArray[np.float64], y: NDArray[np.float64], groups: Indices, weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], list[float]]:
    predicted, chosen = np.full(len(y), np.nan), []
    for split in within_splits(groups, 5, 0):
        folds = PredefinedSplit(fold_numbers(groups[split.train], 5, 1))
        grid = {"alpha": [penalty * x.shape[1] for penalty in PENALTIES]}
        search = GridSearchCV(Ridge(solver="svd"), grid, cv=folds, scoring="neg_mean_squared_error")
        model = make_pipeline(StandardScaler(), search)
        given = {}
        if weights is not None:
            own = weights[split.train]
            given = {"standardscaler__sample_weight": own, "gridsearchcv__sample_weight": own}
        model.fit(x[split.train], y[split.train], **given)
        predicted[split.test] = model.predict(x[split.test])
        chosen.append(search.best_params_["alpha"] / x.shape[1])
    return predicted, chosen


@pytest.mark.parametrize(("n", "d"), [(60, 90), (90, 60), (150, 12)])
def test_nested_cross_validation_is_exactly_that_of_scikit_learn(n: int, d: int) -> None:
    x, y, groups = _data(n, d)
    splits = within_splits(groups, 5, 0)
    found = nested(x, y, np.ones(n), splits, lambda rows: parts(fold_numbers(groups[rows], 5, 1)), PENALTIES)
    for target in range(y.shape[1]):
        expected, chosen = _sklearn(x, y[:, target], groups, None)
        ours = np.full(n, np.nan)
        for held in found:
            ours[held.split.test] = held.predicted[:, target]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-8 * np.abs(expected).max())
        assert [held.penalties[target] for held in found] == pytest.approx(chosen)


def test_weights_are_those_of_scikit_learn() -> None:
    """Given a penalty: scikit-learn's search does not weigh its scores."""
    x, y, groups = _data(70, 100)
    weights = np.random.default_rng(3).uniform(0.2, 3, 70)
    folds = parts(fold_numbers(groups, 5, 0))
    for target in range(3):
        found = fit(x, y[:, [target]], weights, folds, [0.3])
        scaler = StandardScaler().fit(x, sample_weight=weights)
        model = Ridge(alpha=0.3 * 100, solver="svd").fit(scaler.transform(x), y[:, target], sample_weight=weights)
        np.testing.assert_allclose(found.coefficients[:, 0] * scaler.scale_, model.coef_, atol=1e-9)


def test_inner_errors_are_those_of_fitting_every_inner_training_set() -> None:
    from inoc.stats.probes.ridge import inner_losses, spectrum

    for n, d in ((40, 70), (70, 20)):
        x, y, groups = _data(n, d)
        weights = np.random.default_rng(1).uniform(0.5, 2, n)
        found = spectrum(x, weights)
        z = (x - found.scaled.mean) / found.scaled.sd
        folds = parts(fold_numbers(groups, 4, 0))
        losses = inner_losses(found, y, folds, np.array([0.5, 40.0]))
        for fold, rows in enumerate(folds):
            rest = np.setdiff1d(np.arange(n), rows)
            for at, penalty in enumerate((0.5, 40.0)):
                model = Ridge(alpha=penalty, solver="svd").fit(z[rest], y[rest], sample_weight=weights[rest])
                expected = np.average((model.predict(z[rows]) - y[rows]) ** 2, axis=0, weights=weights[rows])
                np.testing.assert_allclose(losses[fold, at], expected, rtol=1e-8)


def test_a_dimension_that_does_not_vary_has_no_coefficient() -> None:
    x, y, groups = _data(40, 30)
    x[:, 7] = 4.2
    found = fit(x, y, np.ones(40), parts(fold_numbers(groups, 5, 0)), PENALTIES)
    assert np.isfinite(found.coefficients).all()
    np.testing.assert_allclose(found.coefficients[7], 0, atol=1e-12)


def test_rows_with_nan_are_refused() -> None:
    x, y, groups = _data(20, 5)
    x[3, 2] = np.nan
    with pytest.raises(DataError, match="finite"):
        fit(x, y, np.ones(20), parts(fold_numbers(groups, 5, 0)), PENALTIES)


def test_threads_change_nothing() -> None:
    x, y, groups = _data(60, 40)
    splits = within_splits(groups, 5, 0)
    runs = [
        nested(x, y, np.ones(60), splits, lambda rows: parts(fold_numbers(groups[rows], 5, 1)), PENALTIES, threads)
        for threads in (1, 2)
    ]
    for one, other in zip(*runs, strict=True):
        assert np.array_equal(one.predicted, other.predicted)
