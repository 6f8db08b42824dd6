"""Two fits on a common scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.errors import DataError
from inoc.stats.utilities.link import link, refuse_pooled


@given(seed=st.integers(0, 10**6), factor=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_an_affine_copy_is_linked_exactly_and_the_way_back_is_the_inverse(seed, factor, shift):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=12)
    second = factor * first + shift
    there, back = link(first, second), link(second, first)
    np.testing.assert_allclose(there.moved(second), first, atol=1e-9)
    assert there.slope * back.slope == pytest.approx(1)
    assert there.residual_sd == pytest.approx(0, abs=1e-9)


def test_location_alone():
    first = np.arange(8.0)
    found = link(first, 2 * first + 1, scaled=False)
    assert (found.slope, found.intercept) == (1, pytest.approx(first.mean() - (2 * first + 1).mean()))


def test_items_of_only_one_fit_are_left_out():
    first = np.append(np.arange(8.0), np.nan)
    assert link(first, np.append(np.arange(8.0), 3.0)).n == 8


def test_fits_without_a_common_scale_are_refused():
    with pytest.raises(DataError, match="4 common items cannot be linked"):
        link(np.arange(4.0), np.arange(4.0))
    with pytest.raises(DataError, match="no common scale"):
        link(np.arange(8.0), -np.arange(8.0))


def test_concatenated_fits_are_refused_with_the_reason():
    one = np.array([0.0, 1.2, -0.7])
    refuse_pooled(one, "one.csv")
    with pytest.raises(DataError, match=r"pooled.csv: 2 utilities are exactly 0 \(rows 1, 4\)"):
        refuse_pooled(np.concatenate([one, one * 2]), "pooled.csv")
