"""A yes or no against a number: against scipy and statsmodels, nulls and coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy.stats import norm, pointbiserialr

from inoc.errors import DataError
from inoc.stats.two_groups import adjusted, point_biserial, rank_test, rates_by_quartile, within_each


def drawn(seed: int, effect: float = 0.0, n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    marked = np.arange(n) % 4 == 0
    return marked, rng.normal(size=n) + effect * marked


def test_point_biserial_is_scipys():
    marked, values = drawn(1, 0.5)
    expected = pointbiserialr(marked, values)
    found = point_biserial(marked, values)
    assert (found.value, found.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_the_rank_test_is_that_of_pingouin():
    marked, values = drawn(2, 0.5)
    values = np.round(values, 1)  # ties
    expected = pingouin.mwu(values[marked], values[~marked]).iloc[0]
    found = rank_test(marked, values)
    assert (found.u, found.p) == pytest.approx((expected.iloc[0], expected["p_val"]))
    assert found.auc.value == pytest.approx(
        np.mean(values[marked][:, None] > values[~marked]) + 0.5 * np.mean(values[marked][:, None] == values[~marked])
    )


def test_few_things_have_no_test():
    marked, values = np.array([True, True, False, False, False, False, False]), np.arange(7.0)
    found = rank_test(marked, values)
    assert (found.u, found.n_with) == (0, 2)
    assert np.isnan([found.p, found.auc.lo]).all()
    assert np.isnan(rank_test(np.ones(7, dtype=bool), values).u)


@pytest.mark.parametrize("effect", [0.0, 1.0, 2.0])
def test_intervals_of_the_auc_hold_the_truth(effect):
    truth = norm.cdf(effect / 2**0.5)
    found = [rank_test(*drawn(seed, effect)).auc for seed in range(500)]
    assert 0.93 <= np.mean([one.lo <= truth <= one.hi for one in found]) <= 0.975


def test_nothing_is_found_where_nothing_is():
    tests = [drawn(seed) for seed in range(1000)]
    assert 0.03 <= np.mean([rank_test(*one).p < 0.05 for one in tests]) <= 0.07
    assert 0.03 <= np.mean([point_biserial(*one).p < 0.05 for one in tests]) <= 0.07


def test_quarters_are_cut_as_the_earlier_study_cut_them():
    values = np.array([1.0, 2, 2, 3, 4, 5, 6, 7, np.nan])
    edges = np.percentile(values[:8], [25, 50, 75])
    marked = np.arange(9) % 2 == 0
    found = rates_by_quartile(marked, values)
    first = values[:8] <= edges[0]
    assert found[0].n == first.sum()
    assert found[0].value == marked[:8][first].mean()
    assert sum(one.n for one in found) == 8


def strata(n: int) -> list[str]:
    return [f"origin {number % 3}" for number in range(n)]


def test_adjusted_is_the_partial_correlation():
    marked, values = drawn(3, 0.5, 90)
    names = strata(90)
    frame = pd.DataFrame({"x": marked.astype(float), "y": values + 2 * (np.arange(90) % 3)})
    dummies = pd.get_dummies(names, dtype=float).iloc[:, 1:]
    dummies.columns = ["one", "two"]
    expected = pingouin.partial_corr(pd.concat([frame, dummies], axis=1), "x", "y", ["one", "two"]).iloc[0]
    found = adjusted(frame["x"].to_numpy(), frame["y"].to_numpy(), names)
    assert found.value == pytest.approx(expected["r"])
    assert found.p == pytest.approx(expected["p_val"])
    assert [found.lo, found.hi] == pytest.approx(expected["CI95"], abs=0.0051)


def test_a_difference_between_origins_alone_is_adjusted_away():
    hits = []
    for seed in range(500):
        rng = np.random.default_rng(seed)
        place = np.arange(90) % 3
        marked = rng.random(90) < np.array([0.1, 0.4, 0.7])[place]
        hits.append(adjusted(marked.astype(float), rng.normal(size=90) + place, strata(90)).p < 0.05)
    assert 0.03 <= np.mean(hits) <= 0.07


def test_every_origin_has_its_own():
    marked, values = drawn(4, 0.5, 90)
    found = within_each(marked.astype(float), values, strata(90))
    here = np.arange(90) % 3 == 1
    assert found["origin 1"].value == pytest.approx(np.corrcoef(marked[here], values[here])[0, 1])
    with pytest.raises(DataError, match="one of each per row"):
        adjusted(values, values, strata(5))
