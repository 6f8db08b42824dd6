"""Intraclass correlations against pingouin, laws, nulls and coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.errors import DataError
from inoc.stats.icc import FORMS, icc, one_way, variance_ratio

TEXTBOOK = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)
NAMES = {"icc1": "ICC(1,1)", "icc2": "ICC(A,1)", "icc3": "ICC(C,1)"}


def by_pingouin(table: np.ndarray) -> pd.DataFrame:
    rows = [(thing, rater, value) for thing, row in enumerate(table) for rater, value in enumerate(row)]
    long = pd.DataFrame(rows, columns=["thing", "rater", "value"])
    return pingouin.intraclass_corr(long, "thing", "rater", "value").set_index("Type")


def drawn(n: int, k: int, rho: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) * rho**0.5 + rng.normal(size=(n, k)) * (1 - rho) ** 0.5


def test_the_textbook_table():
    assert [icc(TEXTBOOK, form).value for form in FORMS] == pytest.approx([0.1657, 0.2898, 0.7148], abs=5e-5)
    assert variance_ratio(TEXTBOOK) == pytest.approx(0.3097, abs=5e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(4))
def test_values_and_intervals_are_those_of_pingouin(form, seed):
    table = np.round(drawn(8 + seed, 2 + seed, 0.5, seed) * 2 + np.arange(2 + seed), 1)
    found, expected = icc(table, form), by_pingouin(table).loc[NAMES[form]]
    assert found.value == pytest.approx(expected["ICC"], abs=1e-10)
    assert [found.lo, found.hi] == pytest.approx(list(expected["CI95"]), abs=0.0051)  # printed to two digits


@given(seed=st.integers(0, 10**6), form=st.sampled_from(FORMS), scale=st.floats(0.01, 100), shift=st.floats(-99, 99))
@settings(max_examples=40, deadline=None)
def test_order_unit_and_origin_do_not_matter(seed, form, scale, shift):
    rng = np.random.default_rng(seed)
    table = drawn(9, 3, 0.4, seed)
    again = (scale * table + shift)[rng.permutation(9)][:, rng.permutation(3)]
    assert icc(again, form)[:3] == pytest.approx(icc(table, form)[:3], abs=1e-8)


def test_a_shift_of_a_seed_matters_to_agreement_alone():
    table = drawn(30, 3, 0.6, 1)
    moved = table + np.array([0.0, 2.0, -1.0])
    assert icc(moved, "icc3").value == pytest.approx(icc(table, "icc3").value, abs=1e-12)
    assert icc(moved, "icc2").value < icc(table, "icc2").value - 0.2
    assert icc(moved, "icc1").value < icc(table, "icc1").value - 0.2


def test_gaps_are_dropped_and_counted_and_nothing_is_invented():
    table = TEXTBOOK.copy()
    table[1, 2] = np.nan
    found = icc(table, "icc2")
    assert (found.n, found.n_nan) == (5, 1)
    assert found.value == icc(np.delete(TEXTBOOK, 1, axis=0), "icc2").value
    for nothing in (np.full((5, 3), 2.0), TEXTBOOK[:1], TEXTBOOK[:, :1]):
        assert np.isnan(icc(nothing, "icc1").value)
    assert icc(np.tile(np.arange(5.0)[:, None], 3), "icc1")[:3] == (1, 1, 1)
    with pytest.raises(DataError, match="two dimensions"):
        icc(np.arange(3.0), "icc1")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_intervals_hold_the_truth(form, rho):
    found = [icc(drawn(25, 4, rho, seed), form) for seed in range(1000)]
    assert 0.93 <= np.mean([one.lo <= rho <= one.hi for one in found]) <= 0.97


def test_the_earlier_ratio_expects_a_fifth_of_noise():
    ratios = [variance_ratio(drawn(100, 4, 0.0, seed)) for seed in range(200)]
    assert np.mean(ratios) == pytest.approx(0.2, abs=0.01)


def test_one_way_is_icc1_of_a_whole_table_and_that_of_an_analysis_of_variance_of_any():
    table = drawn(12, 3, 0.5, 2)
    groups = [str(one) for one in np.repeat(np.arange(12), 3)]
    assert one_way(table.ravel(), groups)[:4] == pytest.approx(icc(table, "icc1")[:4])
    values = table.copy()
    values[[0, 3, 3, 7], [1, 0, 2, 1]] = np.nan
    frame = pd.DataFrame({"y": values.ravel(), "g": groups}).dropna()
    table_of = pingouin.anova(frame, "y", "g", detailed=True)
    between, within = table_of["MS"]
    sizes = frame.groupby("g").size().to_numpy()
    size = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / 11
    found = one_way(values.ravel(), groups)
    assert found.value == pytest.approx((between - within) / (between + (size - 1) * within))
    assert (found.n, found.n_nan) == (12, 4)
    assert np.isnan(one_way(np.arange(3.0), ["a", "b", "c"]).value)
    with pytest.raises(DataError, match="thing of each rating"):
        one_way(np.arange(3.0), ["a"])
