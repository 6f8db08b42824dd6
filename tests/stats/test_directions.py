from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.stats.directions import (
    Groups,
    corrected_norm,
    cosine,
    cosine_of_means,
    group_rows,
    split_half,
)
from inoc.stats.means import Floats


def noisy(mean_D: Floats, n_groups: int, rng: np.random.Generator, *, rows: int = 3, prefix: str = "q") -> Groups:
    """Rows around a mean, with noise of the group and of the row."""
    shared = rng.standard_normal((n_groups, mean_D.size))
    names = [f"{prefix}{group}" for group in range(n_groups) for _ in range(rows)]
    values = mean_D + np.repeat(shared, rows, axis=0) + rng.standard_normal((len(names), mean_D.size))
    return group_rows(values, names)


def test_sums_of_groups_give_the_mean_of_rows_and_leave_rows_with_nan_out() -> None:
    rows = np.random.default_rng(0).standard_normal((7, 3))
    rows[2, 1] = np.nan
    found = group_rows(rows, ["b", "a", "a", "b", "c", "a", "c"])
    assert found.names == ("a", "b", "c")
    assert found.counts.tolist() == [2, 2, 2]
    np.testing.assert_allclose(found.mean, np.delete(rows, 2, axis=0).mean(axis=0))
    assert group_rows(np.full((2, 3), np.nan), ["a", "b"]).names == ()


def test_a_cosine_of_a_zero_vector_is_not_known() -> None:
    assert np.isnan(cosine(np.zeros(3), np.ones(3)))
    assert cosine(np.ones(3), -2 * np.ones(3)) == -1


def test_halves_are_those_of_a_loop_over_splits() -> None:
    rng = np.random.default_rng(3)
    groups = noisy(rng.standard_normal(20), 9, rng)
    found = split_half(groups, 30, seed=5)
    draws, expected = np.random.default_rng([5, 9]), []
    for _ in range(30):
        order = draws.permutation(9)
        halves = [groups.sums[part].sum(0) / groups.counts[part].sum() for part in (order[:4], order[4:])]
        expected.append(halves[0] @ halves[1] / np.linalg.norm(halves[0]) / np.linalg.norm(halves[1]))
    assert found.cosine == pytest.approx(np.mean(expected))
    assert found.reliability == pytest.approx(2 * np.mean(expected) / (1 + np.mean(expected)))
    assert found.lo <= found.cosine <= found.hi


def test_halves_of_noise_are_orthogonal_and_halves_of_a_signal_alike() -> None:
    """Simulated null: over 300 vectors of pure noise the mean cosine of the halves is 0 within its error."""
    rng = np.random.default_rng(11)
    null = np.array([split_half(noisy(np.zeros(40), 20, rng), 20, seed=k).cosine for k in range(300)])
    assert abs(null.mean()) < 4 * null.std() / 300**0.5 + 0.01
    strong = split_half(noisy(5 * rng.standard_normal(40), 20, rng), 50, seed=0)
    assert strong.cosine > 0.95
    assert 0.97 < strong.reliability < 1


@pytest.mark.parametrize("n_groups", [0, 1, 3])
def test_few_groups_have_no_reliability(n_groups: int) -> None:
    groups = noisy(np.ones(4), n_groups, np.random.default_rng(0)) if n_groups else group_rows(np.empty((0, 4)), [])
    assert np.isnan(split_half(groups, 10, seed=0).cosine)
    assert np.isnan(cosine_of_means(groups, noisy(np.ones(4), 8, np.random.default_rng(1))).lo)


def test_a_vector_that_is_zero_has_no_reliability_and_no_cosine() -> None:
    zero = group_rows(np.zeros((12, 5)), [str(k) for k in range(12)])
    assert np.isnan(split_half(zero, 10, seed=0).cosine)
    assert corrected_norm(zero) == 0
    found = cosine_of_means(zero, noisy(np.ones(5), 8, np.random.default_rng(1)))
    assert np.isnan(found.plain)
    assert np.isnan(found.corrected)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_corrected_cosine_is_that_of_all_pairs_of_rows_of_different_groups(seed: int, shared: bool) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(6)
    first = noisy(3 * truth, 5, rng)
    second = noisy(3 * truth + rng.standard_normal(6), 6, rng, prefix="q" if shared else "r")

    def product(left: Groups, right: Groups) -> float:
        pairs = [
            (a @ b, n * m)
            for name, a, n in zip(left.names, left.sums, left.counts, strict=True)
            for other, b, m in zip(right.names, right.sums, right.counts, strict=True)
            if name != other
        ]
        return float(sum(value for value, _ in pairs) / sum(n for _, n in pairs))

    squares = product(first, first), product(second, second)
    found = cosine_of_means(first, second)
    assert found.plain == pytest.approx(cosine(first.mean, second.mean))
    if min(squares) <= 0:
        assert np.isnan(found.corrected)
        return
    assert corrected_norm(first) == pytest.approx(squares[0] ** 0.5)
    assert found.corrected == pytest.approx(product(first, second) / (squares[0] * squares[1]) ** 0.5)


@pytest.mark.parametrize(("shared", "lowest"), [(True, 0.92), (False, 0.92)])
def test_intervals_of_a_cosine_hold_the_true_one(shared: bool, lowest: float) -> None:
    rng = np.random.default_rng(7)
    width, hits, values = 60, [], []
    first_mean = rng.standard_normal(width)
    second_mean = 0.7 * first_mean + 0.7 * rng.standard_normal(width)
    truth = cosine(first_mean, second_mean)
    for _ in range(400):
        first = noisy(first_mean, 20, rng)
        second = noisy(second_mean, 20, rng, prefix="q" if shared else "r")
        found = cosine_of_means(first, second)
        hits.append(found.lo <= truth <= found.hi)
        values.append((found.plain, found.corrected))
    plain, corrected = np.mean(values, axis=0)
    assert lowest <= np.mean(hits) <= 0.98
    assert abs(corrected - truth) < 0.01
    assert plain < truth - 0.03  # the reason for the correction
