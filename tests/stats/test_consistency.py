"""Consistency by the scale, and by the three earlier rules."""

from __future__ import annotations

import numpy as np
import pytest

from inoc.errors import DataError
from inoc.stats.consistency import (
    by_scale,
    earlier_half_scale,
    earlier_own_percentile,
    earlier_pooled,
    normalised,
    pooled_tops,
    spread_within,
)


def test_the_ends_of_the_scale_are_the_ends_of_consistency():
    table = normalised(np.array([[1.0, 5, 1, 5], [3, 3, 3, 3], [1, 2, np.nan, np.nan], [1, np.nan, np.nan, 9]]), 1, 5)
    found = by_scale(spread_within(table))
    assert found[:3].tolist() == [0, 1, pytest.approx(0.75)]
    assert np.isnan(found[3])  # one answer, and one off the scale
    with pytest.raises(DataError, match="no length"):
        normalised(table, 5, 5)


def test_a_model_that_is_twice_as_noisy_scores_the_same_by_its_own_percentile():
    spreads = np.random.default_rng(0).uniform(0, 0.2, 300)
    np.testing.assert_allclose(earlier_own_percentile(spreads), earlier_own_percentile(2 * spreads))
    assert by_scale(spreads).mean() > by_scale(2 * spreads).mean() + 0.1


def test_the_third_earlier_rule_is_the_scales_but_for_impossible_spreads():
    spreads = np.array([0.0, 0.2, 0.5, 0.7, 1.5])
    assert earlier_half_scale(spreads)[:4].tolist() == [1, pytest.approx(0.6), 0, 0]
    assert np.isnan(earlier_half_scale(spreads)[4])


def test_the_percentiles_of_the_first_rule_are_found_from_its_scores():
    rng = np.random.default_rng(1)
    intra, inter = rng.gamma(2, 0.05, 400), rng.gamma(2, 0.05, 400)
    scores = earlier_pooled(intra, inter, 0.2076607853, 0.1929995894)
    assert pooled_tops(intra, inter, scores) == pytest.approx((0.2076607853, 0.1929995894), abs=1e-9)
    assert np.isnan(pooled_tops(intra, inter, rng.random(400))).all()
