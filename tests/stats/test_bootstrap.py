from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from inoc.stats.bootstrap import Resampler, crossed_means, crossed_weights, spread
from inoc.stats.means import mean_interval

NAN = float("nan")


def made_up(n_seeds: int, n_items: int, seed: int = 0, seed_sd: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, seed_sd, (n_seeds, 1)) + rng.normal(0, 9, (1, n_items)) + rng.normal(30, 5, (n_seeds, n_items))


def test_resampled_means_equal_a_loop_over_drawn_cells() -> None:
    values = made_up(3, 7)
    values[0, 2] = values[2, 5] = NAN
    weights = crossed_weights(3, 7, 50, np.random.default_rng(1))
    for found, seeds, items in zip(crossed_means(values, weights), weights.seeds, weights.items, strict=True):
        drawn = [
            values[s, i]
            for s in np.repeat(np.arange(3), seeds.astype(int))
            for i in np.repeat(np.arange(7), items.astype(int))
        ]
        assert found == pytest.approx(np.nanmean(drawn))


def test_one_cluster_fewer_is_drawn_than_there_are() -> None:
    weights = crossed_weights(4, 9, 20, np.random.default_rng(0))
    assert (weights.seeds.sum(axis=1) == 3).all()
    assert (weights.items.sum(axis=1) == 8).all()


def test_one_seed_has_the_t_interval() -> None:
    values = made_up(1, 20)
    values[0, 3] = NAN
    assert Resampler(100, 0).crossed_mean(list(values)) == mean_interval(values[0])


def test_a_seed_without_any_score_counts_as_nan_and_leaves_one_seed() -> None:
    values = made_up(1, 20)[0]
    found = Resampler(100, 0).crossed_mean([values, np.full(20, NAN)])
    alone = mean_interval(values)
    assert found[:4] == alone[:4]
    assert found.n_nan == 20


def test_spread_of_means_is_that_of_a_mean_of_clusters() -> None:
    """Seeds alone vary: the bootstrap's variance is the unbiased s²/S, not (S − 1)/S of it."""
    offsets = np.array([0.0, 10.0, 4.0])
    values = np.repeat(offsets[:, None], 6, axis=1)
    means = crossed_means(values, crossed_weights(3, 6, 200_000, np.random.default_rng(0)))
    assert means.var() == pytest.approx(offsets.var(ddof=1) / 3, rel=0.02)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    resampler = Resampler(400, 0)
    found = [resampler.crossed_mean(list(made_up(4, 60, seed))) for seed in range(200)]
    covered = np.mean([one.lo <= 30 <= one.hi for one in found])
    assert 0.9 <= covered <= 0.995


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 4), st.integers(3, 12), st.floats(-50, 50))
def test_moving_all_scores_moves_the_interval(n_seeds: int, n_items: int, shift: float) -> None:
    values, resampler = made_up(n_seeds, n_items), Resampler(100, 0)
    plain, moved = resampler.crossed_mean(list(values)), resampler.crossed_mean(list(values + shift))
    assert np.allclose(np.array(plain[:3]) + shift, moved[:3])
    assert plain.lo <= plain.value <= plain.hi


def test_interval_does_not_depend_on_what_was_asked_before() -> None:
    values, used = made_up(2, 15), Resampler(100, 3)
    used.crossed_mean(list(made_up(3, 8)))
    used.simple_weights(15)
    assert used.crossed_mean(list(values)) == Resampler(100, 3).crossed_mean(list(values))


def test_another_seed_draws_otherwise() -> None:
    values = list(made_up(2, 15))
    assert Resampler(100, 0).crossed_mean(values).lo != Resampler(100, 1).crossed_mean(values).lo


def test_nothing_at_all_is_nan() -> None:
    assert np.isnan(Resampler(100, 0).crossed_mean([])[:3]).all()


def test_spread_is_that_of_numpy_and_its_interval_that_of_scipy() -> None:
    values = np.random.default_rng(0).normal(1, 3, 200)
    found = spread(np.append(values, NAN), Resampler(4000, 0))
    assert found.sigma.value == pytest.approx(values.std(ddof=1))
    assert found.ratio.value == pytest.approx(values.mean() / values.std(ddof=1))
    assert (found.sigma.n, found.sigma.n_nan) == (200, 1)

    def ratio(sample: np.ndarray, axis: int) -> np.ndarray:
        return sample.mean(axis=axis) / sample.std(axis=axis, ddof=1)

    def sigma(sample: np.ndarray, axis: int) -> np.ndarray:
        return sample.std(axis=axis, ddof=1)

    for statistic, ours in ((sigma, found.sigma), (ratio, found.ratio)):
        oracle = scipy.stats.bootstrap(
            (values,), statistic, method="percentile", n_resamples=4000, rng=np.random.default_rng(0)
        ).confidence_interval
        assert (ours.lo, ours.hi) == pytest.approx((oracle.low, oracle.high), rel=0.05, abs=0.01)


def test_a_constant_sample_has_no_ratio() -> None:
    found = spread(np.full(5, 2.0), Resampler(100, 0))
    assert found.sigma.value == 0
    assert np.isnan(found.ratio[:3]).all()
