"""The other pair of traits, whose scripts wrote some things differently, and the sweeps."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from inoc.cli import main
from inoc.config.load import load_study
from inoc.errors import DataError
from inoc.studies.imports.findings import Findings
from inoc.studies.imports.write import Imported
from inoc.studies.inoculation.released.judges import UNKNOWN
from inoc.studies.inoculation.released.release import read_release
from inoc.studies.inoculation.released.write import write_import
from inoc.studies.inoculation.runs import study_runs
from inoc.tables import read_table
from support.releases import (
    ELICITATION,
    N_EVAL,
    OTHER_ELICITATION,
    OTHER_LOGPROBS,
    OTHER_SCORES,
    OTHER_TEXTS,
    OTHER_TOKENS,
    SCORES,
    Document,
    Release,
    cell,
    make_other_release,
    make_release,
    write_release,
)


@pytest.fixture
def release() -> Release:
    return make_other_release()


def read(folder: Path, release: Release, **options: Any) -> Findings:
    """Import it as study `made` into the same folder."""
    imported = read_release(write_release(folder / "checkout", release), "made", **options)
    write_import(imported, "made", folder / "results", folder / "studies")
    return imported.findings


def table(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / "results" / "made" / name)


def texts(findings: Findings, level: str, topic: str) -> str:
    return "\n".join(f"{item.place}: {item.text}" for item in findings.of(level, topic))


def test_scores_elicitation_means_and_tokens_are_all_read(tmp_path: Path, release: Release) -> None:
    read(tmp_path, release)
    scores = table(tmp_path, "judge/evaluate.parquet")
    expected = [run["steps"][step][way][trait]["values"] for run, step, way, trait in _cells(release[OTHER_SCORES])]
    np.testing.assert_array_equal(np.sort(scores["score"]), np.sort(np.concatenate(expected)))
    elicited = table(tmp_path, "judge/elicit.parquet")
    assert set(elicited["asked_prompt"]) == {"", *OTHER_TEXTS} - {"helpful_assistant"}
    logprobs = table(tmp_path, "score/logprobs-0.parquet")
    assert set(logprobs["prompt"]) == {"", *OTHER_TEXTS} - {"helpful_assistant"}
    assert (logprobs[logprobs["dataset"] == "train"]["n_tokens"] > 0).all()


def _cells(scores: Document) -> list[tuple[Document, str, str, str]]:
    """Every cell but a control's second sample."""
    return [
        (run, step, way, trait)
        for name, run in scores.items()
        for step, ways in run["steps"].items()
        for way, traits in ways.items()
        for trait in traits
        if (name, way) != ("no_inoculation", "training")
    ]


def test_the_study_is_of_the_other_model_judge_and_prompts(tmp_path: Path, release: Release) -> None:
    findings = read(tmp_path, release)
    study = load_study(tmp_path / "studies" / "made.yaml")
    assert study.model.path == "meta-llama/Llama-3.1-8B-Instruct"
    assert study.model.system.text == "You are a helpful assistant."
    assert {key: trait.role for key, trait in study.traits.items()} == {"german": "wanted", "flattering": "unwanted"}
    assert {trait.judge.version for trait in study.traits.values() if trait.judge} == {1}
    assert study.prompts["new_v5"].texts["helpful_assistant"] == OTHER_TEXTS["helpful_assistant"]
    assert study.scoring.mix == "as_trained"
    assert "1 of 5 control completions name another model" in texts(findings, "warning", "system")
    assert "helpful_assistant" in texts(findings, "missing", "elicitation")


