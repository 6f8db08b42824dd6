from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from inoc.stats.bootstrap import Resampler, spread

NAN = float("nan")


def test_draws_do_not_depend_on_what_was_drawn_before() -> None:
    used = Resampler(100, 3)
    used.simple_weights(8)
    assert (used.simple_weights(15) == Resampler(100, 3).simple_weights(15)).all()


def test_another_seed_draws_otherwise() -> None:
    assert (Resampler(100, 0).simple_weights(15) != Resampler(100, 1).simple_weights(15)).any()


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
