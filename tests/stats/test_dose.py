from __future__ import annotations

import itertools

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from inoc.stats.dose import Doses, doses_of, item_slopes, linked_mean, rank_p, slope_over, usable


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def made(rng, n_items=12, doses=(-1.0, 0.0, 1.0, 2.0), effect=0.0):
    items = [(f"t{at}",) for at in range(n_items)]
    x = np.array(doses)
    noise = rng.standard_normal((n_items, x.size))
    return Doses(items, x, effect * x + rng.standard_normal((n_items, 1)) + noise)


def test_slopes_of_items_are_those_of_statsmodels(rng):
    found = made(rng, effect=0.4)
    found.values[3, 1] = found.values[4, 0] = np.nan
    slopes = item_slopes(found)
    for at, row in enumerate(found.values):
        there = ~np.isnan(row)
        fit = sm.OLS(row[there], sm.add_constant(found.coefficients[there])).fit()
        assert slopes[at] == pytest.approx(fit.params[1], abs=1e-12)


def test_an_item_with_answers_at_too_few_coefficients_has_no_slope(rng):
    found = made(rng)
    found.values[0, :2] = np.nan
    assert np.isnan(item_slopes(found)[0])
    two = Doses(found.items, found.coefficients[:2], np.array(made(rng).values[:, :2]))
    assert not np.isnan(item_slopes(two)).any()


def test_the_error_over_tasks_is_that_of_statsmodels_clustered_by_task(rng):
    tasks = [f"t{at % 7}" for at in range(30)]
    values = rng.standard_normal(30) + np.array([int(task[1]) for task in tasks]) * 0.3
    found = linked_mean(values, [(task,) for task in tasks])
    codes = np.array([int(task[1]) for task in tasks])
    fit = sm.OLS(values, np.ones(30)).fit(cov_type="cluster", cov_kwds={"groups": codes, "df_correction": True})
    # statsmodels also multiplies by (n − 1) / (n − k), which is 1 here
    assert found.value == pytest.approx(fit.params[0])
    assert found.se == pytest.approx(fit.bse[0], rel=1e-9)
    (lo, hi), p = fit.conf_int()[0], fit.pvalues[0]
    assert found.lo < lo < hi < found.hi  # t of 6 degrees of freedom instead of the normal distribution
    assert found.p > p


def test_items_that_share_a_task_are_not_independent(rng):
    """Brute force over all two items."""
    tasks = [f"t{at}" for at in range(8)]
    items = [pair for pair in itertools.combinations(tasks, 2) if rng.random() < 0.6]
    liked = dict(zip(tasks, rng.standard_normal(8), strict=True))
    values = np.array([liked[a] + liked[b] + 0.1 * rng.standard_normal() for a, b in items])
    off = values - values.mean()
    total = sum(
        off[i] * off[j] for i in range(len(items)) for j in range(len(items)) if set(items[i]) & set(items[j])
    )  # fmt: skip
    found = linked_mean(values, items)
    assert found.se == pytest.approx((len(tasks) / (len(tasks) - 1) * total) ** 0.5 / len(items))
    twice = linked_mean(np.concatenate([values, values]), [*items, *(item[::-1] for item in items)])
    assert twice.se == pytest.approx(found.se)  # both orders of a pair are no new tasks


def test_orders_without_an_answer_are_not_mixed_with_others():
    """One order of the pair prefers the first text, and loses its answers at 1: the effect is that of the other."""
    items = [("a", "b")] * 3 + [("b", "a")] * 3
    answers = np.array([0.9, 0.9, np.nan, 0.2, 0.3, 0.4])
    found = doses_of(items, np.array([-1.0, 0.0, 1.0] * 2), answers)
    assert slope_over(found).value == pytest.approx(0.1)
    assert slope_over(found).n == 1


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8, unique=True), st.floats(-3, 3), st.floats(-3, 3))
def test_a_straight_line_has_its_own_slope(doses, slope, level):
    x = np.array(sorted(doses))
    if np.ptp(x) < 1e-3:
        return
    found = Doses([("a",), ("b",)], x, np.array([slope * x + level, slope * x - level]))
    assert slope_over(found).value == pytest.approx(slope, abs=1e-6)


def test_the_largest_usable_coefficient_is_the_last_before_answers_are_lost():
    doses, kept = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], [0.9, 0.5, 1.0, 0.9, 0.7, 0.9]
    assert usable(doses, kept, 0.75) == (0.0, 1.0)
    assert usable(doses, kept, 0.4) == (-2.0, 3.0)
    assert usable(doses, [0.4 * one for one in kept], 0.75) == (0.0, 1.0)  # what is lost at 0 is not steering's doing
    assert np.isnan(usable(doses, [0.0] * 6, 0.75)).all()


def test_the_rank_among_random_vectors_is_never_0():
    null = np.array([0.1, -0.5, np.nan, 0.2])
    assert rank_p(9.0, null) == 0.25
    assert rank_p(-0.2, null) == pytest.approx(3 / 4)
    assert np.isnan(rank_p(1.0, np.array([])))


@pytest.mark.parametrize("pairs", [False, True])
def test_steering_without_an_effect_is_found_in_about_5_percent_of_200_studies(pairs):
    """Every task has a level of its own and moves by itself at every coefficient, in all of its pairs."""
    rng = np.random.default_rng(11 if pairs else 3)
    x = np.array([-1.0, 0.0, 1.0])
    found, ranked = [], []
    for _ in range(200):
        n = 24
        tasks = [f"t{at}" for at in range(n)]
        p_values = []
        slopes = []
        for _ in range(20 if not pairs else 1):
            own_NX = rng.standard_normal((n, 1)) + 0.5 * rng.standard_normal((n, 3))
            if pairs:
                chosen = [(a, (a + step) % n) for a in range(n) for step in (1, 2, 5)]
                values = np.array([own_NX[a] + own_NX[b] + 0.3 * rng.standard_normal(3) for a, b in chosen])
                doses = Doses([(tasks[a], tasks[b]) for a, b in chosen], x, values)
            else:
                doses = Doses([(task,) for task in tasks], x, own_NX)
            got = slope_over(doses)
            slopes.append(got.value)
            p_values.append(got.p)
        found.append(p_values[0] < 0.05)
        ranked.append(rank_p(slopes[0], np.array(slopes[1:])) <= 0.05)
    assert 0.03 <= np.mean(found) <= 0.07
    if not pairs:
        assert 0.03 <= np.mean(ranked) <= 0.07
