"""Simulated scans without and with an effect of the own prompt."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.studies.likelihood_shift.analyse.columns import column_rows
from inoc.studies.likelihood_shift.analyse.contrasts import contrast_rows, with_q
from inoc.studies.likelihood_shift.analyse.own import excess
from support.scans import cells_and_contrasts, columns, scan

SCANS = 200


def simulated(rng: np.random.Generator, prompts: float, pairs: float, own: float, n_rows: int = 120) -> pd.DataFrame:
    """Rows of `columns` of one scan of 8 candidates.

    Args:
        rng: Source of all draws.
        prompts: SD of the prompts' effects, which are the same on every dataset.
        pairs: SD of what each prompt does to each dataset.
        own: Effect of the own prompt on its dataset.
        n_rows: Rows of each of six datasets.
    """
    n_datasets = 6
    of = scan(8, n_datasets)
    means = rng.normal(0, prompts, (8, 1)) + rng.normal(0, 0.1, (1, n_datasets)) + rng.normal(0, pairs, (8, n_datasets))
    means[range(n_datasets), range(n_datasets)] += own
    cells, contrasts = cells_and_contrasts(of, columns(of, means, n_rows, rng))
    return pd.DataFrame(column_rows(of, cells, contrasts))  # type: ignore[arg-type]


@pytest.mark.parametrize(("prompts", "pairs"), [(0.0, 0.0), (0.05, 0.0), (0.05, 0.02)])
def test_datasets_under_no_prompt_pass_the_own_prompt_test_in_3_to_7_percent(prompts: float, pairs: float) -> None:
    rng = np.random.default_rng(11)
    tables = pd.concat([simulated(rng, prompts, pairs, own=0) for _ in range(SCANS)])
    for statistic in ("mean", "top20"):
        one = tables[(tables["statistic"] == statistic) & (tables["dataset"] != "all")]
        assert 0.03 <= (one["p_own"] < 0.05).mean() <= 0.07
        assert 0.93 <= ((one["excess_lo"] <= 0) & (one["excess_hi"] >= 0)).mean() <= 0.97


def test_a_contrast_of_equal_prompts_is_significant_in_3_to_7_percent() -> None:
    rng = np.random.default_rng(12)
    tables = pd.concat([simulated(rng, 0, 0, own=0, n_rows=300) for _ in range(SCANS)])
    for statistic in ("mean", "top20", "top5"):
        one = tables[(tables["statistic"] == statistic) & (tables["dataset"] != "all")]
        assert 0.03 <= (one["p"] < 0.05).mean() <= 0.07, statistic


def test_tests_of_small_tails_are_not_significant_too_often_with_few_rows() -> None:
    rng = np.random.default_rng(16)
    tables = pd.concat([simulated(rng, 0, 0, own=0, n_rows=120) for _ in range(SCANS)])
    for statistic, least in (("top20", 0.03), ("top5", 0.01)):
        one = tables[(tables["statistic"] == statistic) & (tables["dataset"] != "all")]
        assert least <= (one["p"] < 0.05).mean() <= 0.06, statistic


def test_the_summary_over_datasets_holds_its_level() -> None:
    rng = np.random.default_rng(13)
    tables = pd.concat([simulated(rng, 0.05, 0.02, own=0.01) for _ in range(SCANS)])
    every = tables[(tables["dataset"] == "all") & (tables["statistic"] == "mean")]
    assert 0.9 <= ((every["excess_lo"] <= 0.01) & (every["excess_hi"] >= 0.01)).mean() <= 0.99


def test_an_effect_of_the_own_prompt_is_found_among_larger_effects_of_prompts() -> None:
    rng = np.random.default_rng(14)
    tables = pd.concat([simulated(rng, 0.05, 0.005, own=0.04) for _ in range(20)])
    one = tables[(tables["statistic"] == "mean") & (tables["dataset"] != "all")]
    assert (one["q_own"] < 0.05).mean() > 0.95
    assert one["excess"].mean() == pytest.approx(0.04, abs=0.004)


def test_contrasts_intervals_hold_and_their_rates_of_false_discovery_are_kept() -> None:
    rng = np.random.default_rng(15)
    of = scan(8, 4)
    held, false, found = [], [], []
    for _ in range(SCANS):
        means = np.zeros((8, 4))
        means[4:] = 0.02  # four of eight prompts equal the own ones, four differ
        made = columns(of, means, 120, rng)
        rows = with_q([row for one in made for row in contrast_rows(one, of, None, np.empty(0))], "controlled")
        table = pd.DataFrame(rows)
        truth = np.where(table["against"].isin(["p4", "p5", "p6", "p7"]), -0.02, 0)
        held.append(((table["lo"] <= truth) & (table["hi"] >= truth)).mean())
        is_found = table["q"] < 0.05
        false.append((is_found & (truth == 0)).sum() / max(is_found.sum(), 1))
        found.append(is_found[truth != 0].mean())
    assert 0.93 <= np.mean(held) <= 0.97
    assert np.mean(false) <= 0.05
    assert np.mean(found) > 0.7


def test_an_excess_needs_other_candidates_to_be_told_from() -> None:
    block = np.array([[3.0], [1.0], [2.0]])
    found = excess(block, [0], 0, 0.95)
    assert found.value == 1.5
    assert np.isnan([found.lo, found.p]).all()
    assert np.isnan(excess(np.array([[np.nan], [1.0], [2.0], [1.0], [0.0]]), [0], 0, 0.95).value)


def test_effects_of_prompts_on_all_datasets_leave_no_excess() -> None:
    rng = np.random.default_rng(0)
    effects = rng.normal(size=(6, 1)) * 10
    block = effects + rng.normal(size=(1, 5)) + 1e-3 * rng.normal(size=(6, 5))
    assert all(abs(excess(block, [0, 1, 2, 3, 4], column, 0.95).value) < 0.01 for column in range(5))
