from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from inoc.stats.bootstrap import Resampler
from inoc.stats.clusters import centred, clustered_r, clustered_rho, grouped, permuted_p

RESAMPLER = Resampler(60, 0)


def rows(seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Rows of nine groups of one to four, with ties."""
    rng = np.random.default_rng(seed)
    units = [f"g{place}" for place in range(9) for _ in range(1 + place % 4)]
    x = rng.normal(size=len(units)).round(1)
    return x, (x + rng.normal(size=len(units))).round(1), units


@pytest.mark.parametrize("seed", range(3))
def test_correlations_of_resamples_are_those_of_rows_written_out(seed: int) -> None:
    x, y, names = rows(seed)
    units = grouped(names)
    weights = RESAMPLER.simple_weights(9)[:, units.label].astype(int)
    expected = [[f(np.repeat(x, w), np.repeat(y, w))[0] for f in (stats.pearsonr, stats.spearmanr)] for w in weights]
    both = np.stack([x, -x])
    found = [clustered_r(both, y, units, RESAMPLER), clustered_rho(both, y, units, RESAMPLER)]
    assert np.allclose(np.transpose([one[:, 0] for one in found]), expected)
    assert np.allclose(np.transpose([one[:, 1] for one in found]), -np.array(expected))


def test_a_constant_side_has_no_correlation_in_any_resample() -> None:
    x, _, names = rows(0)
    y = np.full(x.shape, 0.1)
    for correlate in (clustered_r, clustered_rho):
        assert np.isnan(correlate(x[None], y, grouped(names), RESAMPLER)).all()
        found = correlate(np.stack([y, x]), x, grouped(names), RESAMPLER)
        assert np.isnan(found[:, 0]).all()
        assert np.allclose(found[:, 1], 1)
    assert np.isnan(permuted_p(np.stack([y, x]), x, grouped(names), RESAMPLER)).tolist() == [True, False]


def test_repeating_the_rows_of_groups_adds_no_evidence() -> None:
    x, y, names = rows(1)
    once, again = grouped(names), grouped(names * 4)
    for tell in (permuted_p, clustered_r, clustered_rho):
        found = [tell(x[None], y, once, RESAMPLER), tell(np.tile(x[None], 4), np.tile(y, 4), again, RESAMPLER)]
        assert np.allclose(*found)


def test_permuted_p_is_that_of_all_orders() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=6), rng.normal(size=6)
    observed = abs(np.corrcoef(x, y)[0, 1])
    every = [abs(np.corrcoef(x, y[list(order)])[0, 1]) for order in itertools.permutations(range(6))]
    expected = np.mean([one >= observed - 1e-12 for one in every])
    assert permuted_p(x[None], y, grouped(list("abcdef")), RESAMPLER) == pytest.approx([expected])


def test_permuted_p_is_of_r_over_rows_and_not_over_means_of_groups() -> None:
    """Rows of a group that differ widely: the means of groups hide what r over rows is of."""
    rng = np.random.default_rng(4)
    units = grouped([name for name in "abcde" for _ in range(2)])
    x, y = rng.normal(size=10), rng.normal(size=10)
    pairs = np.arange(10).reshape(5, 2)
    orders = [pairs[list(order)].ravel() for order in itertools.permutations(range(5))]
    every = np.array([abs(np.corrcoef(x, y[order])[0, 1]) for order in orders])
    expected = (every >= every[0] - 1e-12).mean()
    assert permuted_p(x[None], y, units, RESAMPLER) == pytest.approx([expected])
    assert expected > 0


def test_groups_change_places_within_their_stratum_only() -> None:
    """Two strata of two groups: four orders, so that p is a multiple of a quarter."""
    units, strata = grouped(list("abcd")), grouped(list("uuvv"))
    x, y = np.array([1.0, 2, 11, 12]), np.array([5.0, 6, 95, 96])
    assert permuted_p(x[None], y, units, RESAMPLER)[0] < 0.25
    x_c, y_c = centred(x[None], strata), centred(y, strata)
    assert permuted_p(x_c, y_c, units, RESAMPLER, strata)[0] == pytest.approx(0.5)


def test_groups_that_cannot_change_places_have_no_p() -> None:
    units = grouped(list("abc"))
    assert np.isnan(permuted_p(np.array([[1.0, 2, 4]]), np.array([1.0, 2, 3]), units, RESAMPLER, units)).all()


def test_what_is_constant_in_each_stratum_is_0_when_centred() -> None:
    assert (centred(np.array([[0.1, 0.1, 0.1, 0.7, 0.7, 0.7]]), grouped(list("aaabbb"))) == 0).all()


def test_resamples_are_centred_anew_in_each_stratum() -> None:
    rng = np.random.default_rng(6)
    units, strata = grouped(list("abcdefgh")), grouped(list("uuuuvvvv"))
    x, y = rng.normal(size=8), rng.normal(size=8)
    found = clustered_r(x[None], y, units, RESAMPLER, strata)[:, 0]
    for weights, r in zip(RESAMPLER.simple_weights(8).astype(int), found, strict=True):
        rows = np.repeat(np.arange(8), weights)
        drawn = grouped(["uuuuvvvv"[row] for row in rows])
        x_c, y_c = centred(x[rows], drawn), centred(y[rows], drawn)
        if x_c.any() and y_c.any():
            assert r == pytest.approx(np.corrcoef(x_c, y_c)[0, 1])


@pytest.mark.parametrize("n_rows", [1, 2])
def test_without_association_p_is_below_5_percent_in_5_percent_of_cases(n_rows: int) -> None:
    """Families differ in both sides, and prompts do not: a permutation over all prompts said p < 0.05 in a third."""
    families = np.repeat(["french", "playful", "neutral"], 6)
    units = grouped([f"p{place}" for place in range(18) for _ in range(n_rows)])
    rows = [f"{family} {slot}" for family in families for slot in range(n_rows)]
    strata = grouped(rows)
    low, pooled = [], []
    for repeat in range(400):
        rng = np.random.default_rng(repeat)
        own = rng.normal(size=(2, 18)) + rng.normal(0, 2, (2, 3))[:, np.repeat(np.arange(3), 6)]
        x, y = np.repeat(own, n_rows, axis=1) + rng.normal(size=(2, 18 * n_rows))
        resampler = Resampler(300, repeat)
        low.append(permuted_p(centred(x[None], strata), centred(y, strata), units, resampler, strata)[0] < 0.05)
        pooled.append(permuted_p(x[None], y, units, resampler)[0] < 0.05)
    assert 0.03 <= np.mean(low) <= 0.07
    assert np.mean(pooled) > 0.2
