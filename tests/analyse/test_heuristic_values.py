from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyse.fake_study import Tables
from inoc.analyse.step import run
from inoc.job import Job


@pytest.fixture
def job(tables: Tables, tmp_path: Path) -> Job:
    rng = np.random.default_rng(7)
    spread = rng.normal(0, 0.05, len(tables.logprobs))
    pairs = zip(tables.logprobs["mean"], spread, strict=True)
    tables.logprobs["logprobs"] = [[mean + one, mean - one] for mean, one in pairs]
    job = tables.job(tmp_path)
    run(job)
    return job


def own_rows(job: Job, prefix: str) -> pd.DataFrame:
    """Suppression of own-trait rows: playful and neutral prompts for playful, the rest for french."""
    table = pd.read_parquet(job.paths.table("suppression")).query("seed == 'all' and step == 8")
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


@pytest.mark.parametrize("prefix", ["fixed", "mix"])
def test_token_heuristics_are_judged_on_own_rows(tables: Tables, job: Job, prefix: str) -> None:
    found = pd.read_parquet(job.paths.table("heuristics")).set_index(["heuristic", "target"])
    rows = own_rows(job, prefix)
    moved = [shifts(tables, prompt, prefix) for prompt in rows["prompt"]]
    for key, value in (("H11", lambda d: np.abs(d).mean()), ("H13", lambda d: (d**2).mean())):
        r = stats.pearsonr([value(one) for one in moved], rows["suppression"])[0]
        assert found.loc[(key, f"own_{prefix}"), "r"] == pytest.approx(r, rel=1e-6)


def test_trait_axes_are_singular_vectors_of_own_and_neutral_prompts(tables: Tables, job: Job) -> None:
    found = pd.read_parquet(job.paths.table("heuristics")).set_index(["heuristic", "target"])
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
    assert found.loc[("H4", "own_fixed"), "r"] == pytest.approx(stats.pearsonr(x, rows["suppression"])[0], rel=1e-5)


def test_elicitation_and_ph_are_those_of_the_fixed_prefix(job: Job) -> None:
    found = pd.read_parquet(job.paths.table("heuristics")).set_index(["heuristic", "target"])
    known = pd.read_parquet(job.paths.table("predictors")).query("prefix == 'fixed'")
    rows = own_rows(job, "mix")
    ph = known.query("predictor == 'ph'").set_index("prompt")["value"]
    elicited = known.query("predictor == 'elicitation'").set_index(["prompt", "trait"])["value"]
    for key, x in (
        ("H2", [ph[prompt] for prompt in rows["prompt"]]),
        ("H1", [elicited[prompt, trait] for prompt, trait in zip(rows["prompt"], rows["trait"], strict=True)]),
    ):
        assert found.loc[(key, "own_mix"), "r"] == pytest.approx(stats.pearsonr(x, rows["suppression"])[0])
    assert found.loc[("H1", "own"), "r2_over_elicitation"] == pytest.approx(0)


def test_every_heuristic_has_the_rows_of_the_others_and_the_rest_is_listed(job: Job) -> None:
    found = pd.read_parquet(job.paths.table("heuristics"))
    assert set(found.groupby("target")["n"].nunique()) == {1}
    assert set(found["learning_rate"]) == {1e-3}
    tested = found.dropna(subset="p")
    assert len(tested) > 100
    assert tested["q"].to_numpy() == pytest.approx(stats.false_discovery_control(tested["p"]))
    skipped = json.loads((job.paths.stage("analyse") / "skipped.json").read_text())
    assert not [one for one in skipped if one["what"].startswith("heuristic H")]
    assert {"H5", "H6", "H7", "H9a"} <= set(found["heuristic"])


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
