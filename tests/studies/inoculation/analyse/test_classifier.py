"""The classifier's tables, from Gram matrices and outcomes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from inoc.stats.bootstrap import Resampler
from inoc.stats.classify import REPEATS
from inoc.studies.inoculation.analyse.classifier import Classifier, classifier
from inoc.studies.inoculation.analyse.geometry import Gram
from inoc.studies.inoculation.analyse.limits import FEWEST_TO_CLASSIFY
from support.fake_study import make_study

KEY = ["level", "prefix", "trait", "learning_rate", "pca_fit"]


@cache
def classified(n: int = 24, drop: int = 0, noise: float = 5.0) -> Classifier:
    """Suppression of playful follows the first direction of the shifts, that of french nothing."""
    rng = np.random.default_rng(0)
    prompts = [f"p{i:02d}" for i in range(n)]
    strength = rng.normal(0, 3, n)
    w = np.outer(strength, rng.uniform(0.5, 1.5, 30)) + rng.normal(0, 1, (n, 30))
    gram = Gram(prompts, (w @ w.T)[None], w.mean(axis=1), 30, 0)
    outcomes: list[dict[str, Any]] = [
        {
            "prompt": prompt,
            "prefix": "fixed",
            "trait": trait,
            "learning_rate": 1e-3,
            "family": "playful",
            "suppression": 40 + (8 * strength[place] if trait == "playful" else 0) + rng.normal(0, noise),
        }
        for place, prompt in enumerate(prompts[drop:], drop)
        for trait in ("playful", "french")
    ]
    return classifier(make_study(), {("point", "fixed"): gram}, outcomes, Resampler(200, 0))


def test_a_planted_direction_is_found_and_none_where_there_is_none() -> None:
    table = pd.DataFrame(classified().classifier).set_index(["trait", "pca_fit"])
    assert table.loc[("playful", "inside"), "auc_lo"] > 0.6
    assert table.loc[("playful", "inside"), "r2_out"] > 0.5
    assert table.loc[("french", "inside"), "auc_lo"] < 0.5 < table.loc[("french", "inside"), "auc_hi"]
    assert abs(table.loc[("playful", "inside"), "logistic_pc1"]) > 1
    assert (table["n_train"] + table["n_eval"] == table["n"]).all()
    assert (table.loc[("playful", "inside"), "repeats"], table.loc[("playful", "all"), "repeats"]) == (REPEATS, 1)
    assert np.isnan(table.loc[("playful", "all"), "auc_sd"])


def test_tables_hang_together() -> None:
    found = classified()
    tables, predictions, roc = (pd.DataFrame(rows) for rows in (found.classifier, found.predictions, found.roc))
    assert not predictions.duplicated([*KEY, "prompt"]).any()
    inside = predictions[(predictions["pca_fit"] == "inside") & (predictions["trait"] == "playful")]
    assert inside["n"].sum() == REPEATS * 12
    assert (inside["probability_lo"] <= inside["probability"]).all()
    once = predictions[(predictions["pca_fit"] == "all") & (predictions["trait"] == "playful")]
    assert once["n"].sum() == 12
    assert once.loc[once["n"] == 0, "probability"].isna().all()
    assert len(roc) == len(tables) * roc["false_rate"].nunique()
    assert (roc.groupby(KEY)["true_rate"].last() == 1).all()


def test_prompts_without_suppression_are_counted() -> None:
    table = pd.DataFrame(classified(drop=3).classifier)
    assert set(zip(table["n"], table["n_nan"], strict=True)) == {(21, 3)}


def test_too_few_prompts_are_skipped_with_the_reason() -> None:
    found = classified(FEWEST_TO_CLASSIFY - 1)
    assert found.classifier == []
    assert {skip.why for skip in found.skipped} == {
        f"it needs {FEWEST_TO_CLASSIFY} prompts with shifts and suppression; there are {FEWEST_TO_CLASSIFY - 1}"
    }


def test_a_suppression_that_never_varies_is_nan() -> None:
    found = classified(noise=0.0)
    table = pd.DataFrame(found.classifier).set_index(["trait", "pca_fit"])
    assert table.loc["french", ["auc", "accuracy", "r2_out"]].isna().all(axis=None)
    assert table.loc[("french", "inside"), "n_undefined"] == REPEATS


def test_the_same_seed_gives_the_same_rows() -> None:
    again = classified.__wrapped__()
    assert pd.DataFrame(classified().classifier).equals(pd.DataFrame(again.classifier))


@pytest.mark.parametrize("column", ["auc", "accuracy", "r2_out"])
def test_intervals_hold_their_value(column: str) -> None:
    table = pd.DataFrame(classified().classifier)
    assert (table[f"{column}_lo"] <= table[column]).all()
    assert (table[column] <= table[f"{column}_hi"]).all()
