from __future__ import annotations

import numpy as np
import pytest

from inoc.stats.probes.cosines import Refits, cosine_of, direction, refitted, refitted_logistic, resampled_groups
from inoc.stats.probes.folds import fold_numbers, parts
from inoc.stats.probes.logistic import Observed, of_classes
from inoc.stats.probes.ridge import fit


def _refits(x: np.ndarray, y: np.ndarray, seed: int, refits: int = 60) -> Refits:
    counts = resampled_groups(len(y), refits, 0)
    return refitted(x, y, np.ones(len(y)), np.arange(len(y)), counts, 0.1, seed)


@pytest.mark.parametrize("d", [20, 90])
def test_a_direction_is_the_coefficients_of_the_fit(d: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, d)) * 3 + 1, rng.standard_normal((50, 2))
    weights = rng.uniform(0.5, 2, 50)
    expected = fit(x, y, weights, parts(fold_numbers(np.arange(50), 5, 0)), [0.2]).coefficients
    np.testing.assert_allclose(direction(x, y, weights, 0.2), expected, atol=1e-10)


def test_an_intercept_is_no_part_of_a_cosine() -> None:
    """Two probes at right angles whose labels have a large mean: with intercepts they would seem the same."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 6))
    a, b = (_refits(x, x[:, at] + 50, at) for at in (0, 1))
    assert abs(cosine_of(a, b, 0.95).value) < 0.1


def test_probes_of_one_label_have_the_same_direction() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((120, 12))
    a, b = (_refits(x, x[:, 0] + rng.standard_normal(120) * 0.5, at) for at in (0, 1))
    found = cosine_of(a, b, 0.95)
    assert found.value > 0.8
    assert found.null_hi < found.lo
    assert found.p < 0.05


def _outcomes(study: str, rng: np.random.Generator, n: int) -> Observed:
    """Classes of tasks, or choices between them, that activations say nothing about."""
    if study == "classes":
        return of_classes((rng.random(n) < 0.5).astype(np.float64), np.ones(n))
    a, b = rng.integers(0, n, (2, 200))
    a, b = a[a != b], b[a != b]
    utility = rng.standard_normal(n)
    share = (rng.random(len(a)) < 1 / (1 + np.exp(utility[b] - utility[a]))).astype(np.float64)
    return Observed(a, b, share, np.ones(len(a)))


def _unrelated(study: str, seed: int) -> list[Refits]:
    """Refits of two probes of one study whose labels have nothing in common, on activations with wide directions."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(15), 4) if study == "groups" else np.arange(40)
    n, seeds = len(groups), (10 * seed, 10 * seed + 1)
    counts = resampled_groups(int(groups.max()) + 1, 40, 0)
    x = rng.standard_normal((n, 15)) * np.exp(-np.arange(15) / 2)
    if study in ("classes", "pairs"):
        x = x[:, :8]
        return [refitted_logistic(x, _outcomes(study, rng, n), groups, counts, 0.5, one) for one in seeds]
    y = rng.standard_normal((2, n))
    weights = np.ones((2, n))
    if study == "groups":
        x = 0.3 * x + x[::4][groups]
        y = 0.3 * y + rng.standard_normal((2, 15))[:, groups]
    if study == "weighted":
        weights = rng.uniform(0.2, 3, (2, n))
        y /= np.sqrt(weights)
    return [refitted(x, y[at], weights[at], groups, counts, 0.1, one) for at, one in enumerate(seeds)]


@pytest.mark.parametrize(
    "study",
    ["plain", "groups", *(pytest.param(one, marks=pytest.mark.long) for one in ("weighted", "classes", "pairs"))],
)
def test_cosines_of_unrelated_labels_are_positive_in_5_percent_of_studies(study: str) -> None:
    """Although activations have wide directions in common, which alone move cosines far from 0."""
    positive = sum(cosine_of(*_unrelated(study, seed), 0.95).p <= 0.05 for seed in range(200))
    assert 6 <= positive <= 14, positive


def test_a_constant_label_has_no_direction() -> None:
    x = np.random.default_rng(0).standard_normal((30, 5))
    assert np.isnan(cosine_of(_refits(x, np.ones(30), 0), _refits(x, x[:, 0], 1), 0.95).value)
