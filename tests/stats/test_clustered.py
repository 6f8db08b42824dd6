from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from inoc.stats.clustered import clustered_mean


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_the_error_is_the_clustered_one_of_statsmodels(seed: int, n_groups: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, 20)])
    values = rng.standard_normal(n_groups)[groups] + rng.standard_normal(groups.size)
    fit = sm.OLS(values, np.ones(groups.size)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    found = clustered_mean(values, [str(group) for group in groups])
    assert found.value == pytest.approx(fit.params[0])
    assert found.se == pytest.approx(fit.bse[0])
    assert (found.lo, found.hi) == pytest.approx(tuple(fit.conf_int()[0]))
    assert found.p == pytest.approx(fit.pvalues[0], abs=1e-12)


def test_groups_of_one_size_have_the_error_of_the_mean_of_their_means() -> None:
    table = np.random.default_rng(1).standard_normal((8, 5)) + np.arange(8)[:, None]
    found = clustered_mean(table.ravel(), [str(k) for k in range(8) for _ in range(5)])
    assert found.se == pytest.approx(table.mean(axis=1).std(ddof=1) / 8**0.5)


def test_nan_is_counted_and_one_group_has_no_interval() -> None:
    found = clustered_mean(np.array([1.0, 3.0, np.nan]), ["a", "a", "b"])
    assert (found.value, found.n, found.n_nan) == (2, 2, 1)
    assert np.isnan(found.lo)
    assert np.isnan(clustered_mean(np.array([np.nan]), ["a"]).value)


def test_a_mean_of_zero_is_found_different_from_zero_at_the_stated_rate() -> None:
    """Simulated null: 20 groups of 5 answers that share the effect of their question."""
    rng = np.random.default_rng(4)
    names = [str(k) for k in range(20) for _ in range(5)]
    found = []
    for _ in range(1000):
        values = np.repeat(rng.standard_normal(20), 5) + rng.standard_normal(100)
        found.append(clustered_mean(values, names).p < 0.05)
    assert 0.03 <= np.mean(found) <= 0.07
