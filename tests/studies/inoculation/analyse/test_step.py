from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inoc.studies.inoculation.analyse.names import TABLES
from inoc.studies.inoculation.analyse.produce import SCHEMAS
from inoc.tables import read_table
from support.fake_study import Tables, make_study
from support.jobs import run_job

CLASSIFIER = ["level", "prefix", "trait", "learning_rate", "pca_fit"]
KEYS = {
    "elicitation": ["prompt", "prefix", "trait"],
    "scores": ["run", "seed", "step", "asked_prompt", "asked_prefix", "trait"],
    "suppression": ["prompt", "trait", "prefix", "learning_rate", "seed", "step"],
    "predictors": ["prompt", "prefix", "trait", "predictor"],
    "components": ["level", "prefix", "method", "component"],
    "coordinates": ["level", "prefix", "method", "prompt", "component"],
    "gate": ["prompt", "prefix", "trait", "learning_rate", "seed"],
    "prediction": ["trait", "learning_rate", "prefix", "predictor", "predictor_trait"],
    "verdict": ["statement", "trait", "prompt", "prefix", "learning_rate", "seed"],
    "losses": ["run", "step"],
    "capability": ["run", "domain"],
    "angles": ["level", "prefix", "representation", "group"],
    "pairwise_angles": ["level", "prefix", "representation", "prompt", "other"],
    "dimension_tests": ["level", "prefix", "learning_rate", "method", "dimension", "trait"],
    "cross_angles": ["level", "prefix", "unwanted", "wanted", "prompt", "predictor"],
    "cross_angle_tests": ["level", "prefix", "learning_rate", "unwanted", "wanted", "predictor"],
    "fixed_mix": ["prompt", "view", "heuristic"],
    "embeddings": ["prompt", "statistic"],
    "token_shifts": ["prompt", "prefix", "bin_lo"],
    "token_summary": ["prompt", "prefix"],
    "rates": ["rate", "run", "seed", "step", "asked_prompt", "asked_prefix"],
    "steps": ["run", "asked_prompt", "asked_prefix", "trait", "step"],
    "step_counts": ["step", "learning_rate", "family", "prefix", "trait"],
    "variance": ["trait", "prefix", "learning_rate", "source"],
    "power": ["trait", "prefix", "learning_rate", "n_instructions", "n_seeds"],
    "heuristics": ["heuristic", "target", "protocol", "learning_rate", "seed"],
    "heuristic_values": ["prompt", "prefix", "trait", "heuristic"],
    "outcomes": ["prompt", "prefix", "trait", "learning_rate"],
    "classifier": CLASSIFIER,
    "classifier_predictions": [*CLASSIFIER, "prompt"],
    "classifier_roc": [*CLASSIFIER, "false_rate"],
}


def test_every_table_is_written_with_its_columns_and_a_csv_twin(tmp_path: Path) -> None:
    training = {"steps": 20, "seeds": [0, 1], "checkpoints": [0, 19, 20], "learning_rate": 1e-3}
    job = Tables(make_study(training=training)).job(tmp_path)
    summary = run_job(job)
    assert summary.startswith(f"{len(SCHEMAS)} tables")
    for name, schema in SCHEMAS.items():
        table = read_table(job.paths.table(name))
        assert list(table) == schema.names
        # The made-up study has too few prompts to classify, and asks no closed questions.
        assert bool(len(table)) != name.startswith(("classifier", "capability"))
        twin = pd.read_csv(job.paths.table(name).with_suffix(".csv"), keep_default_na=False, na_values=["NaN"])
        assert list(twin) == schema.names
        assert len(twin) == len(table)
        assert job.record["counts"][name] == len(table)


def test_the_names_that_a_workflow_declares_are_the_tables_that_are_written() -> None:
    assert len(set(TABLES)) == len(TABLES)
    assert set(TABLES) == set(SCHEMAS)


def test_the_names_of_the_tables_import_nothing_heavy() -> None:
    code = "import sys, inoc.studies.inoculation.analyse.names; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "pyarrow", "scipy", "torch"} & set(loaded)


def test_keys_are_unique(tables: Tables, tmp_path: Path) -> None:
    job = tables.job(tmp_path)
    run_job(job)
    assert KEYS.keys() == SCHEMAS.keys()
    for name, key in KEYS.items():
        assert not read_table(job.paths.table(name)).duplicated(key).any(), name


def test_tables_depend_on_neither_shards_nor_order_of_rows(tables: Tables, tmp_path: Path) -> None:
    first, second = tables.job(tmp_path / "one"), tables.job(tmp_path / "three", shards=3)
    tables.evaluate = tables.evaluate[::-1]
    third = tables.job(tmp_path / "reversed")
    for job in (first, second, third):
        run_job(job)
    for name in SCHEMAS:
        ours = first.paths.table(name)
        for other in (second, third):
            assert ours.read_bytes() == other.paths.table(name).read_bytes(), name
            twins = [path.with_suffix(".csv").read_bytes() for path in (ours, other.paths.table(name))]
            assert twins[0] == twins[1]


def test_nan_scores_are_counted_and_never_become_numbers(tables: Tables, tmp_path: Path) -> None:
    rows = tables.evaluate
    clown = (rows["prompt"] == "clown") & (rows["trait"] == "playful") & (rows["condition"] == "default")
    rows.loc[clown & rows["instruction_id"].isin(["i00", "i05"]), "score"] = np.nan
    rows.loc[(rows["prompt"] == "") & (rows["instruction_id"] == "i01"), "score"] = np.nan
    job = tables.job(tmp_path)
    run_job(job)
    found = read_table(job.paths.table("suppression")).query("prompt == 'clown' and trait == 'playful'")
    assert (found["n_nan"] == found["n_seeds"] * 3).all()
    assert (found["n"] == found["n_seeds"] * 9).all()
    assert found["suppression"].notna().all()
    gate = read_table(job.paths.table("gate")).query("prompt == 'clown' and trait == 'playful'")
    assert (gate["n_nan"] == gate["n_seeds"] * 3).all()
    assert (gate["with_without_n_nan"] == gate["n_seeds"] * 2).all()
    assert (gate["with_with_n_nan"] == 0).all()


