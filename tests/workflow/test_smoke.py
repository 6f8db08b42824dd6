"""The smallest study, end to end, through Snakemake, and what is and is not computed again."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pandas as pd
import pytest

from support.computed import check_results
from support.running import differing
from support.sites import made_site, site_meta, site_rows, site_texts

SCORED = ("train", "neutral", "playful", "french")


def made(before: dict, after: dict) -> list[str]:
    """Labels of units that jobs computed since."""
    changed = [job for job in after if after[job] != before.get(job)]
    return [label for job in changed for label in after[job]["store"]["made"]]


def test_the_study_ends_with_its_tables_figures_and_appendix(finished):
    listed = (finished.folder / "results" / "figures" / "all").read_text().split()
    assert listed
    assert all((finished.folder / path).exists() for path in listed)
    for name in ("suppression", "predictors", "gate"):
        assert (finished.results / "analyse" / f"{name}.parquet").exists()
        assert (finished.results / "analyse" / f"{name}.csv").exists()


def test_public_tables_have_the_promised_columns(finished):
    promised = {
        "suppression": "prompt family trait prefix learning_rate seed step control run suppression lo hi n n_nan",
        "predictors": "prompt family prefix trait predictor value lo hi n",
    }
    for name, columns in promised.items():
        table = pd.read_parquet(finished.results / "analyse" / f"{name}.parquet")
        assert set(columns.split()) <= set(table.columns)
        assert len(table)
    suppression = pd.read_parquet(finished.results / "analyse" / "suppression.parquet")
    assert set(suppression["prefix"]) == {"fixed", "mix"}
    assert "all" in set(suppression["seed"])


def test_no_instruction_is_in_both_training_and_evaluation(finished):
    train = pd.read_parquet(finished.results / "generate" / "train.parquet")
    evaluation = pd.read_parquet(finished.results / "generate" / "eval.parquet")
    assert not set(train["instruction"]) & set(evaluation["instruction"])
    kept = train[train["kept"]]
    assert kept["instruction"].is_unique
    assert (kept["finish"] == "stop").all()
    assert (train.loc[~train["kept"], "reason"] != "").all()


def test_a_second_run_has_nothing_to_do(finished):
    assert finished.dry_jobs() == {}


def test_every_job_left_a_manifest_that_says_what_it_did(finished):
    manifests = finished.manifests()
    assert {"world-0", "generate-0", "train-0", "judge-evaluate-0", "figures-0", "report-0"} <= set(manifests)
    for manifest in manifests.values():
        assert manifest["wall_s"] >= 0
        assert manifest["packages"]["pandas"] == pd.__version__
        assert len(manifest["settings_digest"]) == 64
    assert "<|im_start|>" in manifests["score-0"]["rendered_example"]


def test_a_comment_a_touched_file_and_reformatted_code_compute_nothing(finished, copy_of):
    checkout = copy_of(finished)
    study = checkout.folder / "config" / "studies" / "smoke.yaml"
    study.write_text(f"# A comment.\n{study.read_text()}\n# Another.\n")
    for path in checkout.results.rglob("*.parquet"):
        os.utime(path)
    rules = checkout.folder / "workflow" / "rules" / "score.smk"
    rules.write_text(rules.read_text().replace('"inoc score ', '# reformatted\n        "inoc  score '))
    assert checkout.dry_jobs() == {}


def test_what_is_edited_or_added_is_computed_and_nothing_else_and_renaming_computes_nothing(finished, copy_of):
    checkout = copy_of(finished)
    before = checkout.manifests()
    checkout.edit_study("You are a clown.", "You are a circus clown.")
    checkout.add_prompt("merry", "You are naturally playful.")
    checkout.run()
    labels = made(before, checkout.manifests())
    edited = [label for label in labels if "clown" in label]
    added = [label for label in labels if "merry" in label]
    assert sorted([*edited, *added]) == sorted(labels)
    seeds = {run["seed"] for run in before["train-0"]["runs"]}
    assert sum(label.startswith("clown.") and "step" not in label for label in edited) == 2 * len(seeds)
    for prompt, mine in (("clown", edited), ("merry", added)):
        assert sum(label.startswith("base asked") for label in mine) == 1
        scored = [label for label in mine if " asked " in label and label.split()[0] in SCORED]
        assert sorted(scored) == sorted(
            f"{data} asked {prefix} {prompt}" for data in SCORED for prefix in ("fixed", "mix")
        )
    train = "generate/train.parquet"
    assert differing({train: finished.tables()[train]}, {train: checkout.tables()[train]}) == []
    assert checkout.dry_jobs() == {}

    middle = checkout.manifests()
    checkout.edit_study("merry:", "jolly:")
    checkout.run()
    assert made(middle, checkout.manifests()) == []
    table = pd.read_parquet(checkout.results / "analyse" / "suppression.parquet")
    assert "jolly" in set(table["prompt"])
    assert "merry" not in set(table["prompt"])


def test_status_and_explain_speak_about_the_study(finished):
    status = finished.inoc("status", "smoke")
    assert status.returncode == 0
    assert "finished" in status.stdout
    assert "0 left" in status.stdout
    explained = finished.inoc("store", "explain", "smoke", "score")
    assert explained.stdout.strip().endswith("units are there")


def test_the_plan_counts_what_was_then_computed(finished):
    output = finished.inoc("plan", "smoke").stdout
    lines = {line.split()[0]: line for line in output.splitlines() if line}
    for stage in ("generate", "elicit", "score", "train", "evaluate"):
        there = re.search(r"(\d+) of (\d+) units", lines[stage])
        assert there
        assert there[1] == there[2] != "0"
    scored = pd.read_parquet(finished.results / "score" / "logprobs-0.parquet", columns=["example_id"])
    assert f"{len(scored)} responses" in lines["score"]
    asked = pd.read_parquet(finished.results / "elicit" / "completions-0.parquet", columns=["instruction_id"])
    assert f"{len(asked)} completions" in lines["elicit"]
    assert f"{len(finished.manifests()['train-0']['runs'])} runs of 6 steps" in lines["train"]
    assert "measured" in output


def test_explain_names_what_differs_after_an_edit(finished, copy_of):
    checkout = copy_of(finished)
    checkout.edit_study("You are a clown.", "You are a circus clown.")
    explained = checkout.inoc("store", "explain", "smoke", "elicit", "--missing")
    assert "missing  base asked fixed clown" in explained.stdout
    assert "chats: wanted" in explained.stdout


def test_garbage_is_what_the_edited_study_no_longer_needs(finished, copy_of):
    checkout = copy_of(finished)
    nothing = checkout.inoc("store", "gc", "--grace", "0")
    assert nothing.stdout.splitlines()[-1].startswith("0 entries")


def test_the_report_opens_as_one_file(finished, copy_of):
    checkout = copy_of(finished)
    checkout.run("--report", "report.html")
    page = (checkout.folder / "report.html").read_text()
    assert 'src="http' not in page
    assert "curves_linear" in page
    assert "95 %" in page
    first = json.loads(re.search(r"var workflow_desc = (.*);\n", page)[1])
    for words in ("Smoke test of every stage", "Verdict", "In numbers", "selectivity", "The figures that carry it"):
        assert words in first
    assert first.count("<img ") >= 4
    assert "<script" not in first


@pytest.mark.parametrize("arguments", [["--help"], ["score", "smoke", "--shrad"], ["scroe"], ["score", "smokey"]])
def test_first_answers_come_without_heavy_imports(finished, arguments):
    script = (
        "import sys\nfrom inoc.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    code = end.code\n"
        "heavy = {'torch', 'transformers', 'pandas', 'scipy', 'matplotlib', 'lingua'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    import sys

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=finished.folder, text=True, capture_output=True, check=False
    )
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
    if arguments == ["score", "smoke", "--shrad"]:
        assert 'did you mean "--shard"' in done.stderr
    if arguments == ["scroe"]:
        assert 'did you mean "score"' in done.stderr
    if arguments == ["score", "smokey"]:
        assert 'did you mean "smoke"' in done.stderr


def test_a_study_that_lacks_its_data_holds_up_no_other(finished, copy_of):
    checkout = copy_of(finished)
    (checkout.folder / "config" / "studies" / "lacking.yaml").write_text(
        "extends: smoke.yaml\nname: lacking\ndata: {completions: file, file: nowhere.jsonl}\n"
    )
    figure = checkout.results / "figures" / "curves_linear.svg"
    figure.unlink()
    command = [*checkout.command()[:-1], "studies=[smoke,lacking]"]
    done = subprocess.run(command, cwd=checkout.folder, text=True, capture_output=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "nowhere.jsonl" in output
    assert "The other studies go on." in output
    assert figure.exists()
    assert not (checkout.folder / "results" / "lacking" / "generate").exists()


def test_a_study_that_lacks_its_data_is_refused_before_the_first_job(finished, copy_of):
    checkout = copy_of(finished)
    (checkout.folder / "config" / "studies" / "lacking.yaml").write_text(
        "extends: smoke.yaml\nname: lacking\ndata: {completions: file, file: nowhere.jsonl}\n"
    )
    command = [*checkout.command()[:-1], "studies=[lacking]"]
    done = subprocess.run(command, cwd=checkout.folder, text=True, capture_output=True, check=False)
    assert done.returncode != 0
    assert "nowhere.jsonl" in done.stdout + done.stderr
    assert not (checkout.folder / "results" / "lacking").exists()


def test_its_results_can_be_read_from_python_and_exported(finished, tmp_path):
    check_results(finished.folder, "smoke", tmp_path / "exports")


def test_the_site_has_every_completion_with_its_scores_and_every_example(finished, tmp_path):
    site = made_site(finished, tmp_path / "site")
    lists = {one["name"]: one for one in site_meta(site)["sources"]}
    assert {"completions", "examples", "pools"} <= set(lists)
    stages = ("elicit", "evaluate")
    files = [path for stage in stages for path in (finished.results / stage).glob("completions-*.parquet")]
    wanted = pd.concat([pd.read_parquet(path) for path in files], ignore_index=True)
    rows, texts = site_rows(site, "completions"), site_texts(site, "completions")
    assert sorted(texts["completion"]) == sorted(wanted["completion"])
    assert rows["id"].is_unique
    scores = pd.concat([pd.read_parquet(finished.results / "judge" / f"{stage}.parquet") for stage in stages])
    for trait in ("playful", "french"):
        own = scores.loc[scores["trait"] == trait, "score"]
        assert rows[f"score.{trait}"].sum() == pytest.approx(own.sum())
        assert rows[f"score.{trait}"].notna().sum() == own.notna().sum()
    assert set(rows["model"]) == {"base", "control", "fixed", "mix"}
    assert rows.loc[rows["model"] == "base", "seed"].isna().all()
    train = pd.read_parquet(finished.results / "generate" / "train.parquet")
    found = site_rows(site, "examples")
    assert (found["kept"] == "no").sum() == (~train["kept"]).sum()
    assert (found["token_values"] == "yes").any()
    assert site_meta(site)["figures"]


def test_a_mean_of_the_site_is_that_of_the_analysis(finished, tmp_path):
    rows = site_rows(made_site(finished, tmp_path / "site", "--no-tokens"), "completions")
    scores = pd.read_parquet(finished.results / "analyse" / "scores.parquet")
    last = scores[(scores["seed"] == "all") & (scores["step"] == scores["step"].max()) & (scores["trait"] == "playful")]
    control = last[(last["prefix"] == "none") & (last["condition"] == "default")].iloc[0]
    own = rows[(rows["model"] == "control") & (rows["asked"] == "without") & (rows["step"] == last["step"].max())]
    assert own["score.playful"].mean() == pytest.approx(control["value"])
    assert not list((tmp_path / "site" / "data").glob("tokens-*"))
