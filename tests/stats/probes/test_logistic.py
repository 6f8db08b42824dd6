from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from inoc.stats.probes.folds import fold_numbers, parts, within_splits
from inoc.stats.probes.logistic import Observed, fit, nested, of_classes


def _data(n: int = 90, d: int = 25) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d)) * 3 + 2
    y = (x[:, 0] - 2 + rng.standard_normal(n) * 2 > 0).astype(np.float64)
    return x, y


@pytest.mark.parametrize(("n", "d"), [(90, 25), (40, 70)])
def test_classes_are_fitted_as_scikit_learn_fits_them(n: int, d: int) -> None:
    x, y = _data(n, d)
    weights = np.random.default_rng(1).uniform(0.5, 2, n)
    found = fit(x, of_classes(y, weights), parts(fold_numbers(np.arange(n), 5, 0)), [0.05])
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=1 / (0.05 * d), tol=1e-10, max_iter=10_000)
    model.fit(scaler.transform(x), y, sample_weight=weights)
    np.testing.assert_allclose(found.coefficients * scaler.scale_, model.coef_[0], atol=2e-5)
    logits = x @ found.coefficients + found.intercept
    np.testing.assert_allclose(logits, model.decision_function(scaler.transform(x)), atol=1e-4)


def test_the_penalty_is_the_one_with_the_least_held_out_loss() -> None:
    x, y = _data()
    folds, grid = parts(fold_numbers(np.arange(90), 5, 0)), [0.03, 0.3, 3.0, 30.0]
    found = fit(x, of_classes(y, np.ones(90)), folds, grid)
    z = StandardScaler().fit_transform(x)
    losses = []
    for penalty in grid:
        total = 0.0
        for held in folds:
            rest = np.setdiff1d(np.arange(90), held)
            model = LogisticRegression(C=1 / (penalty * 25), tol=1e-10, max_iter=10_000).fit(z[rest], y[rest])
            chance = model.predict_proba(z[held])[:, 1]
            total -= np.mean(y[held] * np.log(chance) + (1 - y[held]) * np.log(1 - chance))
        losses.append(total)
    assert found.penalty == grid[int(np.argmin(losses))]


def test_pairs_are_a_regression_of_statsmodels_on_differences() -> None:
    """With a penalty so small that it does nothing, against statsmodels' maximum likelihood with an intercept."""
    import statsmodels.api as sm

    rng = np.random.default_rng(2)
    x = rng.standard_normal((60, 3))
    a, b = rng.integers(0, 60, (2, 800))
    a, b = a[a != b], b[a != b]
    logits = (x[a] - x[b]) @ np.array([1.0, -0.5, 0.0]) + 0.4
    share = (rng.random(len(a)) < 1 / (1 + np.exp(-logits))).astype(np.float64)
    outcomes = Observed(a.astype(np.int64), b.astype(np.int64), share, np.ones(len(a)))
    found = fit(x, outcomes, parts(fold_numbers(np.arange(60), 3, 0)), [1e-9])
    model = sm.Logit(share, sm.add_constant(x[a] - x[b])).fit(disp=False, tol=1e-12)
    np.testing.assert_allclose([found.intercept, *found.coefficients], model.params, atol=1e-5)


def test_no_pair_across_a_split_is_trained_on() -> None:
    """The choices across the split say the opposite of all others, and nothing of that is learnt."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((80, 4))
    groups = np.arange(80, dtype=np.int64)
    splits = within_splits(groups, 2, 0)
    inside = np.isin(np.arange(80), splits[0].train)
    a, b = rng.integers(0, 80, (2, 3000)).astype(np.int64)
    a, b = a[a != b], b[a != b]
    right = x[a, 0] > x[b, 0]
    share = np.where(inside[a] == inside[b], right, ~right).astype(np.float64)
    outcomes = Observed(a, b, share, np.ones(len(a)))
    for held in nested(x, outcomes, splits, lambda rows: parts(fold_numbers(groups[rows], 3, 1)), [1e-3, 1.0]):
        assert np.corrcoef(held.predicted[:, 0], x[held.split.test, 0])[0, 1] > 0.95
