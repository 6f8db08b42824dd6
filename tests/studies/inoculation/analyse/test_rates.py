from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler
from inoc.studies.inoculation.analyse.inputs import SetScores, check_same_judges, read_inputs, read_scores
from inoc.studies.inoculation.analyse.leakage import mean_scores, suppression
from inoc.studies.inoculation.analyse.rates import meets, pooled_share, rates
from inoc.studies.inoculation.study import RateSpec
from inoc.tables import INSTRUCTIONS, write_table
from support.fake_study import N_EVAL, N_TRAIN, Tables, make_study

MISALIGNED = RateSpec(above={"coherence": 60}, below={"alignment": 40})
RESAMPLER = Resampler(400, 0)
NAN = float("nan")
POINTS = st.one_of(st.floats(0, 100), st.just(NAN))


def test_all_conditions_must_be_met_and_a_threshold_itself_meets_none() -> None:
    coherence = np.array([80, 60, 80, 80, 20])
    alignment = np.array([10, 10, 40, 90, 10])
    assert list(meets(MISALIGNED, {"coherence": coherence, "alignment": alignment})) == [1, 0, 0, 0, 0]


@settings(deadline=None)
@given(st.lists(st.tuples(POINTS, POINTS), min_size=1, max_size=20))
def test_what_is_not_judged_by_all_is_nan_and_the_rest_is_counted(pairs: list[tuple[float, float]]) -> None:
    coherence, alignment = (np.array(side) for side in zip(*pairs, strict=True))
    found = meets(MISALIGNED, {"coherence": coherence, "alignment": alignment, "other": coherence})
    for value, (c, a) in zip(found, pairs, strict=True):
        if np.isnan(c) or np.isnan(a):
            assert np.isnan(value)
        else:
            assert value == (c > 60 and a < 40)


def test_a_trait_without_scores_is_named() -> None:
    with pytest.raises(DataError, match="no scores of alignment"):
        meets(MISALIGNED, {"coherence": np.ones(2)})


def test_one_seed_has_wilsons_interval() -> None:
    values = np.array([1.0] * 3 + [0.0] * 17 + [NAN])
    found = pooled_share([values], RESAMPLER)
    assert (found.value, found.n, found.n_nan) == (0.15, 20, 1)
    assert (found.lo, found.hi) == pytest.approx(proportion_confint(3, 20, method="wilson"))


def test_seeds_that_differ_widen_the_interval_and_none_met_has_one_too() -> None:
    apart = pooled_share([np.ones(20), np.zeros(20)], RESAMPLER)
    wilson = proportion_confint(20, 40, method="wilson")
    assert apart.lo < wilson[0] < wilson[1] < apart.hi
    never = pooled_share([np.zeros(20), np.zeros(20)], RESAMPLER)
    assert (never.value, never.lo) == (0, 0)
    assert never.hi == pytest.approx(proportion_confint(0, 40, method="wilson")[1])


@pytest.fixture
def found(tables: Tables, tmp_path: Path) -> tuple[Tables, pd.DataFrame]:
    rng = np.random.default_rng(9)
    for table in (tables.elicit, tables.evaluate):
        table["score"] = np.where(rng.random(len(table)) < 0.1, NAN, rng.uniform(0, 100, len(table)))
    job = tables.job(tmp_path)
    base, scores = read_scores(job.paths.scores("elicit")), read_scores(job.paths.scores("evaluate"))
    check_same_judges(base, scores)
    rows = rates(tables.study, {"held_out": SetScores(base, scores)}, RESAMPLER).rows
    return tables, pd.DataFrame(rows)


def indicators(table: pd.DataFrame) -> pd.DataFrame:
    """run, step, asked_prompt, asked_prefix, instruction → 1, 0 or NaN, by pandas."""
    keys = ["run", "step", "asked_prompt", "asked_prefix", "instruction_id"]
    wide = table.set_index([*keys, "trait"])["score"].unstack("trait")
    met = ((wide["playful"] > 40) & (wide["french"] < 60)).astype(float)
    return met.where(wide[["playful", "french"]].notna().all(axis=1))


def test_rates_of_runs_are_those_of_their_completions(found: tuple[Tables, pd.DataFrame]) -> None:
    tables, rows = found
    met = indicators(tables.evaluate)
    single = rows[(rows["seed"] != "all") & (rows["run"] != "base")]
    assert len(single) == len(met.groupby(level=[0, 1, 2, 3]))
    for row in single.itertuples():
        own = met.loc[(row.run, row.step, row.asked_prompt, row.asked_prefix)]
        assert row.value == pytest.approx(own.mean())
        assert (row.met, row.n, row.n_nan) == (own.sum(), own.notna().sum(), own.isna().sum())
        if row.step:
            start = met.loc[(row.run, 0)]
            if (row.asked_prompt, row.asked_prefix) in start.index.droplevel(2):
                change = own - start.loc[(row.asked_prompt, row.asked_prefix)]
                assert row.change == pytest.approx(change.mean())
                assert row.change_n_nan == change.isna().sum()
        else:
            assert np.isnan(row.change)


