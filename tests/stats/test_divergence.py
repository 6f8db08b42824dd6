from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.special import ndtr

from inoc.stats.divergence import FEWEST_ROWS, binned, divergence, jackknifed, js_divergence

SAMPLES = arrays(np.float64, st.integers(2, 60), elements=st.floats(-10, 10).map(lambda value: round(value, 2)))
COUNTS = arrays(np.float64, 8, elements=st.integers(0, 9).map(float)).filter(lambda counts: counts.sum() >= 2)


@given(SAMPLES, SAMPLES)
def test_bins_count_as_numpy_does(first: np.ndarray, second: np.ndarray) -> None:
    a, b = binned(np.sort(first), np.sort(second))
    pooled = np.concatenate([first, second])
    for ours, values in ((a, first), (b, second)):
        assert np.array_equal(ours, np.histogram(values, bins=100, range=(pooled.min(), pooled.max()))[0])


@given(COUNTS, COUNTS)
def test_divergence_is_the_square_of_scipys_distance(first: np.ndarray, second: np.ndarray) -> None:
    assert float(js_divergence(first, second)) == pytest.approx(jensenshannon(first, second, base=2) ** 2, abs=1e-9)
    assert float(js_divergence(first, second)) == pytest.approx(float(js_divergence(second, first)), abs=1e-12)
    assert float(js_divergence(first, first)) == pytest.approx(0, abs=1e-12)


@given(COUNTS, COUNTS)
def test_the_jackknife_is_that_of_leaving_out_each_row(first: np.ndarray, second: np.ndarray) -> None:
    def less(counts: np.ndarray, k: int) -> np.ndarray:
        return counts - (np.arange(8) == k)

    plain = float(js_divergence(first, second))
    total, variance = plain, 0.0
    for mine, other in ((first, second), (second, first)):
        n = int(mine.sum())
        without = [float(js_divergence(less(mine, k), other)) for k in range(8) for _ in range(int(mine[k]))]
        total -= (n - 1) * (float(np.mean(without)) - plain)
        variance += (n - 1) * float(np.var(without))
    assert jackknifed(first, second) == pytest.approx((total, variance**0.5), abs=1e-9)


def test_the_value_of_the_reference_oracle() -> None:
    first = np.sort(np.random.default_rng(1).normal(0.15, 0.16, 27271))
    second = np.sort(np.random.default_rng(2).normal(-0.11, 0.12, 27112))
    assert round(float(js_divergence(*binned(first, second))), 10) == 0.4407712388


def test_samples_without_a_common_value_are_one_bit_apart() -> None:
    found = divergence(*binned(np.zeros(300), np.ones(300)), np.random.default_rng(0), 50, 0.95)
    assert found == (1, 1, 1, 1, 1, 1)


def test_one_row_has_no_divergence() -> None:
    assert np.isnan(divergence(*binned(np.zeros(1), np.ones(5)), np.random.default_rng(0), 10, 0.95)).all()


@pytest.mark.parametrize(("n", "shift"), [(300, 0.3), (300, 0.0), (300, 2.0), (2000, 1.0)])
def test_the_corrected_value_has_little_bias_and_its_interval_holds_the_truth(n: int, shift: float) -> None:
    rng = np.random.default_rng(5)
    errors, excess, held = [], [], []
    for _ in range(150):
        first, second = np.sort(rng.normal(size=n)), np.sort(rng.normal(shift, size=n))
        edges = np.linspace(min(first[0], second[0]), max(first[-1], second[-1]), 101)
        edges[[0, -1]] = -np.inf, np.inf
        truth = float(js_divergence(np.diff(ndtr(edges)), np.diff(ndtr(edges - shift))))
        found = divergence(*binned(first, second), rng, 200, 0.95)
        errors.append(found.corrected - truth)
        excess.append(found.plain - truth)
        held.append(found.lo <= truth <= found.hi)
    # At large divergences of few rows, a larger part of the excess remains.
    assert abs(np.mean(errors)) < (0.35 if shift == 2.0 else 0.2) * np.mean(excess)
    assert np.mean(held) > 0.89


def test_an_interval_that_few_rows_cannot_give_is_nan() -> None:
    rng = np.random.default_rng(5)
    few, many = np.sort(rng.normal(size=FEWEST_ROWS - 1)), np.sort(rng.normal(size=FEWEST_ROWS))
    for first, second, known in ((few, many, False), (many, few, False), (many, many[::-1].copy(), True)):
        found = divergence(*binned(np.sort(first), np.sort(second)), rng, 50, 0.95)
        assert np.isfinite([found.corrected, found.bootstrap_lo, found.bootstrap_hi]).all()
        assert np.isfinite([found.lo, found.hi]).all() == known
