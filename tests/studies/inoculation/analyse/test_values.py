"""Every table against a slow computation from the rows that the earlier stages left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from inoc.jobs.job import Job
from inoc.tables import read_table
from support.fake_study import MIX_SHARE, STRENGTH, Tables, make_study
from support.jobs import run_job


@pytest.fixture(scope="module")
def tables() -> Tables:
    """The default study, with a few scores and one response missing."""
    tables = Tables(make_study())
    rng = np.random.default_rng(9)
    for frame in (tables.elicit, tables.evaluate):
        frame.loc[rng.choice(len(frame), len(frame) // 50, replace=False), "score"] = np.nan
    tables.logprobs.loc[tables.logprobs["example_id"].isin(["train007", "neutral002"]), "mean"] = np.nan
    return tables


@pytest.fixture(scope="module")
def job(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = tables.job(tmp_path_factory.mktemp("results"))
    run_job(job)
    return job


NAN = float("nan")


def scores_of(rows: pd.DataFrame, **where: object) -> pd.Series:
    for column, value in where.items():
        rows = rows[rows[column] == value]
    assert rows["instruction_id"].is_unique
    return rows.sort_values("instruction_id").set_index("instruction_id")["score"]


def t_interval(values: pd.Series) -> tuple[float, float, float]:
    known = values.dropna()
    lo, hi = scipy.stats.t.interval(0.95, len(known) - 1, known.mean(), known.sem())
    return known.mean(), lo, hi


def score_interval(values: pd.Series) -> tuple[float, float, float]:
    """Of scores, which are between 0 and 100."""
    mean, lo, hi = t_interval(values)
    return mean, max(lo, 0.0), min(hi, 100.0)


def evaluated(tables: Tables, prompt: str, prefix: str, seed: int, step: int, trait: str, asked: str = "") -> pd.Series:
    where = {"prompt": prompt, "prefix": prefix, "seed": seed, "step": step, "trait": trait, "asked_prompt": asked}
    rows = tables.evaluate
    return scores_of(rows[rows["asked_prefix"].isin([prefix, "none"]) | (prefix == "none")], **where)


def test_elicitation_is_the_paired_difference_from_the_untrained_model(tables: Tables, job: Job) -> None:
    table = read_table(job.paths.table("elicitation"))
    assert len(table) == 2 * (1 + len(STRENGTH))
    for row in table.itertuples():
        without = scores_of(tables.elicit, trait=row.trait, asked_prompt="")
        if not row.prompt:
            assert (row.value, row.lo, row.hi) == pytest.approx(score_interval(without))
            assert np.isnan(row.with_prefix)
            continue
        with_prefix = scores_of(tables.elicit, trait=row.trait, asked_prompt=row.prompt)
        assert (row.value, row.lo, row.hi) == pytest.approx(t_interval(with_prefix - without))
        assert (row.with_prefix, row.with_prefix_lo, row.with_prefix_hi) == pytest.approx(score_interval(with_prefix))
        assert (row.without, row.without_lo, row.without_hi) == pytest.approx(score_interval(without))
        assert row.n_nan == (with_prefix - without).isna().sum()


def test_scores_of_a_seed_are_means_with_t_intervals(tables: Tables, job: Job) -> None:
    table = read_table(job.paths.table("scores"))
    own = table[(table["seed"] != "all")]
    assert len(own) == len(tables.evaluate) / 12
    for row in own.sample(60, random_state=0).itertuples():
        rows = tables.evaluate.query("run == @row.run and asked_prefix == @row.asked_prefix and step == @row.step")
        values = scores_of(rows, asked_prompt=row.asked_prompt, trait=row.trait)
        assert (row.value, row.lo, row.hi) == pytest.approx(score_interval(values))
        assert (row.n, row.n_nan) == (values.notna().sum(), values.isna().sum())


def test_pooled_scores_are_means_of_all_seeds(tables: Tables, job: Job) -> None:
    table = read_table(job.paths.table("scores"))
    for row in table[(table["seed"] == "all") & (table["run"] != "base")].sample(40, random_state=0).itertuples():
        rows = tables.evaluate[tables.evaluate["run"].str.startswith(f"{row.run}.")]
        rows = rows.query("step == @row.step and asked_prompt == @row.asked_prompt and trait == @row.trait")
        rows = rows.query("asked_prefix == @row.asked_prefix")
        assert row.value == pytest.approx(rows["score"].mean())
        assert row.lo < row.value < row.hi
        assert (row.n, row.n_nan, row.n_seeds) == (rows["score"].notna().sum(), rows["score"].isna().sum(), 2)


def test_suppression_is_control_less_run_over_the_same_instructions(tables: Tables, job: Job) -> None:
    table = read_table(job.paths.table("suppression"))
    assert len(table) == len(STRENGTH) * 2 * 2 * 3 * 3
    for row in table.sample(80, random_state=0).itertuples():
        seeds = [0, 1] if row.seed == "all" else [int(row.seed)]
        control, ours = (
            pd.concat([evaluated(tables, *who, seed, row.step, row.trait) for seed in seeds], keys=seeds)
            for who in (("", "none"), (row.prompt, row.prefix))
        )
        difference = control - ours
        known = difference.notna()
        assert row.suppression == pytest.approx(difference.mean())
        assert (row.control, row.run) == pytest.approx((control[known].mean(), ours[known].mean()))
        assert row.control - row.run == pytest.approx(row.suppression)
        assert (row.n, row.n_nan) == (known.sum(), (~known).sum())
        if row.seed != "all":
            assert (row.suppression, row.lo, row.hi) == pytest.approx(t_interval(difference))


def test_planted_suppression_is_found(job: Job) -> None:
    table = read_table(job.paths.table("suppression")).query("step == 8 and seed == 'all' and trait == 'playful'")
    for row in table.itertuples():
        planted = STRENGTH[row.prompt] * (1 if row.prefix == "fixed" else MIX_SHARE)
        assert row.suppression == pytest.approx(planted, abs=3)


def test_with_one_seed_the_pooled_row_equals_the_seeds_own(tmp_path: Path) -> None:
    training = {"steps": 8, "seeds": [5], "checkpoints": [0, 8]}
    job = Tables(make_study(training=training)).job(tmp_path)
    run_job(job)
    for name, values in (("suppression", ["suppression", "lo", "hi"]), ("gate", ["interaction", "lo", "hi"])):
        table = read_table(job.paths.table(name))
        own, pooled = (table[table["seed"] == seed][values].to_numpy() for seed in ("5", "all"))
        assert len(own)
        assert (own == pooled).all()


def test_gate_has_four_means_and_their_paired_interaction(tables: Tables, job: Job) -> None:
    table = read_table(job.paths.table("gate"))
    assert len(table) == len(STRENGTH) * 2 * 2 * 3
    for row in table[table["seed"] != "all"].itertuples():
        prompt = row.prompt
        rows = tables.evaluate[tables.evaluate["asked_prefix"].isin(["none", row.prefix])]
        asked = {"seed": int(row.seed), "step": 8, "trait": row.trait}
        cells = {
            "without_without": scores_of(rows, prompt="", asked_prompt="", **asked),
            "without_with": scores_of(rows, prompt="", asked_prompt=prompt, **asked),
            "with_without": scores_of(rows, prompt=prompt, prefix=row.prefix, asked_prompt="", **asked),
            "with_with": scores_of(rows, prompt=prompt, prefix=row.prefix, asked_prompt=prompt, **asked),
        }
        for name, values in cells.items():
            assert [getattr(row, name + end) for end in ("", "_lo", "_hi")] == pytest.approx(score_interval(values))
        opened = cells["with_with"] - cells["with_without"]
        interaction = opened - (cells["without_with"] - cells["without_without"])
        assert (row.interaction, row.lo, row.hi) == pytest.approx(t_interval(interaction))
        assert row.n_nan == interaction.isna().sum()


def shift(tables: Tables, prompt: str, prefix: str, dataset: str) -> pd.Series:
    rows = tables.logprobs[tables.logprobs["dataset"] == dataset].set_index("example_id").sort_index()
    with_prefix = rows[(rows["prompt"] == prompt) & (rows["prefix"] == prefix)]["mean"]
    return with_prefix - rows[rows["prompt"] == ""]["mean"]


@pytest.mark.parametrize("prefix", ["fixed", "mix"])
@pytest.mark.parametrize("prompt", ["clown", "sky", "paris"])
def test_predictors_are_what_their_names_say(tables: Tables, job: Job, prompt: str, prefix: str) -> None:
    table = read_table(job.paths.table("predictors"))
    own = table[(table["prompt"] == prompt) & (table["prefix"] == prefix)].set_index(["predictor", "trait"])
    train, neutral, french = (shift(tables, prompt, prefix, name) for name in ("train", "neutral", "french"))
    means = {
        ("ph", "all"): train,
        ("mald", "all"): train.abs(),
        ("ppd", "all"): neutral.abs(),
        ("cross_ph", "french"): french,
        ("cross_ppd", "french"): french.abs(),
    }
    for key, values in means.items():
        assert list(own.loc[key, ["value", "lo", "hi"]]) == pytest.approx(t_interval(values))
        assert list(own.loc[key, ["n", "n_nan"]]) == [values.notna().sum(), values.isna().sum()]
    known = train.dropna()
    above = int((known > 0).sum())
    wilson = proportion_confint(above, len(known), method="wilson")
    assert list(own.loc[("gamma", "all"), ["value", "lo", "hi"]]) == pytest.approx([above / len(known), *wilson])
    assert own.loc[("sigma", "all"), "value"] == pytest.approx(known.std(ddof=1))
    assert own.loc[("snr", "all"), "value"] == pytest.approx(known.mean() / known.std(ddof=1))
    gap = own.loc[("ph_minus_ppd", "all"), "value"]
    assert gap == pytest.approx(train.mean() - neutral.abs().mean())
    assert own.loc[("ph_minus_ppd", "french"), "value"] == pytest.approx(train.mean() - french.abs().mean())
    intervals = own.loc[[("sigma", "all"), ("snr", "all"), ("ph_minus_ppd", "all")]]
    assert (intervals["lo"] < intervals["value"]).all()
    assert (intervals["value"] < intervals["hi"]).all()


def test_elicitation_of_the_mix_is_borrowed_and_says_so(job: Job) -> None:
    table = read_table(job.paths.table("predictors")).query("predictor == 'elicitation'")
    fixed, mix = (table[table["prefix"] == prefix].reset_index(drop=True) for prefix in ("fixed", "mix"))
    assert set(fixed["source"]) == {"own"}
    assert set(mix["source"]) == {"fixed"}
    assert (fixed["value"] == mix["value"]).all()


def test_elicitation_of_the_mix_is_its_own_if_it_was_asked_for(tmp_path: Path) -> None:
    study = make_study(elicitation={"prefixes": ["fixed", "mix"]})
    job = Tables(study).job(tmp_path)
    run_job(job)
    table = read_table(job.paths.table("predictors")).query("predictor == 'elicitation'")
    assert set(table["source"]) == {"own"}
    values = table.pivot_table(index=["prompt", "trait"], columns="prefix", values="value")
    assert (values["fixed"] != values["mix"]).all()


@pytest.mark.parametrize("prefix", ["fixed", "mix"])
def test_components_are_those_of_complete_examples_turned_along_ph(tables: Tables, job: Job, prefix: str) -> None:
    matrix = np.stack([shift(tables, prompt, prefix, "train").dropna() for prompt in STRENGTH])
    oracle = PCA(svd_solver="full").fit(matrix)
    own = "prefix == @prefix and level == 'point' and method == 'pca'"
    shares = read_table(job.paths.table("components")).query(own)
    assert list(shares["share"]) == pytest.approx(oracle.explained_variance_ratio_[:6])
    assert (shares["n_prompts"] == 7).all()
    assert (shares["n"] == 29).all()
    assert (shares["n_nan"] == 1).all()
    table = read_table(job.paths.table("coordinates")).query(own)
    found = table.pivot_table(index="prompt", columns="component", values="value").loc[list(STRENGTH)].to_numpy()
    assert np.allclose(np.abs(found), np.abs(oracle.transform(matrix)[:, :6]))
    ph = matrix.mean(axis=1)
    assert all(np.corrcoef(column, ph)[0, 1] >= -1e-9 for column in found.T)
    predictors = read_table(job.paths.table("predictors")).query("prefix == @prefix and predictor == 'pc2'")
    assert list(predictors.set_index("prompt").loc[list(STRENGTH), "value"]) == list(found[:, 1])


def outcome_and(job: Job, predictor: str, trait: str, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    suppressed = read_table(job.paths.table("suppression")).set_index("prompt")
    suppressed = suppressed.query("seed == 'all' and step == 8 and trait == 'playful' and prefix == @prefix")
    values = read_table(job.paths.table("predictors")).set_index("prompt")
    values = values.query("predictor == @predictor and trait == @trait and prefix == @prefix")
    own = [prompt for prompt in STRENGTH if prompt != "paris"]
    return values.loc[own, "value"].to_numpy(), suppressed.loc[own, "suppression"].to_numpy()


@pytest.mark.parametrize("prefix", ["fixed", "mix"])
@pytest.mark.parametrize(("predictor", "trait"), [("ph", "all"), ("snr", "all"), ("cross_ppd", "french")])
def test_prediction_is_in_and_out_of_sample(job: Job, predictor: str, trait: str, prefix: str) -> None:
    x, y = outcome_and(job, predictor, trait, prefix)
    table = read_table(job.paths.table("prediction"))
    row = table.query(
        "trait == 'playful' and predictor == @predictor and predictor_trait == @trait and prefix == @prefix"
    ).iloc[0]
    r, rho = scipy.stats.pearsonr(x, y), scipy.stats.spearmanr(x, y)
    assert (row["r"], row["p"], row["rho"]) == pytest.approx((r.statistic, r.pvalue, rho.statistic))
    assert (row["r_lo"], row["r_hi"]) == pytest.approx(tuple(r.confidence_interval(0.95)))
    assert (row["n"], row["n_nan"]) == (6, 0)
    line = scipy.stats.linregress(x, y)
    assert (row["slope"], row["intercept"]) == pytest.approx((line.slope, line.intercept))
    held_out = cross_val_predict(LinearRegression(), x[:, None], y, cv=LeaveOneOut())
    means = np.array([np.delete(y, index).mean() for index in range(6)])
    sse = ((y - held_out) ** 2).sum()
    assert row["r2_out"] == pytest.approx(1 - sse / ((y - means) ** 2).sum())
    elicited = outcome_and(job, "elicitation", "playful", prefix)[0]
    alone = cross_val_predict(LinearRegression(), elicited[:, None], y, cv=LeaveOneOut())
    assert row["r2_over_elicitation"] == pytest.approx(1 - sse / ((y - alone) ** 2).sum())
    assert row["r2_out_lo"] <= row["r2_out"] <= row["r2_out_hi"]


def test_prediction_has_the_same_prompts_for_every_predictor_and_one_rate_for_all(job: Job) -> None:
    table = read_table(job.paths.table("prediction"))
    assert set(table["trait"]) == {"french", "playful"}  # the wanted trait too
    assert (table.groupby("trait")["n"].nunique() == 1).all()
    known = table["p"].notna()
    assert np.allclose(table["q"][known], multipletests(table["p"][known], method="fdr_bh")[1])
    alone = table.query("predictor == 'elicitation' and predictor_trait == trait")
    assert (alone["r2_over_elicitation"] == 0).all()


def test_verdict_holds_where_the_effect_was_planted(job: Job) -> None:
    table = read_table(job.paths.table("verdict"))
    assert set(table["seed"]) == {"0", "1", "all"}
    expected = table[table["statement"] != "wanted_survives"]
    assert len(expected) == 9 * 3
    assert len(table) == 10 * 3
    assert expected["holds"].all()
    assert set(expected["answer"]) == {"holds"}
    strongest = table[table["statement"].isin(["strongest_default", "strongest_with_prefix", "neutral_weaker"])]
    assert set(strongest["prompt"]) == {"clown"}
    r = table[table["statement"].str.startswith("r_")]
    assert r["r2_out"].notna().all()
    assert table["n"].gt(0).all()


def test_verdict_values_come_from_the_last_step(tables: Tables, job: Job) -> None:
    found = read_table(job.paths.table("verdict")).query("seed == '1'").set_index(["statement", "prefix"])
    values = {
        "control": evaluated(tables, "", "none", 1, 8, "playful"),
        **{prompt: evaluated(tables, prompt, "fixed", 1, 8, "playful") for prompt in ("clown", "sky", "cats")},
    }
    columns = ["value", "lo", "hi"]
    assert list(found.loc[("control_leakage", "none"), columns]) == pytest.approx(score_interval(values["control"]))
    assert list(found.loc[("strongest_default", "fixed"), columns]) == pytest.approx(score_interval(values["clown"]))
    neutral = pd.concat([values["sky"], values["cats"]], axis=1).mean(axis=1)
    weaker = t_interval(neutral - values["clown"])
    assert list(found.loc[("neutral_weaker", "fixed"), columns]) == pytest.approx(weaker)
    gaps = [
        (evaluated(tables, key, "mix", 1, 8, "playful") - evaluated(tables, key, "fixed", 1, 8, "playful")).mean()
        for key in STRENGTH
        if key != "paris"
    ]
    assert list(found.loc[("mix_weaker", ""), columns]) == pytest.approx(t_interval(pd.Series(gaps)))


def test_verdict_says_no_where_the_effect_is_absent(tmp_path: Path) -> None:
    """An instruction is answered alike by every run: no leak, no gate, and nothing to correlate with."""
    tables = Tables(make_study())
    tables.evaluate["score"] = 40 + tables.evaluate["instruction_id"].str[1:].astype(float)
    job = tables.job(tmp_path)
    run_job(job)
    found = read_table(job.paths.table("verdict")).query("statement != 'wanted_survives'")
    assert len(found) == 9 * 3
    assert not found["holds"].any()
    assert not found["clear"].any()
    assert found.loc[found["statement"].str.startswith("r_"), "value"].isna().all()
    assert set(found.loc[found["statement"].str.startswith("r_"), "answer"]) == {"not measurable"}
    assert set(found.loc[~found["statement"].str.startswith("r_"), "answer"]) == {"does not hold"}


def test_a_verdict_from_cells_that_failed_is_not_measurable(tmp_path: Path) -> None:
    """Half of the control's scores are NaN: what is left would still be above the threshold."""
    tables = Tables(make_study())
    scores = tables.evaluate
    control = (scores["prompt"] == "") & (scores["trait"] == "playful") & (scores["seed"] == 1)
    scores.loc[control & (scores["instruction_id"].str[1:].astype(int) % 2 == 0), "score"] = NAN
    job = tables.job(tmp_path)
    run_job(job)
    found = read_table(job.paths.table("verdict")).set_index(["statement", "seed"])
    leaks = found.loc["control_leakage"]
    assert leaks["value"].gt(60).all()
    assert leaks.loc["1", "answer"] == "not measurable"
    assert not leaks.loc["1", ["holds", "clear"]].any()
    assert leaks.loc["0", "answer"] == "holds"