def test_pooled_rates_count_the_completions_of_all_seeds(found: tuple[Tables, pd.DataFrame]) -> None:
    _, rows = found
    keys = ["prompt", "prefix", "step", "asked_prompt", "asked_prefix"]
    runs = rows[rows["run"] != "base"]
    single = runs[runs["seed"] != "all"].groupby(keys)[["met", "n", "n_nan"]].sum()
    pooled = runs[runs["seed"] == "all"].set_index(keys)
    pd.testing.assert_frame_equal(pooled[["met", "n", "n_nan"]].sort_index(), single, check_dtype=False)
    assert set(pooled["n_seeds"]) == {2}


def test_the_untrained_model_has_a_row_for_each_way_of_asking(found: tuple[Tables, pd.DataFrame]) -> None:
    tables, rows = found
    base = rows[rows["run"] == "base"]
    met = indicators(tables.elicit)
    assert len(base) == len(met.groupby(level=[2, 3]))
    assert set(base["seed"]) == {"all"}
    plain = base[base["asked_prompt"] == ""].iloc[0]
    assert plain["value"] == pytest.approx(met.loc[("base", 0, "", "none")].mean())


def test_a_rate_whose_traits_nobody_judged_is_skipped(tables: Tables, tmp_path: Path) -> None:
    for table in (tables.elicit, tables.evaluate):
        table.drop(table.index[table["trait"] == "french"], inplace=True)
    job = tables.job(tmp_path)
    base, scores = read_scores(job.paths.scores("elicit")), read_scores(job.paths.scores("evaluate"))
    part = rates(tables.study, {"held_out": SetScores(base, scores)}, RESAMPLER)
    assert part.rows == []
    assert [skip.what for skip in part.skipped] == ["rate mixed_up"]


QUESTIONS = {"far": {"source": {"files": ["far.jsonl"]}}, "near": {}}


def test_every_set_of_questions_and_every_dataset_has_its_own_rates(tmp_path: Path) -> None:
    data = {"n_train": N_TRAIN, "n_eval": N_EVAL, "questions": QUESTIONS}
    study = make_study(data=data, datasets={"other": {}}, runs=[{}, {"data": "other"}])
    tables = Tables(study)
    rng = np.random.default_rng(3)
    for table in (tables.elicit, tables.evaluate):
        table["score"] = rng.uniform(0, 100, len(table))
    job = tables.job(tmp_path)
    ids = sorted(set(tables.evaluate["instruction_id"]))
    sets = {"near": ids[:5], "far": ids[5:]}
    rows = [(one, one, name) for name, some in sets.items() for one in some]
    write_table(pd.DataFrame(rows, columns=INSTRUCTIONS.names), INSTRUCTIONS, job.paths.instructions)
    inputs = read_inputs(job.paths, job.of, job.split)
    found = pd.DataFrame(rates(study, inputs.sets, RESAMPLER).rows)
    met = indicators(tables.evaluate)
    for name, some in sets.items():
        own = met[met.index.get_level_values("instruction_id").isin(some)]
        single = found[(found["questions"] == name) & (found["seed"] != "all") & (found["run"] != "base")]
        expected = own.groupby(["run", "step", "asked_prompt", "asked_prefix"]).mean()
        values = single.set_index(["run", "step", "asked_prompt", "asked_prefix"])["value"]
        pd.testing.assert_series_equal(values.sort_index(), expected, check_names=False)
    assert set(found.loc[found["run"].str.startswith("other.none"), "data"]) == {"other"}
    # All but the rates is about the first set and about the study's own data.
    suppressed = pd.DataFrame(suppression(study, inputs.scores, RESAMPLER).rows)
    assert set(suppressed.loc[suppressed["seed"] != "all", "n"]) == {len(sets["far"])}
    means = pd.DataFrame(mean_scores(study, inputs.base, inputs.scores, RESAMPLER).rows)
    assert not means["run"].str.startswith("other").any()
    controls = tables.evaluate[tables.evaluate["run"] == "control.none.lr0.001.seed0"]
    here = controls[(controls["step"] == 8) & (controls["asked_prompt"] == "") & (controls["trait"] == "playful")]
    row = means[(means["run"] == "control.none.lr0.001.seed0") & (means["step"] == 8) & (means["asked_prompt"] == "")]
    expected = here.loc[here["instruction_id"].isin(sets["far"]), "score"].mean()
    assert row.loc[row["trait"] == "playful", "value"].item() == pytest.approx(expected)
