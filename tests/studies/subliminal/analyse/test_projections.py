from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from inoc.studies.subliminal.analyse.agreement import AGREEMENT, agreement_rows
from inoc.studies.subliminal.analyse.projections import (
    PROJECTION_DISTANCES,
    PROJECTIONS,
    Projected,
    differences,
    distance_rows,
    projection_rows,
)

NAN = float("nan")


def projected(dataset: str, values: list[float] | np.ndarray, ids: list[str] | None = None) -> Projected:
    array = np.asarray(values, dtype=np.float64)
    names = ids or [f"row{k:03d}" for k in range(array.size)]
    return Projected(dataset, "owls", "response_mean", "resid_post.2", "raw", names, array)


def test_rows_are_paired_by_prompt_and_the_rest_is_counted() -> None:
    own = projected("owl", [1.0, 2.0, 3.0, 4.0], ["a", "b", "c", "d"])
    neutral = projected("neutral", [10.0, NAN, 30.0], ["c", "a", "x"])
    found = differences(own, neutral)
    assert found.ids == ["a", "c"]
    assert found.values[1] == -7
    assert found.n_unpaired == 2
    rows = pd.DataFrame(projection_rows({"owl": own, "neutral": neutral}, "neutral", 0.95), columns=PROJECTIONS.names)
    assert rows[["dataset", "reference"]].to_numpy().tolist() == [["owl", ""], ["owl", "neutral"], ["neutral", ""]]
    assert rows.loc[1, ["n_pairs", "n_unpaired", "n_nan"]].tolist() == [1, 2, 1]
    assert rows.loc[[0, 2], "d"].isna().all()


def test_an_effect_is_that_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal(300)
    own, neutral = projected("owl", base + 0.2 + rng.standard_normal(300)), projected("neutral", base)
    row = projection_rows({"owl": own, "neutral": neutral}, "neutral", 0.95)[1]
    t = stats.ttest_rel(own.values, neutral.values)
    assert row["d"] == pytest.approx(t.statistic / 300**0.5)
    assert (row["mean_lo"], row["mean_hi"]) == pytest.approx(tuple(t.confidence_interval()))
    assert row["positive"] == np.mean(own.values > neutral.values)


def test_a_dataset_that_is_its_own_reference_is_not_compared_and_none_is_needed() -> None:
    own = projected("neutral", [1.0, 2.0])
    assert len(projection_rows({"neutral": own}, "neutral", 0.95)) == 1
    assert len(projection_rows({"neutral": own}, "", 0.95)) == 1


def test_distances_are_unpaired_and_symmetric_but_for_the_sign() -> None:
    rng = np.random.default_rng(1)
    a, b = projected("owl", rng.normal(1, 1, 400)), projected("cat", rng.normal(0, 1, 350))
    forth = pd.DataFrame(distance_rows({"owl": a, "cat": b}, 0, 50, 0.95), columns=PROJECTION_DISTANCES.names).iloc[0]
    back = pd.DataFrame(distance_rows({"cat": b, "owl": a}, 0, 50, 0.95)).iloc[0]
    assert forth["jsd_bits"] == pytest.approx(back["jsd_bits"])
    assert forth["mean_difference"] == -back["mean_difference"] == pytest.approx(a.values.mean() - b.values.mean())
    assert forth["jsd_lo"] <= forth["jsd_corrected"] <= forth["jsd_hi"]
    assert (forth["n_a"], forth["n_b"], forth["n_nan"]) == (400, 350, 0)


def agreement(values: np.ndarray, lls: np.ndarray) -> pd.DataFrame:
    own = projected("owl", values)
    shifts = {"owl": dict(zip(own.ids, lls.tolist(), strict=True))}
    rows = agreement_rows({"owl": own}, shifts, {"owl": "owl"}, "", 0.95)
    return pd.DataFrame(rows, columns=AGREEMENT.names).set_index("statistic")


def test_agreement_is_that_of_scipy_on_the_rows_with_both() -> None:
    rng = np.random.default_rng(2)
    values = rng.standard_normal(201)
    lls = 0.5 * values + rng.standard_normal(201)
    lls[:3] = NAN
    found = agreement(values, lls)
    assert found.loc["pearson", "value"] == pytest.approx(stats.pearsonr(values[3:], lls[3:]).statistic)
    assert found.loc["spearman", "value"] == pytest.approx(stats.spearmanr(values[3:], lls[3:]).statistic)
    assert found.loc["same_half", "value"] > 0.55
    assert (found["n"] == 198).all()
    assert (found["n_nan"] == 3).all()
    assert (found["under"] == "owl").all()


def test_agreement_is_also_told_for_differences_from_the_neutral_row() -> None:
    own, neutral = projected("owl", np.arange(9.0)), projected("neutral", np.arange(9.0)[::-1])
    shifts = {"owl": dict(zip(own.ids, np.arange(9.0).tolist(), strict=True))}
    rows = agreement_rows({"owl": own, "neutral": neutral}, shifts, {"owl": "owl"}, "neutral", 0.95)
    assert [row["reference"] for row in rows] == [""] * 3 + ["neutral"] * 3
    assert not [row for row in rows if row["dataset"] == "neutral"]


def test_rows_that_have_nothing_in_common_agree_at_the_stated_rate() -> None:
    """Simulated null: independent projections and shifts of 60 rows."""
    rng = np.random.default_rng(3)
    p = np.array([agreement(rng.standard_normal(60), rng.standard_normal(60))["p"].to_numpy() for _ in range(600)])
    pearson, spearman, halves = (p < 0.05).mean(axis=0)
    assert 0.03 <= pearson <= 0.07
    assert 0.03 <= spearman <= 0.07
    assert halves <= 0.06  # an exact test of few counts
