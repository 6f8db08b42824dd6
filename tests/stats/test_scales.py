"""Scales and settings of tables that somebody else wrote."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.stats.scales import are_shares, meant, written


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (np.linspace(0, 1, 20), True),
        (np.array([0.0] * 19 + [1.0]), True),
        (np.array([np.nan] * 5 + [0.5] * 10), True),
        (np.zeros(100), False),
        (np.full(3, 0.5), False),
        (np.linspace(0, 100, 20), False),
        (np.array([0.4] * 19 + [1.5]), False),
        (np.array([-0.5] * 19 + [0.5]), False),
        (np.array([]), False),
    ],
)
def test_scores_from_0_to_1_are_told_from_points(scores: np.ndarray, expected: bool) -> None:
    assert are_shares(scores) is expected


RATES = [1e-4, 3e-4, 2e-5, 1e-3]


@given(st.sampled_from(RATES))
def test_a_learning_rate_in_single_precision_means_the_one_of_the_study(rate: float) -> None:
    assert meant(float(np.float32(rate)), RATES) == rate
    assert meant(rate, RATES) == rate
    assert meant(rate * 1.001, RATES) is None


def test_a_value_that_means_two_settings_means_none() -> None:
    assert meant(float(np.float32(1e-4)), [1e-4, 1e-4 + 1e-13]) is None
    assert meant(1e-4, [1e-4, 1e-4 + 1e-13]) == 1e-4


@given(st.decimals(min_value="-9999", max_value="9999", places=3).map(float))
def test_a_number_of_few_digits_is_found_in_its_float32(value):
    assert written(float(np.float32(value))) == written(value) == value
