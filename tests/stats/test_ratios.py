"""Ratios of means: Fieller's interval covers the ratio, and has no bounds where the denominator may be 0."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from inoc.stats.ratios import fieller


def closed_form(top, below, confidence=0.95):
    """Fieller's quadratic for one row of pairs."""
    n = top.size
    t2 = stats.t.ppf(0.5 + confidence / 2, n - 1) ** 2
    cov = np.cov(top, below) / n
    a = below.mean() ** 2 - t2 * cov[1, 1]
    b = -2 * (top.mean() * below.mean() - t2 * cov[0, 1])
    c = top.mean() ** 2 - t2 * cov[0, 0]
    return sorted(np.roots([a, b, c]).real)


@pytest.mark.parametrize("seed", range(6))
def test_bounds_are_the_roots_of_fieller_s_quadratic(seed):
    rng = np.random.default_rng(seed)
    below = rng.normal(1.5, 0.5, 30)
    top = 0.1 * below + rng.normal(0.05, 0.2, 30)
    found = fieller(top[None, :], below[None, :], 0.95)
    assert (found.lo, found.hi) == pytest.approx(closed_form(top, below), rel=1e-6)
    assert found.lo < found.value < found.hi


def test_an_uncertain_denominator_excludes_no_ratio():
    rng = np.random.default_rng(2)
    found = fieller(rng.normal(1, 1, (1, 20)), rng.normal(0.05, 1, (1, 20)), 0.95)
    assert np.isfinite(found.value)
    assert np.isnan([found.lo, found.hi]).all()


def test_a_denominator_of_zero_has_no_ratio_and_missing_pairs_are_counted():
    assert np.isnan(fieller(np.ones((1, 3)), np.zeros((1, 3)), 0.95).value)
    top = np.array([[1.0, np.nan, 2.0, 3.0]])
    found = fieller(top, np.array([[2.0, 1.0, 4.1, 5.9]]), 0.95)
    assert (found.n, found.n_nan) == (3, 1)
    assert found.value == pytest.approx(0.5)


def test_the_interval_covers_the_true_share_over_students_and_questions():
    """Students take over 10 % of their teacher's shift; students, teachers' shifts and questions vary."""
    rng, held = np.random.default_rng(8), []
    for _ in range(400):
        shift = 1.5 + rng.normal(0, 0.4, (1, 20))
        top = 0.1 * shift + rng.normal(0, 0.03, (8, 1)) + rng.normal(0, 0.06, (8, 20))
        found = fieller(top, np.broadcast_to(shift, top.shape), 0.95)
        held.append(found.lo <= 0.1 <= found.hi)
    assert np.mean(held) >= 0.92