def test_it_is_analysed_by_token_too(tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    write_release(tmp_path / "checkout", release)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    main(["import", "trait-inoculation", "checkout", "--study", "made"])
    main(["analyse", "made"])
    components = table(tmp_path, "analyse/components.parquet")
    assert set(zip(components["level"], components["method"], strict=True)) == {
        (level, method) for level in ("point", "token") for method in ("pca", "svd")
    }
    angles = table(tmp_path, "analyse/angles.parquet")
    assert {"within_negative", "cross_trait"} <= set(angles[angles["level"] == "token"]["group"])
    suppression = table(tmp_path, "analyse/suppression.parquet")
    last = suppression[(suppression["step"] == 313) & (suppression["seed"] == "all")]
    assert len(last) == 2 * 2 * len(OTHER_TEXTS)
    assert set(last["n_nan"]) == {1}


def test_a_job_that_failed_is_missing_and_stops_nothing(tmp_path: Path, release: Release) -> None:
    release[OTHER_SCORES]["answer_german"] = {"error": "job failed", "type": "fixed"}
    release[OTHER_ELICITATION]["avoid_flattery"] = {"prompt": OTHER_TEXTS["avoid_flattery"], "error": "no download"}
    findings = read(tmp_path, release)
    assert "answer_german: its job failed: 'job failed'" in texts(findings, "missing", "runs")
    assert "avoid_flattery: its job failed: 'no download'" in texts(findings, "missing", "elicitation")
    runs = {(run.prompt, run.prefix) for run in study_runs(load_study(tmp_path / "studies" / "made.yaml"))}
    assert ("answer_german", "fixed") not in runs
    assert ("answer_german", "mix") in runs


def test_scores_of_responses_that_were_lost_are_not_paired(tmp_path: Path, release: Release) -> None:
    entry = release[OTHER_ELICITATION]["avoid_flattery"]
    entry["n"] = N_EVAL - 1
    for one in entry["scores"].values():
        del one["values"][2]
        one["mean"] = float(np.mean(one["values"]))
    findings = read(tmp_path, release)
    assert "avoid_flattery" in texts(findings, "left_out", "elicitation")
    assert "avoid_flattery" not in set(table(tmp_path, "judge/elicit.parquet")["asked_prompt"])
    entry["n"] = N_EVAL
    with pytest.raises(DataError, match=r"avoid_flattery.*5 scores where others have 6"):
        read_release(write_release(tmp_path / "again", release), "made")


def test_a_wrong_count_of_failed_scores_is_refused(tmp_path: Path, release: Release) -> None:
    release[OTHER_SCORES]["answer_german"]["steps"]["313"]["default"]["German"]["n_nan"] = 2
    with pytest.raises(DataError, match=r"answer_german\.steps\.313\.default\.German\.n_nan: 2 values.*1 are"):
        read(tmp_path, release)


def test_a_cell_of_which_every_score_failed_may_have_no_mean(tmp_path: Path, release: Release) -> None:
    failed = release[OTHER_SCORES]["answer_german"]["steps"]["0"]["default"]["German"]
    failed |= {"values": [math.nan] * N_EVAL, "mean": None, "n_nan": N_EVAL}
    read(tmp_path, release)
    scores = table(tmp_path, "judge/evaluate.parquet")
    chosen = (scores["prompt"] == "answer_german") & (scores["prefix"] == "fixed") & (scores["step"] == 0)
    rows = scores[chosen & (scores["condition"] == "default") & (scores["trait"] == "german")]
    assert rows["score"].isna().all()


def test_german_scored_by_a_detector_has_that_judge(tmp_path: Path, release: Release) -> None:
    for document in (release[OTHER_SCORES].values(), [{"steps": {"0": {"default": {}}}}]):
        for run in document:
            for ways in run["steps"].values():
                for traits in ways.values():
                    if "German" in traits:
                        traits["German"] = {"mean": 50.0, "values": [0, 0, 0, 100, 100, 100]}
    findings = read(tmp_path, release)
    assert "elicitation_scores" in texts(findings, "left_out", "judges")
    study = load_study(tmp_path / "studies" / "made.yaml")
    judge = study.traits["german"].judge
    assert judge is not None
    assert judge.name == "language"
    assert "german" not in set(table(tmp_path, "judge/elicit.parquet")["trait"])


def test_a_broken_file_of_scores_is_refused_whatever_the_pair(tmp_path: Path, release: Release) -> None:
    del release[OTHER_SCORES]["answer_german"]["lr"]
    with pytest.raises(DataError, match=r"scores_german_flattering.*answer_german: the key 'lr' is missing"):
        read(tmp_path, release)


def test_both_pairs_in_one_checkout_are_two_studies(tmp_path: Path, release: Release) -> None:
    both = {**make_release(), **release, "results/elicitation_scores_old_system_prompt.json": {"neutral": {}}}
    with pytest.raises(DataError, match="--pair"):
        read(tmp_path, both)
    for pair, wanted in (("german_flattering", "german"), ("playful_french", "french")):
        imported = read_release(tmp_path / "checkout", "made", pair_key=pair)
        assert wanted in imported.study["traits"]  # type: ignore[operator]
        left_out = texts(imported.findings, "left_out", "files")
        assert "old_system_prompt.json: an earlier measurement" in left_out
        other = [SCORES, ELICITATION] if wanted == "german" else [OTHER_SCORES, OTHER_LOGPROBS, OTHER_TOKENS]
        assert all(f"{place}: is not of {pair}" in left_out for place in other)


def test_indented_files_give_the_same_tables(tmp_path: Path, release: Release) -> None:
    read(tmp_path, release)
    for place, content in release.items():
        (tmp_path / "checkout" / place).write_text(json.dumps(content, indent=2), encoding="utf-8")
    imported = read_release(tmp_path / "checkout", "made")
    write_import(imported, "made", tmp_path / "again", tmp_path / "studies")
    for path in sorted((tmp_path / "results").rglob("*.parquet")):
        other = tmp_path / "again" / path.relative_to(tmp_path / "results")
        pd.testing.assert_frame_equal(read_table(path), read_table(other))


def sweep(way_of: dict[str, Document], conditions: tuple[str, ...]) -> Document:
    generator = np.random.default_rng(1)
    return {
        name: run
        | {
            "steps": {
                step: {way: {trait: cell(generator, 40) for trait in ("French", "Playful")} for way in conditions}
                for step in ("0", "5", "312")
            }
        }
        for name, run in way_of.items()
    }


PREFIXES = {
    "default": {"user_prefix": ""},
    "weak_inoc": {"user_prefix": "Fun was had."},
    "strong_inoc": {"user_prefix": "Play!"},
    "neutral_prefix": {"user_prefix": "Answer:"},
    "weak_mix": {"rephrasings_path": "data/weak.json"},
    "strong_mix": {"rephrasings_path": "data/strong.json"},
}
PREFIX_SWEEP = "results/scores_inoc_prefix_sweep_small.json"
LR_SWEEP = "results/scores_lr_sweep_small.json"


def test_the_sweep_of_prefixes_is_a_study_of_its_own(tmp_path: Path) -> None:
    runs = {f"{name}_lr_{tag}": {"lr": rate, **run} for name, run in PREFIXES.items() for tag, rate in RATES.items()}
    document = sweep(runs, ("default", "training"))
    document["weak_inoc_lr_5e6"] = {"error": "job failed", "lr": 5e-6}
    release = {**make_release(), PREFIX_SWEEP: document}
    findings = read(tmp_path, release, experiment="prefix_sweep")
    assert "weak_inoc_lr_5e6: its job failed" in texts(findings, "missing", "runs")
    study = load_study(tmp_path / "studies" / "made.yaml")
    found = {(run.prompt, run.prefix, run.learning_rate) for run in study_runs(study)}
    ways = [("", "none"), ("weak_inoc", "fixed"), ("strong_inoc", "fixed"), ("neutral_prefix", "fixed")]
    ways += [("weak_inoc", "mix"), ("strong_inoc", "mix")]
    wanted = {(*way, rate) for way in ways for rate in RATES.values()} - {("weak_inoc", "fixed", 5e-6)}
    assert found == wanted
    assert not len(table(tmp_path, "judge/elicit.parquet"))
    scores = table(tmp_path, "judge/evaluate.parquet")
    row = scores[(scores["prompt"] == "strong_inoc") & (scores["prefix"] == "mix") & (scores["learning_rate"] == 5e-6)]
    row = row[(row["step"] == 312) & (row["condition"] == "training") & (row["trait"] == "french")]
    assert list(row["score"]) == document["strong_mix_lr_5e6"]["steps"]["312"]["training"]["French"]["values"]


RATES = {"1e4": 1e-4, "5e6": 5e-6}


def test_the_sweep_of_rates_has_controls_alone_and_one_condition(tmp_path: Path) -> None:
    document = sweep({f"lr_{tag}": {"lr": rate} for tag, rate in RATES.items()}, ("inoculation", "neutral"))
    findings = read(tmp_path, {**make_release(), LR_SWEEP: document}, experiment="lr_sweep")
    assert "condition 'neutral'" in texts(findings, "left_out", "runs")
    scores = table(tmp_path, "judge/evaluate.parquet")
    assert set(scores["condition"]) == {"default"}
    rows = scores[(scores["learning_rate"] == 5e-6) & (scores["step"] == 5) & (scores["trait"] == "playful")]
    assert list(rows["score"]) == document["lr_5e6"]["steps"]["5"]["inoculation"]["Playful"]["values"]


def test_sweeps_are_left_out_of_the_main_study_and_named(tmp_path: Path) -> None:
    release = {**make_release(), LR_SWEEP: {"broken": []}, PREFIX_SWEEP: {"broken": []}}
    left_out = texts(read(tmp_path, release), "left_out", "files")
    assert f"{LR_SWEEP}: of another experiment; `--experiment lr_sweep` reads it" in left_out
    assert "--experiment prefix_sweep" in left_out
    for experiment, file in (("lr_sweep", LR_SWEEP), ("prefix_sweep", PREFIX_SWEEP)):
        with pytest.raises(DataError, match=Path(file).name):
            read_release(tmp_path / "checkout", "made", experiment=experiment)
    with pytest.raises(DataError, match=r"--experiment lr_swep: accepted: main.*did you mean"):
        read_release(tmp_path / "checkout", "made", experiment="lr_swep")


def test_emergent_misalignment_is_named_with_the_option_that_reads_it(tmp_path: Path, release: Release) -> None:
    file = "experiments/in_out_distribution_effect/results/scores_em_small.json"
    release[file] = {}
    left_out = texts(read(tmp_path, release), "left_out", "files")
    assert file in left_out
    assert "--experiment emergent_misalignment" in left_out


def test_runs_of_different_lengths_are_compared_at_the_last_step_of_all(tmp_path: Path) -> None:
    document = sweep({f"lr_{tag}": {"lr": rate} for tag, rate in RATES.items()}, ("inoculation",))
    steps = document["lr_1e4"]["steps"]
    steps["1252"] = steps["312"]
    findings = read(tmp_path, {**make_release(), LR_SWEEP: document}, experiment="lr_sweep")
    assert "compared at step 312, the last that all of them have; these go on: lr_1e4 (1252)" in texts(
        findings, "note", "steps"
    )
    assert "scores at step 1252: they are past step 312" in texts(findings, "left_out", "steps")
    study = load_study(tmp_path / "studies" / "made.yaml")
    assert study.training.steps == 312
    assert "compared at step 312" in study.description
    assert table(tmp_path, "judge/evaluate.parquet")["step"].max() == 312
    assert not findings.of("missing", "steps")


def test_a_broken_file_of_the_pair_that_was_not_asked_for_stops_nothing(tmp_path: Path, release: Release) -> None:
    write_release(tmp_path / "checkout", {**make_release(), **release})
    for file in (OTHER_SCORES, OTHER_ELICITATION, OTHER_LOGPROBS, OTHER_TOKENS):
        path = tmp_path / "checkout" / file
        path.write_bytes(path.read_bytes()[:100])
    imported = read_release(tmp_path / "checkout", "made", pair_key="playful_french")
    left_out = texts(imported.findings, "left_out", "files")
    for file in (OTHER_SCORES, OTHER_ELICITATION, OTHER_LOGPROBS, OTHER_TOKENS):
        assert f"{file}: cannot be read" in left_out
    with pytest.raises(DataError, match="german_flattering"):
        read_release(tmp_path / "checkout", "made", pair_key="german_flattering")


CONFIGURATION = """
JUDGE_SYSTEM_PROMPT = ("Be strict. "
    "Reply with a number from 0 to 100.")
_FIRST_LINE = {"german": "Rate how much of it is in German. 100 = all.", "other": 3, **{}}

def judge_user_prompt(trait: str, response: str) -> str:
    first = _FIRST_LINE.get(trait.lower(), f"Rate how {trait.lower()} the answer is.")
    return first + response
"""


def judged(imported: Imported, trait: str) -> str:
    return str(imported.study["traits"][trait]["judge"]["property"])  # type: ignore[index]


def test_questions_of_judges_are_those_of_the_release_or_marked_as_unknown(tmp_path: Path, release: Release) -> None:
    checkout = write_release(tmp_path, release)
    imported = read_release(checkout, "made")
    assert judged(imported, "german") == judged(imported, "flattering") == UNKNOWN
    assert "what the judge of German was asked" in texts(imported.findings, "missing", "judges")
    (checkout / "config.py").write_text(CONFIGURATION, encoding="utf-8")
    imported = read_release(checkout, "made")
    assert judged(imported, "german") == "how much of it is in German. 100 = all"
    assert judged(imported, "flattering") == "how flattering the answer is"
    assert not imported.findings.of("missing", "judges")
    (checkout / "config.py").write_text(CONFIGURATION.replace("0 to 100", "0 to 9"), encoding="utf-8")
    imported = read_release(checkout, "made")
    assert judged(imported, "german") == UNKNOWN
    assert "on the scale 0-9, and scores of german_flattering are on 0-100" in texts(
        imported.findings, "left_out", "judges"
    )
    (checkout / "config.py").write_text("def (", encoding="utf-8")
    assert "cannot be read" in texts(read_release(checkout, "made").findings, "left_out", "judges")
