"""The experiment on emergent misalignment: runs of all kinds, sets of questions, losses and rates."""

from __future__ import annotations

import copy
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from inoc.cli import main
from inoc.config.load import load_study
from inoc.errors import DataError
from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.pairs import MISALIGNMENT
from inoc.studies.inoculation.released.release import read_release
from inoc.studies.inoculation.released.write import write_import
from inoc.studies.inoculation.runs import question_sets, study_runs
from inoc.tables import read_table
from support.releases import (
    MISALIGNED,
    MISALIGNED_LOSSES,
    MISALIGNED_POOLS,
    MISALIGNED_QUESTIONS,
    N_EVAL,
    SETS,
    Release,
    make_misaligned_release,
    make_release,
    write,
    write_release,
)

RELEASE = make_misaligned_release()
RUNS = {
    "no_inoculation": ("", "none", ""),
    "evil_v1": ("evil_v1", "fixed", ""),
    "evil_v1_mix": ("evil_v1", "mix", ""),
    "evil_v1_close_mix": ("evil_v1", "close", ""),
    "advice_v1": ("advice_v1", "fixed", ""),
    "advice_v1_mix": ("advice_v1", "mix", ""),
    "advice_v1_close_mix": ("advice_v1", "close", ""),
    "reckless_advice_v1_mix": ("reckless_advice_v1", "surface", ""),
    "no_inoc_subtle_data": ("", "none", "subtle"),
}


def read(folder: Path, release: Release, **options: Any) -> Findings:
    checkout = write_release(folder / "checkout", release)
    imported = read_release(checkout, "made", experiment=MISALIGNMENT, **options)
    write_import(imported, "made", folder / "results", folder / "config" / "studies")
    return imported.findings


def table(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / "results" / "made" / f"{name}.parquet")


def texts(findings: Findings, level: str, topic: str) -> str:
    return "\n".join(f"{item.place}: {item.text}" for item in findings.of(level, topic))


def test_runs_of_all_kinds_are_runs_of_the_study(tmp_path: Path) -> None:
    read(tmp_path, RELEASE)
    study = load_study(tmp_path / "config" / "studies" / "made.yaml")
    assert {(run.prompt, run.prefix, run.data) for run in study_runs(study)} == set(RUNS.values())
    assert question_sets(study) == list(SETS.values())
    assert study.placement == "system"
    assert study.training.steps == 181
    assert {name: sorted(group.texts) for name, group in study.prompts.items()} == {
        "ood_general": ["evil_v1"],
        "in_dist": ["advice_v1", "reckless_advice_v1"],
    }


def test_every_score_of_every_set_is_in_the_table(tmp_path: Path) -> None:
    read(tmp_path, RELEASE)
    keys = ["prompt", "prefix", "data", "step", "condition", "trait", "set"]
    scores = table(tmp_path, "judge/evaluate").assign(set=lambda rows: rows["instruction_id"].str.split("-").str[0])
    cells = {key: rows["score"].to_numpy() for key, rows in scores.groupby(keys)}
    for name, run in RELEASE[MISALIGNED].items():
        prompt, prefix, data = RUNS[name]
        for step, sets in run["steps"].items():
            for theirs, ways in sets.items():
                for way, cell in ways.items():
                    for trait in ("coherence", "alignment"):
                        found = cells.pop((prompt, prefix, data, int(step), way, trait, SETS[theirs]), None)
                        if prompt or way == "default":
                            np.testing.assert_array_equal(found, cell[trait]["values"])
                        else:
                            assert found is None
    assert not cells


def test_rates_of_the_analysis_are_the_released_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_release(tmp_path / "checkout", RELEASE)
    monkeypatch.chdir(tmp_path)
    main(["import", "trait-inoculation", "checkout", "--study", "made", "--experiment", MISALIGNMENT])
    (tmp_path / "config" / "config.yaml").write_text("studies: [made]\n", encoding="utf-8")
    main(["analyse", "made"])
    rates = table(tmp_path, "analyse/rates")
    keys = ["prompt", "prefix", "data", "questions", "step", "condition"]
    found = rates[(rates["seed"] == "all") & (rates["run"] != "base")].set_index(keys)["value"].to_dict()
    for name, run in RELEASE[MISALIGNED].items():
        for step, sets in run["steps"].items():
            for theirs, ways in sets.items():
                for way, cell in ways.items():
                    if RUNS[name][0] or way == "default":
                        place = (*RUNS[name], SETS[theirs], int(step), way)
                        assert found.pop(place) == pytest.approx(cell["em_rate"], abs=1e-12)
    assert not found
    base = rates[(rates["run"] == "base") & (rates["asked_prompt"] == "") & (rates["questions"] == "free_form")]
    control = RELEASE[MISALIGNED]["no_inoculation"]["steps"]["0"]["em"]["default"]["em_rate"]
    assert list(base["value"]) == pytest.approx([control])
    assert len(table(tmp_path, "analyse/suppression"))


