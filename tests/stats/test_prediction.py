from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from statsmodels.stats.multitest import multipletests

from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler
from inoc.stats.prediction import Design, benjamini_hochberg, held_out_r2, leave_group_out, out_of_sample_r2

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
    """Ten copies of each of seven groups tell no more than the seven."""
    rng = np.random.default_rng(0)
    y, prediction, baseline = rng.normal(size=(3, 7))
    groups = np.arange(7.0)
    once = out_of_sample_r2(y, prediction, baseline, groups, Resampler(200, 0))
    copies = [np.tile(part, 10) for part in (y, prediction, baseline, groups)]
    assert out_of_sample_r2(*copies, Resampler(200, 0)) == pytest.approx(once)


def ungrouped(y: np.ndarray) -> Design:
    return Design(y, np.arange(float(y.size)), np.arange(float(y.size)))


def by_refitting(x: np.ndarray, design: Design) -> tuple[float, float]:
    """The interval of one predictor, with every fit made anew without each unit."""
    units, held = np.asarray(design.units), np.asarray(design.held)
    logs = []
    for unit in (None, *np.unique(units)):
        kept = units != unit if unit is not None else np.full(units.shape, True)
        found = leave_group_out(x[kept], design.y[kept], held[kept], design.fewest)
        errors = [((design.y[kept] - one) ** 2).sum() for one in (found.by_line, found.by_mean)]
        logs.append(np.log(errors[0] / errors[1]))
    centre, without = logs[0], np.array(logs[1:])
    n = without.size
    half = scipy.stats.t.ppf(0.975, n - 1) * ((n - 1) / n * ((without - without.mean()) ** 2).sum()) ** 0.5
    return 1 - np.exp(centre + half), 1 - np.exp(centre - half)


@pytest.mark.parametrize("held_by", ["unit", "trait"])
def test_the_jackknife_is_that_of_fits_made_anew(held_by: str) -> None:
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(9.0), [1, 2, 3, 1, 2, 3, 1, 2, 3])
    x, y = rng.normal(50, 7, (2, units.size)), rng.normal(size=units.size)
    x[1] += 20 * y
    held = units if held_by == "unit" else units % 2
    design = Design(y, held, units, 3 if held_by == "unit" else 2)
    for place, found in enumerate(held_out_r2(x, design, 0.95)):
        lines = leave_group_out(x[place], y, held, design.fewest)
        expected = 1 - ((y - lines.by_line) ** 2).sum() / ((y - lines.by_mean) ** 2).sum()
        assert found.value == pytest.approx(expected)
        assert (found.lo, found.hi) == pytest.approx(by_refitting(x[place], design))
        assert found.n == 9


def test_a_predictor_of_nothing_is_worse_than_the_mean() -> None:
    rng = np.random.default_rng(5)
    values = [held_out_r2(x[None], ungrouped(y), 0.95)[0].value for y, x in rng.normal(size=(50, 2, 12))]
    assert np.mean(values) < 0


def test_a_predictor_equal_to_its_rival_adds_nothing() -> None:
    y, x = np.random.default_rng(1).normal(size=(2, 9))
    assert held_out_r2(x[None], ungrouped(y), 0.95, x)[0][:3] == (0, 0, 0)


def test_fewer_than_six_units_have_no_interval() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 5))
    found = held_out_r2(x[None], ungrouped(y), 0.95)[0]
    assert np.isfinite(found.value)
    assert np.isnan([found.lo, found.hi]).all()
    assert np.isnan(out_of_sample_r2(y, x, np.zeros(5), np.arange(5.0), Resampler(100, 0))[1:3]).all()


@pytest.mark.long
@pytest.mark.parametrize(("r", "at_least"), [(0.0, 0.97), (0.6, 0.89), (0.95, 0.93)])
def test_coverage_of_held_out_r2_is_what_the_page_on_intervals_says(r: float, at_least: float) -> None:
    """Of 12 prompts; the bootstrap of errors as they are covered 70 to 90 %."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1_500, 12))
    y = r * x + (1 - r**2) ** 0.5 * rng.normal(size=x.shape)
    lines = [leave_group_out(*pair, np.arange(12.0)) for pair in zip(x, y, strict=True)]
    errors = [((one - line.by_line) ** 2).sum() for one, line in zip(y, lines, strict=True)]
    around_mean = [((one - line.by_mean) ** 2).sum() for one, line in zip(y, lines, strict=True)]
    truth = 1 - np.mean(errors) / np.mean(around_mean)
    found = [held_out_r2(a[None], ungrouped(b), 0.95)[0] for a, b in zip(x, y, strict=True)]
    assert np.mean([one.lo <= truth <= one.hi for one in found]) >= at_least


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
