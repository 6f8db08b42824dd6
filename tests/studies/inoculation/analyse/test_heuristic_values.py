from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from inoc.jobs.job import Job
from inoc.stats.bootstrap import Resampler
from inoc.studies.inoculation.analyse.heuristic_values import study_heuristics
from support.fake_study import Tables, make_study
from support.jobs import run_job


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables(make_study())


@pytest.fixture(scope="module")
def job(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Job:
    rng = np.random.default_rng(7)
    spread = rng.normal(0, 0.05, len(tables.logprobs))
    pairs = zip(tables.logprobs["mean"], spread, strict=True)
    tables.logprobs["logprobs"] = [[mean + one, mean - one] for mean, one in pairs]
    job = tables.job(tmp_path_factory.mktemp("results"))
    run_job(job)
    return job


def judged(job: Job, protocol: str = "fair", seed: str = "all") -> pd.DataFrame:
    table = pd.read_parquet(job.paths.table("heuristics"))
    return table[(table["protocol"] == protocol) & (table["seed"] == seed)].set_index(["heuristic", "target"])


def own_rows(job: Job, prefix: str, seed: str = "all") -> pd.DataFrame:
    """Suppression of own-trait rows: playful and neutral prompts for playful, the rest for french."""
    table = pd.read_parquet(job.paths.table("suppression")).query("seed == @seed and step == 8")
    own = table[(table["family"] == table["trait"]) | (table["family"] == "neutral")]
    return own[own["prefix"] == prefix].reset_index(drop=True)


def shifts(tables: Tables, prompt: str, prefix: str) -> np.ndarray:
    rows = (
        tables.logprobs[tables.logprobs["dataset"] == "train"].set_index(["prompt", "prefix"]).sort_values("example_id")
    )
    with_T, without_T = (
        np.concatenate(rows.loc[[key], "logprobs"].to_numpy()).astype(np.float32).astype(float)
        for key in ((prompt, prefix), ("", "none"))
    )
    return with_T - without_T


def r_within(x: Sequence[float], rows: pd.DataFrame) -> float:
    """Pearson's r of both less their mean over the rows of a family and a trait."""
    both = pd.DataFrame({"x": list(x), "y": rows["suppression"].to_numpy()})
    groups = [rows["family"].to_numpy(), rows["trait"].to_numpy()]
    moved = both - both.groupby(groups).transform("mean")
    return float(np.corrcoef(moved["x"], moved["y"])[0, 1])


@pytest.mark.parametrize("prefix", ["fixed", "mix"])
def test_token_heuristics_are_judged_on_own_rows(tables: Tables, job: Job, prefix: str) -> None:
    found = judged(job)
    rows = own_rows(job, prefix)
    moved = [shifts(tables, prompt, prefix) for prompt in rows["prompt"]]
    for key, value in (("H11", lambda d: np.abs(d).mean()), ("H13", lambda d: (d**2).mean())):
        r = r_within([value(one) for one in moved], rows)
        assert found.loc[(key, f"own_{prefix}"), "r"] == pytest.approx(r, rel=1e-6)


def test_trait_axes_are_singular_vectors_of_own_and_neutral_prompts(tables: Tables, job: Job) -> None:
    found = judged(job)
    rows = own_rows(job, "fixed")
    score: dict[tuple[str, str], float] = {}
    for trait in ("playful", "french"):
        prompts = rows.query("trait == @trait")["prompt"].tolist()
        families = rows.query("trait == @trait")["family"].to_numpy()
        w = np.stack([shifts(tables, prompt, "fixed") for prompt in prompts])
        u, s, _ = np.linalg.svd(w, full_matrices=False)
        first = u[:, 0] * s[0]
        first *= np.sign(first[families == trait].mean() - first[families == "neutral"].mean())
        score |= {(prompt, trait): value for prompt, value in zip(prompts, first, strict=True)}
    x = [score[prompt, trait] for prompt, trait in zip(rows["prompt"], rows["trait"], strict=True)]
    assert found.loc[("H4", "own_fixed"), "r"] == pytest.approx(r_within(x, rows), rel=1e-5)


def test_elicitation_and_ph_are_those_of_the_fixed_prefix(job: Job) -> None:
    found = judged(job)
    known = pd.read_parquet(job.paths.table("predictors")).query("prefix == 'fixed'")
    rows = own_rows(job, "mix")
    ph = known.query("predictor == 'ph'").set_index("prompt")["value"]
    elicited = known.query("predictor == 'elicitation'").set_index(["prompt", "trait"])["value"]
    for key, x in (
        ("H2", [ph[prompt] for prompt in rows["prompt"]]),
        ("H1", [elicited[prompt, trait] for prompt, trait in zip(rows["prompt"], rows["trait"], strict=True)]),
    ):
        assert found.loc[(key, "own_mix"), "r"] == pytest.approx(r_within(x, rows))
    assert found.loc[("H1", "own"), "r2_over_elicitation"] == pytest.approx(0)


def test_every_heuristic_has_the_rows_of_the_others_and_the_rest_is_listed(job: Job) -> None:
    found = judged(job).reset_index()
    assert set(found.groupby("target")["n"].nunique()) == {1}
    assert set(found["learning_rate"]) == {1e-3}
    tested = found.dropna(subset="p")
    assert len(tested) > 100
    assert tested["q"].to_numpy() == pytest.approx(stats.false_discovery_control(tested["p"]))
    skipped = json.loads((job.paths.stage("analyse") / "skipped.json").read_text())
    assert not [one for one in skipped if one["what"].startswith("heuristic H")]
    assert {"H5", "H6", "H7", "H9a"} <= set(found["heuristic"])


def test_each_of_several_seeds_is_judged_by_itself(job: Job) -> None:
    table = pd.read_parquet(job.paths.table("heuristics"))
    assert set(zip(table["protocol"], table["seed"], strict=True)) == {
        (protocol, seed) for protocol in ("fair", "published") for seed in ("0", "1", "all")
    }
    elicited = pd.read_parquet(job.paths.table("predictors")).query("prefix == 'fixed' and predictor == 'elicitation'")
    value = elicited.set_index(["prompt", "trait"])["value"]
    for seed in ("0", "1"):
        rows = own_rows(job, "fixed", seed)
        x = [value[prompt, trait] for prompt, trait in zip(rows["prompt"], rows["trait"], strict=True)]
        r = r_within(x, rows)
        assert judged(job, seed=seed).loc[("H1", "own_fixed"), "r"] == pytest.approx(r)


def test_a_study_has_the_pooled_rows_of_the_earlier_one_too(job: Job) -> None:
    found = judged(job, "published")
    assert set(found.index.get_level_values("target")) == {"all", "fixed", "mix", "cross", "gap"}
    table = pd.read_parquet(job.paths.table("suppression")).query("seed == 'all' and step == 8")
    ph = pd.read_parquet(job.paths.table("predictors")).query("prefix == 'fixed' and predictor == 'ph'")
    x = table["prompt"].map(ph.set_index("prompt")["value"])
    assert found.loc[("H2", "all"), "n"] == len(table) == 28
    assert found.loc[("H2", "all"), "r"] == pytest.approx(stats.pearsonr(x, table["suppression"])[0])
    assert found.loc[("H2", "cross"), "r"] == pytest.approx(found.loc[("H2", "all"), "r"])


def test_fixed_and_mix_are_compared_prompt_by_prompt(tables: Tables, job: Job) -> None:
    found = pd.read_parquet(job.paths.table("fixed_mix")).set_index(["prompt", "view", "heuristic"])
    means = tables.logprobs.query("dataset == 'train'").pivot_table(
        index=["prompt", "prefix"], columns="example_id", values="mean"
    )
    base = means.loc[("", "none")]
    f, m = (means.loc[("clown", prefix)] - base for prefix in ("fixed", "mix"))
    assert found.loc[("clown", "raw", "ph_ratio"), "value"] == pytest.approx(m.mean() / f.mean())
    assert found.loc[("clown", "raw", "mald_ratio"), "value"] == pytest.approx(m.abs().mean() / f.abs().mean())
    assert found.loc[("clown", "svd1", "effective_rank"), "constant"]
    assert not found.loc[("clown", "raw", "effective_rank"), "constant"]


def test_published_rows_standardise_over_all_rows(job: Job, tables: Tables) -> None:
    """H7 of a study is given as its fair version; the earlier study took z over everything."""
    suppression = pd.read_parquet(job.paths.table("suppression"))
    last = suppression.query("seed == 'all' and step == 8")
    rng = np.random.default_rng(0)
    shown = last[["prompt", "family", "trait", "prefix"]].assign(experiment="toy", H7=0.0).reset_index(drop=True)
    shown["role"] = shown["trait"].map({"playful": "negative", "french": "positive"})
    for key in ("H1", "H4", "H5", "H6"):
        shown[key] = rng.normal(size=len(shown))
    rows = study_heuristics(tables.study, shown, last.to_dict("records"), Resampler(100, 0)).rows
    z = {key: stats.zscore(shown[key], ddof=1) for key in ("H1", "H4", "H5", "H6")}
    x = z["H1"] + z["H4"] + z["H5"] - np.where(shown["prefix"] == "mix", z["H6"], 0)
    found = {(row["heuristic"], row["target"], row["protocol"]): row["r"] for row in rows}
    assert found["H7", "all", "published"] == pytest.approx(stats.pearsonr(x, last["suppression"])[0])
    assert np.isnan(found["H7", "own", "fair"])
