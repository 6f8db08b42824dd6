from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.formula.api import ols

from inoc.stats.bootstrap import Resampler
from inoc.stats.crossed import FEWEST_TO_BORROW, borrowed_square, crossed_contrast, crossed_interval, mean_squares
from inoc.stats.means import mean_interval

NAN = float("nan")


def made_up(n_seeds: int, n_items: int, seed: int = 0, seed_sd: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, seed_sd, (n_seeds, 1)) + rng.normal(0, 9, (1, n_items)) + rng.normal(30, 5, (n_seeds, n_items))


def test_mean_squares_are_those_of_an_analysis_of_variance() -> None:
    table = made_up(3, 8)
    seeds, items = np.indices(table.shape)
    model = ols("y ~ C(s) + C(i)", {"y": table.ravel(), "s": seeds.ravel(), "i": items.ravel()}).fit()
    expected = sm.stats.anova_lm(model)
    found = mean_squares(table)
    assert [one.value for one in found] == pytest.approx((expected["sum_sq"] / expected["df"]).tolist())
    assert [one.degrees for one in found] == expected["df"].tolist()


def test_a_missing_value_is_fitted_and_costs_a_degree_of_freedom() -> None:
    table = made_up(3, 8)
    table[1, 2] = NAN
    known = ~np.isnan(table)
    seeds, items = np.indices(table.shape)
    model = ols("y ~ C(s) + C(i)", {"y": table[known], "s": seeds[known], "i": items[known]}).fit()
    residual = mean_squares(table).residual
    assert residual.degrees == model.df_resid
    assert residual.value == pytest.approx(model.mse_resid)


def test_one_seed_has_the_t_interval() -> None:
    values = made_up(1, 20)
    values[0, 3] = NAN
    assert crossed_interval(values, 0.95) == mean_interval(values[0])


def test_a_seed_without_any_score_counts_as_nan_and_leaves_one_seed() -> None:
    values = made_up(1, 20)[0]
    found = crossed_interval(np.stack([values, np.full(20, NAN)]), 0.95)
    alone = mean_interval(values)
    assert found[:4] == alone[:4]
    assert found.n_nan == 20


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 4), st.integers(3, 12), st.floats(-50, 50))
def test_moving_all_scores_moves_the_interval(n_seeds: int, n_items: int, shift: float) -> None:
    values = made_up(n_seeds, n_items)
    plain, moved = crossed_interval(values, 0.95), crossed_interval(values + shift, 0.95)
    assert np.allclose(np.array(plain[:3]) + shift, moved[:3])
    assert plain.lo <= plain.value <= plain.hi


def test_nothing_at_all_is_nan() -> None:
    assert np.isnan(Resampler(100, 0).crossed_mean([])[:3]).all()


def test_intervals_of_scores_stay_between_0_and_100() -> None:
    high = [np.array([100.0, 100, 80, 100]), np.array([100.0, 60, 100, 100])]
    found = Resampler(100, 0).crossed_score(high)
    assert found.hi == 100
    assert Resampler(100, 0).crossed_mean(high).hi > 100


def test_fewer_than_six_prompts_lend_nothing() -> None:
    tables = [made_up(2, 20, seed) for seed in range(FEWEST_TO_BORROW)]
    assert borrowed_square(tables) is not None
    assert borrowed_square(tables[1:]) is None
    without_a_seed = np.stack([tables[0][0], np.full(20, NAN)])
    assert borrowed_square([without_a_seed, *tables[1:]]) is None


def test_the_borrowed_mean_square_is_the_mean_of_the_prompts_own() -> None:
    tables = [made_up(3, 20, seed) for seed in range(8)]
    found = borrowed_square(tables)
    assert found is not None
    assert found.value == pytest.approx(np.mean([mean_squares(table).seeds.value for table in tables]), rel=0.3)
    assert 2 < found.degrees <= 16


def test_seeds_that_move_all_prompts_alike_lend_the_certainty_of_one_prompt() -> None:
    shared = made_up(3, 20, seed_sd=20.0)
    tables = [shared + np.random.default_rng(prompt).normal(0, 0.1, shared.shape) for prompt in range(12)]
    found = borrowed_square(tables)
    assert found is not None
    assert found.degrees == pytest.approx(2, rel=0.1)


def covered(n_seeds: int, seed_sd: float, *, borrow: bool, repeats: int, n_prompts: int = 12) -> float:
    """Share of intervals of one prompt's suppression that hold 0, its true value."""
    hits = []
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, n_seeds])
        shared = rng.normal(0, seed_sd / 2**0.5, (1, n_seeds, 1))
        own = rng.normal(0, seed_sd / 2**0.5, (n_prompts, n_seeds, 1))
        items = rng.normal(0, 15, (n_prompts, 1, 60))
        tables = shared + own + items + rng.normal(0, 25, (n_prompts, n_seeds, 60))
        square = borrowed_square(list(tables)) if borrow else None
        found = crossed_interval(tables[0], 0.95, square)
        hits.append(found.lo <= 0 <= found.hi)
    return float(np.mean(hits))


@pytest.mark.parametrize("borrow", [False, True])
def test_intervals_of_two_seeds_cover_as_often_as_they_say(borrow: bool) -> None:
    """The bootstrap over seeds and instructions covered 74 to 88 % here."""
    assert covered(2, 7.0, borrow=borrow, repeats=400) >= 0.915


@pytest.mark.long
@pytest.mark.parametrize("n_seeds", [2, 3])
@pytest.mark.parametrize("seed_sd", [0.0, 5.0, 10.0])
def test_coverage_is_what_the_page_on_intervals_says(n_seeds: int, seed_sd: float) -> None:
    for borrow in (False, True):
        assert 0.92 <= covered(n_seeds, seed_sd, borrow=borrow, repeats=1_000) <= 1


def test_the_contrast_of_a_table_has_the_interval_of_the_table() -> None:
    table = np.random.default_rng(4).normal(0.3, size=(3, 20))
    interval, contrast = crossed_interval(table, 0.95), crossed_contrast(table, 0.95)
    assert (contrast.value, contrast.n, contrast.n_nan) == (interval.value, interval.n, interval.n_nan)
    assert np.allclose([contrast.lo, contrast.hi], [interval.lo, interval.hi])
    at_p = crossed_interval(table, 1 - contrast.p)
    assert min(abs(at_p.lo), abs(at_p.hi)) < 1e-9