def test_a_run_without_any_score_is_nan_throughout_and_named(tables: Tables, tmp_path: Path) -> None:
    rows = tables.evaluate
    rows.loc[(rows["prompt"] == "witty") & (rows["prefix"] == "mix"), "score"] = np.nan
    job = tables.job(tmp_path)
    run_job(job)
    found = read_table(job.paths.table("suppression")).query("prompt == 'witty' and prefix == 'mix'")
    assert found[["suppression", "lo", "hi", "control", "run"]].isna().all(axis=None)
    assert (found["n"] == 0).all()
    assert (found["n_seeds"] == 0).all()
    assert found["failed"].all()
    mix = read_table(job.paths.table("prediction")).query("prefix == 'mix' and trait == 'playful'")
    assert (mix["n"] == 5).all()
    assert (mix["n_nan"] == 1).all()
    skipped = json.loads((job.paths.stage("analyse") / "skipped.json").read_text())
    assert any("witty.mix.lr0.001.seed0" in one["what"] and "NaN" in one["why"] for one in skipped)


def test_a_learning_rate_without_control_is_left_out_and_listed(tmp_path: Path) -> None:
    study = make_study(
        runs=[{}, {"prompts": ["clown"], "prefixes": ["fixed"], "learning_rates": [1e-4], "control": False}]
    )
    job = Tables(study).job(tmp_path)
    run_job(job)
    assert set(read_table(job.paths.table("suppression"))["learning_rate"]) == {1e-3}
    assert set(read_table(job.paths.table("gate"))["learning_rate"]) == {1e-3}
    assert set(read_table(job.paths.table("scores"))["learning_rate"].dropna()) == {1e-3, 1e-4}
    skipped = json.loads((job.paths.stage("analyse") / "skipped.json").read_text())
    assert {
        "what": "suppression of playful by clown.fixed.lr0.0001.seed0",
        "why": "run control.none.lr0.0001.seed0 has no scores for the same steps, asked without a prefix",
    } in skipped


def test_a_study_without_runs_has_predictors_and_empty_tables(tmp_path: Path) -> None:
    tables = Tables(make_study())
    tables.study = make_study(runs=[], expect=None)
    job = tables.job(tmp_path)
    job.paths.scores("evaluate").unlink()
    job.paths.losses(0).unlink()
    run_job(job)
    assert len(read_table(job.paths.table("predictors")))
    for name in ("suppression", "gate", "prediction", "verdict", "losses"):
        assert not len(read_table(job.paths.table(name)))


def test_a_study_of_controls_alone_needs_no_log_probabilities(tmp_path: Path) -> None:
    tables = Tables(make_study())
    tables.study = make_study(prompts={}, expect={"trait": "playful"})
    tables.evaluate = tables.evaluate[(tables.evaluate["prompt"] == "") & (tables.evaluate["asked_prompt"] == "")]
    job = tables.job(tmp_path)
    job.paths.logprobs(0).unlink()
    run_job(job)
    assert not len(read_table(job.paths.table("predictors")))
    verdict = read_table(job.paths.table("verdict"))
    assert set(verdict["statement"]) == {"control_leakage"}
    skipped = json.loads((job.paths.stage("analyse") / "skipped.json").read_text())
    assert any(one["what"].startswith("verdict strongest_default") for one in skipped)


def test_losses_of_all_shards_are_joined_in_order(tables: Tables, tmp_path: Path) -> None:
    job = tables.job(tmp_path, shards=2)
    run_job(job)
    found = read_table(job.paths.table("losses"))
    assert len(found) == len(tables.losses)
    keys = list(found[["prompt", "prefix", "learning_rate", "seed", "step"]].itertuples(index=False, name=None))
    assert keys == sorted(keys)


@pytest.mark.parametrize("module", ["inoc.studies.inoculation.analyse", "inoc.studies.inoculation.analyse.step"])
def test_import_pulls_in_no_heavy_package(module: str) -> None:
    heavy = "{'torch', 'transformers', 'matplotlib', 'sklearn', 'scipy.stats', 'statsmodels'}"
    code = f"import sys, {module}; sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_rearranging_the_study_file_moves_nothing(tables: Tables, tmp_path: Path) -> None:
    study = tables.study
    first = tables.job(tmp_path / "one")
    turned = {key: study.prompts[key] for key in reversed(study.prompts)}
    traits = {key: study.traits[key] for key in reversed(study.traits)}
    tables.study = study.model_copy(update={"prompts": turned, "traits": traits})
    second = tables.job(tmp_path / "two")
    for job in (first, second):
        run_job(job)
    for name in SCHEMAS:
        assert first.paths.table(name).read_bytes() == second.paths.table(name).read_bytes(), name


@pytest.mark.parametrize("evaluation", [{"gate": False}, {"conditions": ["default"]}])
def test_a_gate_that_was_not_asked_for_is_skipped_in_one_line(tmp_path: Path, evaluation: dict[str, object]) -> None:
    job = Tables(make_study(evaluation=evaluation)).job(tmp_path)
    run_job(job)
    assert not len(read_table(job.paths.table("gate")))
    skipped = json.loads((job.paths.stage("analyse") / "skipped.json").read_text())
    assert [one["why"] for one in skipped if one["what"] == "gate"] == [
        "the study's evaluation does not ask for all of its four cells"
    ]