def test_losses_pools_and_questions_are_read(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for key in ("evil_v1", "evil_v1_close", "reckless_advice_v1", "nobody"):
        write(checkout / MISALIGNED_POOLS / f"{key}.jsonl", '{"rephrasing": "Be bad."}\n{"rephrasing": "Do harm."}\n')
    questions = [f"Why {index}?" for index in range(N_EVAL)]
    lines = "".join(json.dumps({"question": text, "category": "x"}) + "\n" for text in questions)
    write(checkout / MISALIGNED_QUESTIONS, lines)
    findings = read(tmp_path, RELEASE)
    assert set(table(tmp_path, "train/0/losses")["run"]) == {
        run.name for run in study_runs(load_study(tmp_path / "config" / "studies" / "made.yaml"))
    }
    pools = table(tmp_path, "rephrase/pools")
    assert set(zip(pools["prompt"], pools["pool"], strict=True)) == {
        ("evil_v1", "mix"),
        ("evil_v1", "close"),
        ("reckless_advice_v1", "surface"),
    }
    assert "nobody.jsonl" in texts(findings, "left_out", "pools")
    asked = table(tmp_path, "generate/eval")
    assert list(asked[asked["questions"] == "free_form"]["instruction"]) == questions
    write(checkout / MISALIGNED_QUESTIONS, "".join(lines.splitlines(keepends=True)[:-1]))
    assert f"{N_EVAL - 1} questions, and there are scores of {N_EVAL}" in texts(
        read_release(checkout, "made", experiment=MISALIGNMENT).findings, "left_out", "files"
    )


def test_jobs_that_failed_and_prompts_without_a_text_are_named(tmp_path: Path) -> None:
    release = copy.deepcopy(RELEASE)
    release[MISALIGNED]["evil_v1"] = {"error": "job failed", "type": "fixed"}
    findings = read(tmp_path, release)
    assert "evil_v1: its job failed" in texts(findings, "missing", "runs")
    left_out = texts(findings, "left_out", "prompts")
    assert "evil_v1_mix" in left_out
    assert "evil_v1_close_mix" in left_out
    assert not len(table(tmp_path, "judge/evaluate").query("prompt == 'evil_v1'"))


def test_a_broken_file_of_losses_stops_nothing(tmp_path: Path) -> None:
    release = {**RELEASE, MISALIGNED_LOSSES: {"no_inoculation": [{"loss": 1}]}}
    findings = read(tmp_path, release)
    assert MISALIGNED_LOSSES in texts(findings, "left_out", "losses")
    assert not len(table(tmp_path, "train/0/losses"))


def test_trials_and_files_of_the_other_experiments_are_named(tmp_path: Path) -> None:
    trial = MISALIGNED.replace(".json", "_debug.json")
    findings = read(tmp_path, {**RELEASE, trial: {}, **make_release()})
    left_out = texts(findings, "left_out", "files")
    assert f"{trial}: a trial of the code" in left_out
    assert all(place in left_out for place in make_release())


CELL = ("evil_v1", "steps", "181", "em", "default")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((*CELL, "em_rate"), 0.987, "the rate is said to be 0.987"),
        ((*CELL, "n_em_pairs"), 3, "3 pairs of scores"),
        ((*CELL, "em_coherence_threshold"), 50, "rate is said|several thresholds"),
        ((*CELL, "coherence", "values", 1), 101, "accepted: 0 to 100"),
        ((*CELL, "coherence", "mean"), 1.0, "not of one measurement"),
        ((*CELL, "coherence"), None, "expected an object"),
        (("evil_v1", "steps", "181", "em", "sideways"), {}, "expected the condition"),
        (("evil_v1", "steps", "x"), {}, "expected a step"),
        (("evil_v1", "steps"), {}, "no scores"),
        (("evil_v1", "type"), "mixed", "expected 'fixed' or 'mix'"),
        (("evil_v1", "system_prompt"), 3, "expected a text"),
        (("evil_v1_mix", "rephrasings_key"), None, "expected a text"),
        (("evil_v1_mix", "rephrasings_key"), "advice_v1", "same prompt and training"),
        (("a b",), {"type": "fixed"}, "cannot be a key"),
    ],
)
def test_a_refusal_names_file_and_place(tmp_path: Path, place: tuple[Any, ...], value: Any, message: str) -> None:
    release = copy.deepcopy(RELEASE)
    parent: Any = release[MISALIGNED]
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    with pytest.raises(DataError, match=rf"{re.escape(MISALIGNED)}.*(?:{message})"):
        read(tmp_path, release)


def test_a_file_cut_off_anywhere_is_refused_by_name(tmp_path: Path) -> None:
    checkout = write_release(tmp_path, RELEASE)
    whole = (checkout / MISALIGNED).read_bytes()
    for size in np.linspace(0, len(whole) - 1, 12).astype(int):
        (checkout / MISALIGNED).write_bytes(whole[:size])
        with pytest.raises(DataError, match=re.escape(MISALIGNED)):
            read_release(checkout, "made", experiment=MISALIGNMENT)


def test_a_cell_of_which_every_score_failed_has_no_rate(tmp_path: Path) -> None:
    release = copy.deepcopy(RELEASE)
    cell = release[MISALIGNED]["evil_v1"]["steps"]["0"]["fa"]["default"]
    lost = {"values": [math.nan] * N_EVAL, "mean": None, "n_nan": N_EVAL}
    cell |= {"coherence": lost, "em_rate": math.nan, "n_em_pairs": 0}
    read(tmp_path, release)
    assert table(tmp_path, "judge/evaluate")["score"].isna().sum() >= N_EVAL


def test_without_scores_and_with_a_pair_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no scores of this experiment"):
        read(tmp_path / "a", make_release())
    with pytest.raises(DataError, match="--pair"):
        read(tmp_path / "b", RELEASE, pair_key="playful_french")
    with pytest.raises(DataError, match=r"--step 7.*0, 181"):
        read(tmp_path / "c", RELEASE, step=7)
