"""Correlations between seeds, Spearman and Brown, and what conditioning on the answer does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.errors import DataError
from inoc.stats.correlation import pearson
from inoc.stats.reliability import (
    disattenuated,
    informative_correlation,
    needed_length,
    seed_correlation,
    spearman_brown,
)


def drawn(n: int, seeds: int, rho: float, seed: int, *, discrete: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, 1)) * rho**0.5 + rng.normal(size=(n, seeds)) * (1 - rho) ** 0.5
    return np.clip(np.round(table + 3), 1, 5) if discrete else table


def test_the_published_steps():
    assert spearman_brown(0.37, 5) == pytest.approx(0.746, abs=5e-4)
    assert spearman_brown(0.82, 1 / 5) == pytest.approx(0.477, abs=5e-4)


@given(r=st.floats(0.01, 0.99), times=st.floats(0.05, 20))
def test_longer_and_back_is_where_it_began(r, times):
    longer = spearman_brown(r, times)
    assert spearman_brown(longer, 1 / times) == pytest.approx(r, abs=1e-9)
    if 0.001 < longer < 0.999:
        assert needed_length(r, longer) == pytest.approx(times, rel=1e-6)


def test_the_mean_of_five_correlates_as_foretold():
    table = drawn(20_000, 10, 0.37, 0)
    means = [table[:, :5].mean(axis=1), table[:, 5:].mean(axis=1)]
    assert pearson(*means).value == pytest.approx(spearman_brown(0.37, 5), abs=0.01)


def test_lengths_without_meaning():
    assert np.isnan(spearman_brown(-0.6, 3))
    assert np.isnan(needed_length(-0.1, 0.8))
    with pytest.raises(DataError, match="0 times as long"):
        spearman_brown(0.5, 0)


def test_the_mean_over_pairs_of_seeds():
    table = drawn(40, 4, 0.5, 3)
    found = seed_correlation(table)
    expected = np.corrcoef(table.T)[np.triu_indices(4, 1)]
    np.testing.assert_allclose(found.pairs, expected)
    assert found.mean.value == pytest.approx(expected.mean())
    table[0, 1:] = np.nan
    assert seed_correlation(table).mean[3:] == (39, 1)


def test_a_pair_without_variance_is_counted_and_takes_the_interval():
    table = drawn(40, 3, 0.5, 3)
    table[:, 2] = 4.0
    found = seed_correlation(table)
    assert found.n_unknown == 2
    assert np.isfinite(found.mean.value)
    assert np.isnan(found.mean.lo)


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize(("rho", "seeds"), [(0.0, 2), (0.5, 4), (0.8, 3)])
def test_intervals_hold_the_truth(rho, seeds, discrete):
    truth = np.corrcoef(drawn(400_000, 2, rho, 10**6, discrete=discrete).T)[0, 1]
    found = [seed_correlation(drawn(60, seeds, rho, one, discrete=discrete)).mean for one in range(500)]
    assert 0.93 <= np.mean([one.lo <= truth <= one.hi for one in found]) <= 0.97


@pytest.mark.parametrize("share", [0.6, 0.8, 0.9])
def test_independent_answers_have_an_informative_correlation_of_minus_the_mode(share):
    rng = np.random.default_rng(0)
    answers = (rng.random((2, 200_000)) < share).astype(float)
    assert pearson(*answers).value == pytest.approx(0, abs=0.01)
    assert informative_correlation(*answers).r == pytest.approx(-share, abs=0.01)


def test_positive_agreement_turns_negative_by_dropping():
    rng = np.random.default_rng(1)
    true = rng.normal(size=200_000)
    answers = [(0.7 * true + rng.normal(size=true.size) > -1.1).astype(float) for _ in range(2)]
    plain, found = pearson(*answers).value, informative_correlation(*answers)
    assert plain > 0.15
    assert found.r < -0.4
    assert found.kept < 0.5


def test_noise_is_taken_out_of_a_correlation():
    rng = np.random.default_rng(2)
    true = rng.normal(size=(2, 100_000))
    true[1] = 0.6 * true[0] + 0.8 * true[1]
    noisy = true + rng.normal(size=true.shape) * np.array([[1.0], [0.5]])
    r = seed_correlation(noisy.T).mean
    found = disattenuated(r, 1 / 2, 1 / 1.25)
    assert found.value == pytest.approx(0.6, abs=0.02)
    assert found.hi - found.lo == pytest.approx((r.hi - r.lo) / (0.5 / 1.25) ** 0.5)
    assert np.isnan(disattenuated(r, 0.0, 0.5).value)
