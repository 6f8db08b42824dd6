"""Rows that a precision needs, and the coverage of intervals after scoring has stopped there."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.score.step import BLOCK
from inoc.studies.likelihood_shift.analyse.contrasts import contrast_rows
from inoc.studies.likelihood_shift.analyse.rows import Scan
from inoc.studies.likelihood_shift.inputs import Column
from inoc.studies.likelihood_shift.plans import enough
from inoc.studies.likelihood_shift.precision import FIRST_BLOCKS, Z, half_width, rows_for

PROMPTS = ["own", "near", "far", "wide"]


def population(n: int, rng: np.random.Generator) -> np.ndarray:
    """Mean log-probabilities under four prompts, whose differences are skewed and differ in spread."""
    shared = rng.normal(-1.2, 0.3, n)
    skewed = rng.exponential(1, (len(PROMPTS), n)) - 1
    return shared + np.array([[0.02], [0.018], [0.0], [-0.01]]) + np.array([[0.03], [0.02], [0.04], [0.07]]) * skewed


def stopped(means: np.ndarray, precision: float, n_rows: int) -> int:
    """Rows that are scored, block by block."""
    n = BLOCK
    while n < means.shape[1] and not enough([0], [n_rows], precision, 0, np.vstack([means[:1], means])[:, :n]):
        n = min(n + BLOCK, means.shape[1])
    return n


def contrasts(means: np.ndarray, n_rows: int) -> list[dict[str, object]]:
    n = means.shape[1]
    base, tokens = np.full(n, -1.0), np.full(n, 40)
    column = Column("data", [str(k) for k in range(n)], PROMPTS, means, base, tokens, {}, n_rows, np.arange(n))
    return contrast_rows(column, Scan(PROMPTS, [], {"data": "own"}, 0.95, 200, 0), None, np.empty(0))


@cache
def coverage() -> dict[str, float]:
    """Share of intervals that hold the value, and of scans that end before all rows, over 1,200 scans of 4,000 rows.

    The dataset is drawn anew from the population each time, and its rows in a random order.
    """
    rng = np.random.default_rng(5)
    truth = np.array([0.002, 0.02, 0.03])
    of_dataset, of_population, uncorrected, used = [], [], [], []
    for _ in range(1_200):
        means = population(4_000, rng)
        n = stopped(means, 0.004, 4_000)
        used.append(n)
        whole = means[0].mean() - means[1:].mean(axis=1)
        for row, at, beyond in zip(contrasts(means[:, :n], 4_000), whole, truth, strict=True):
            lo, hi, dataset_lo, dataset_hi = (float(str(row[k])) for k in ("lo", "hi", "dataset_lo", "dataset_hi"))
            of_dataset.append(dataset_lo <= at <= dataset_hi)
            uncorrected.append(lo <= at <= hi)
            of_population.append(lo <= beyond <= hi)
    assert max(used) < 4_000
    return {
        "dataset": float(np.mean(of_dataset)),
        "population": float(np.mean(of_population)),
        "uncorrected": float(np.mean(uncorrected)),
    }


def test_intervals_hold_the_value_of_all_rows_in_95_percent_after_scoring_has_stopped() -> None:
    assert 0.93 <= coverage()["dataset"] <= 0.97


def test_intervals_about_the_population_hold_its_value_in_95_percent_after_scoring_has_stopped() -> None:
    assert 0.93 <= coverage()["population"] <= 0.97


def test_without_the_correction_intervals_about_all_rows_are_too_wide() -> None:
    assert coverage()["uncorrected"] > 0.97


def test_the_interval_about_all_rows_is_a_point_once_all_are_scored() -> None:
    means = population(600, np.random.default_rng(0))
    for row in contrasts(means, 600):
        assert row["dataset_lo"] == row["value"] == row["dataset_hi"]
    assert half_width(means, 0, 600) == 0
    assert half_width(means, 0) > 0


def test_rows_that_failed_are_no_part_of_what_is_left() -> None:
    means = population(600, np.random.default_rng(0))
    means[1, :50] = np.nan
    assert half_width(means, 0, 600) == 0
    assert half_width(means, 0, 1200) == pytest.approx(half_width(means, 0) * 0.5**0.5)


@given(st.integers(1, 200_000), st.floats(1e-4, 0.1), st.floats(0.01, 0.3))
def test_a_plan_counts_the_blocks_that_a_precision_needs(n_rows: int, precision: float, spread: float) -> None:
    fewest = FIRST_BLOCKS * BLOCK
    n = rows_for(precision, spread, n_rows, BLOCK, fewest)

    def reached(rows: int) -> bool:
        return Z * spread * (max(0.0, 1 / rows - 1 / n_rows)) ** 0.5 <= precision * (1 + 1e-9)

    assert n == n_rows or (n % BLOCK == 0 and n < n_rows)
    assert n == n_rows or reached(n)
    assert n <= fewest or not reached(n - BLOCK if n % BLOCK == 0 else n - n % BLOCK - BLOCK) or n == n_rows


def test_the_published_scan_needs_a_fifth_of_its_rows() -> None:
    assert rows_for(0.002, 0.08, 27_000, BLOCK, 512) == 5_120  # 6,147 rows if the 27,000 were endless
    assert rows_for(None, 0.08, 27_000, BLOCK, 512) == 27_000
    assert rows_for(0.002, 0.08, 300, BLOCK, 512) == 300
