from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from inoc.stats.bootstrap import Resampler
from inoc.stats.clusters import clustered_r, clustered_rho, grouped, permuted_p

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
    found = permuted_p(x[None], y, grouped(list("abcdef")), Resampler(20_000, 3))
    assert found == pytest.approx([expected], abs=0.02)