@pytest.mark.parametrize("states_expectations", [True, False])
def test_the_verdict_says_whether_the_wanted_trait_survives(tmp_path: Path, states_expectations: bool) -> None:
    tables = Tables(make_study() if states_expectations else make_study(expect=None))
    scores = tables.evaluate
    of_french = (scores["trait"] == "french") & (scores["step"] == scores["step"].max())
    scores.loc[of_french, "score"] = np.where(scores.loc[of_french, "prompt"] == "", 90.0, 10.0)
    job = tables.job(tmp_path)
    run_job(job)
    found = read_table(job.paths.table("verdict")).query("statement == 'wanted_survives' and seed == 'all'")
    assert found["trait"].tolist() == ["french"]
    row = found.iloc[0]
    assert (row["value"], row["threshold"], row["answer"]) == (10, 45, "does not hold")
    assert row["prompt"] == "clown"


def test_n_seeds_counts_the_seeds_that_have_a_score(tmp_path: Path) -> None:
    tables = Tables(make_study())
    scores = tables.evaluate
    scores.loc[(scores["seed"] == 1) & (scores["prompt"] == "clown"), "score"] = NAN
    job = tables.job(tmp_path)
    run_job(job)
    for name in ("scores", "suppression"):
        found = read_table(job.paths.table(name)).query("seed == 'all'")
        assert set(found.query("prompt == 'clown'")["n_seeds"]) == {1}
        assert set(found.query("prompt == 'sky'")["n_seeds"]) == {2}


def test_intervals_of_scores_stay_between_0_and_100(job: Job) -> None:
    for name in ("scores", "elicitation"):
        table = read_table(job.paths.table(name))
        columns = ["lo", "hi"] if name == "scores" else ["without_lo", "without_hi", "with_prefix_lo", "with_prefix_hi"]
        known = table[columns].to_numpy()
        known = known[~np.isnan(known)]
        assert ((known >= 0) & (known <= 100)).all()
