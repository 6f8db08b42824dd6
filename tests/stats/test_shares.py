from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from inoc.errors import DataError
from inoc.stats.shares import newcombe, wilson

COUNTS = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVELS = st.sampled_from([0.8, 0.95, 0.99])


@given(COUNTS, LEVELS)
def test_wilson_is_that_of_statsmodels(count_n: tuple[int, int], confidence: float) -> None:
    count, n = count_n
    found = wilson(count, n, confidence)
    assert np.allclose(found[1:3], proportion_confint(count, n, 1 - confidence, "wilson"), atol=1e-12)
    assert found.value == count / n


@given(COUNTS, COUNTS, LEVELS)
def test_newcombe_is_that_of_statsmodels(first: tuple[int, int], second: tuple[int, int], confidence: float) -> None:
    found = newcombe(wilson(*first, confidence), wilson(*second, confidence))
    theirs = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff", alpha=1 - confidence)
    assert np.allclose(found[1:3], theirs, atol=1e-9)
    assert found.value == pytest.approx(first[0] / first[1] - second[0] / second[1])


def test_bounds_at_the_ends_are_exactly_0_and_1() -> None:
    assert wilson(0, 100).lo == 0.0
    assert wilson(100, 100).hi == 1.0


def test_no_trials_give_no_share() -> None:
    found = wilson(0, 0, n_nan=3)
    assert np.isnan(found[:3]).all()
    assert (found.n, found.n_nan) == (0, 3)


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(DataError, match="3 successes of 2 trials"):
        wilson(3, 2)
