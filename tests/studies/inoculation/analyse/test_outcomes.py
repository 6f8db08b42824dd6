"""What panels draw: values of heuristics, and the outcomes they are to tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from inoc.stats.bootstrap import Resampler
from inoc.studies.inoculation.analyse.inputs import read_scores
from inoc.studies.inoculation.analyse.leakage import suppression
from inoc.studies.inoculation.analyse.outcomes import heuristic_rows, other_trait, outcome_rows
from support.fake_study import Tables, make_study

RESAMPLER = Resampler(100, 0)


def outcomes(tables: Tables, folder: Path) -> pd.DataFrame:
    job = tables.job(folder)
    scores = read_scores(job.paths.scores("evaluate"))
    rows = suppression(tables.study, scores, RESAMPLER).rows
    return pd.DataFrame(outcome_rows(tables.study, scores, rows, RESAMPLER))


def test_an_outcome_has_the_other_traits_suppression_and_the_gap(tables: Tables, tmp_path: Path) -> None:
    found = outcomes(tables, tmp_path).set_index(["prompt", "prefix", "trait"])
    fixed, mix = found.loc[("clown", "fixed", "playful")], found.loc[("clown", "mix", "playful")]
    assert fixed["cross"] == found.loc[("clown", "fixed", "french"), "suppression"]
    assert fixed["gap"] == pytest.approx(fixed["suppression"] - mix["suppression"])
    assert fixed["gap"] == mix["gap"]
    assert fixed["own"]
    assert not found.loc[("clown", "fixed", "french"), "own"]
    assert found.loc[("sky", "fixed", "french"), "own"]


def test_the_gap_is_paired_so_that_the_control_cancels(tmp_path: Path) -> None:
    tables = Tables(make_study(training={"steps": 8, "seeds": [0], "checkpoints": [0, 8], "learning_rate": 1e-3}))
    rows = tables.evaluate
    control = (rows["prompt"] == "") & (rows["run"] != "base")
    rows.loc[control, "score"] += np.random.default_rng(0).normal(0, 15, int(control.sum()))
    found = outcomes(tables, tmp_path).set_index(["prompt", "prefix", "trait"]).loc[("clown", "fixed", "playful")]
    last = rows[(rows["step"] == 8) & (rows["trait"] == "playful") & (rows["asked_prompt"] == "")]
    score = last.set_index(["prompt", "prefix", "instruction_id"])["score"].sort_index()
    oracle = stats.ttest_rel(score["clown", "mix"], score["clown", "fixed"])
    interval = oracle.confidence_interval(0.95)
    assert (found["gap_lo"], found["gap_hi"]) == pytest.approx((interval.low, interval.high))
    assert found["gap_hi"] - found["gap_lo"] < 0.5 * (found["hi"] - found["lo"])


def test_a_missing_score_is_counted_in_the_gap(tables: Tables, tmp_path: Path) -> None:
    rows = tables.evaluate
    lost = (rows["prompt"] == "clown") & (rows["prefix"] == "mix") & (rows["instruction_id"] == "i03")
    rows.loc[lost, "score"] = np.nan
    found = outcomes(tables, tmp_path).set_index(["prompt", "prefix", "trait"]).loc[("clown", "fixed", "playful")]
    assert (found["gap_n"], found["gap_n_nan"]) == (22, 2)
    assert np.isfinite(found["gap"])


def test_without_a_mix_there_is_no_gap(tmp_path: Path) -> None:
    tables = Tables(make_study(runs=[{"prefixes": ["fixed"]}]))
    found = outcomes(tables, tmp_path)
    assert found[["gap", "gap_lo", "gap_hi"]].isna().all(axis=None)
    assert (found["gap_n"] == 0).all()


def test_the_other_trait_is_the_only_one_of_the_other_role() -> None:
    study = make_study()
    assert (other_trait(study, "playful"), other_trait(study, "french")) == ("french", "playful")
    german = study.traits["french"].model_copy(update={"role": "unwanted"})
    three = study.model_copy(update={"traits": {**study.traits, "german": german}})
    assert (other_trait(three, "playful"), other_trait(three, "french")) == ("french", "")


def test_values_are_long_and_leave_out_what_no_prompt_has() -> None:
    key = {"experiment": "toy", "trait": "playful", "role": "negative", "prefix": "fixed"}
    shown = pd.DataFrame(
        [
            {**key, "prompt": "clown", "family": "playful", "H1": 3.0, "H2": np.nan, "H4": np.nan},
            {**key, "prompt": "paris", "family": "french", "H1": np.nan, "H2": np.nan, "H4": 1.0},
        ]
    )
    found = pd.DataFrame(heuristic_rows(shown))
    assert list(found["heuristic"]) == ["H1", "H4", "H1", "H4"]
    assert list(found["own"]) == [True, True, False, False]
    assert list(found["value"].isna()) == [False, True, True, False]
