from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from statsmodels.stats.multitest import multipletests

from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler
from inoc.stats.prediction import benjamini_hochberg, leave_group_out, out_of_sample_r2

NAN = float("nan")


def test_held_out_predictions_are_those_of_sklearn() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 24))
    y = x[0] + rng.normal(size=24)
    groups = np.repeat(np.arange(8.0), 3)
    found = leave_group_out(x, y, groups)
    for one, line in zip(x, found.by_line, strict=True):
        oracle = cross_val_predict(LinearRegression(), one[:, None], y, groups=groups, cv=LeaveOneGroupOut())
        assert np.allclose(line, oracle)
        assert np.allclose(leave_group_out(one, y, groups).by_line, line)
    assert np.allclose(found.by_mean, [(y.sum() - y[groups == g].sum()) / 21 for g in groups])


def test_two_groups_are_enough_where_the_caller_says_so() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 10))
    groups = ["a"] * 4 + ["b"] * 6
    found = leave_group_out(x, y, groups, fewest=2)
    oracle = cross_val_predict(LinearRegression(), x[:, None], y, groups=groups, cv=LeaveOneGroupOut())
    assert np.allclose(found.by_line, oracle)
    assert np.isnan(leave_group_out(x, y, ["a"] * 10, fewest=1)).all()


def test_r2_is_one_less_the_ratio_of_squared_errors() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=10)
    prediction, baseline = y + rng.normal(0, 0.3, 10), y + rng.normal(0, 1, 10)
    found = out_of_sample_r2(y, prediction, baseline, np.arange(10.0), Resampler(500, 0))
    assert found.value == pytest.approx(1 - ((y - prediction) ** 2).sum() / ((y - baseline) ** 2).sum())
    assert found.lo < found.value < found.hi
    assert found.n == 10


def test_groups_are_resampled_whole() -> None:
    """Ten copies of each of three groups tell no more than the three."""
    rng = np.random.default_rng(0)
    y, prediction, baseline = rng.normal(size=(3, 3))
    groups = np.arange(3.0)
    once = out_of_sample_r2(y, prediction, baseline, groups, Resampler(200, 0))
    copies = [np.tile(part, 10) for part in (y, prediction, baseline, groups)]
    assert out_of_sample_r2(*copies, Resampler(200, 0)) == pytest.approx(once)


def test_a_predictor_of_nothing_is_worse_than_the_mean() -> None:
    rng = np.random.default_rng(5)
    values = [
        out_of_sample_r2(y, held.by_line, held.by_mean, groups, Resampler(100, 0)).value
        for y, x in rng.normal(size=(50, 2, 12))
        for groups in [np.arange(12.0)]
        for held in [leave_group_out(x, y, groups)]
    ]
    assert np.mean(values) < 0


def test_a_predictor_equal_to_the_baseline_adds_nothing() -> None:
    y, x = np.random.default_rng(1).normal(size=(2, 9))
    line = leave_group_out(x, y, np.arange(9.0)).by_line
    assert out_of_sample_r2(y, line, line, np.arange(9.0), Resampler(100, 0))[:3] == (0, 0, 0)


def test_a_constant_predictor_predicts_the_mean() -> None:
    y = np.random.default_rng(1).normal(size=9)
    found = leave_group_out(np.full(9, 0.1), y, np.arange(9.0))
    assert np.allclose(found.by_line, found.by_mean)


def test_two_groups_cannot_be_held_out() -> None:
    found = leave_group_out(np.arange(4.0), np.arange(4.0), ["a", "a", "b", "b"])
    assert np.isnan(found.by_line).all()
    r2 = out_of_sample_r2(np.arange(4.0), found.by_line, found.by_mean, ["a", "a", "b", "b"], Resampler(100, 0))
    assert np.isnan(r2[:3]).all()


def test_incomplete_rows_are_refused() -> None:
    with pytest.raises(DataError, match="complete rows"):
        leave_group_out(np.array([1.0, NAN, 2.0]), np.arange(3.0), np.arange(3.0))


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_rates_are_those_of_statsmodels(p: np.ndarray) -> None:
    assert np.allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1])


def test_tests_that_were_not_made_do_not_count() -> None:
    q = benjamini_hochberg(np.array([0.01, NAN, 0.04]))
    assert q[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(q[1])
