"""`--json` of `status`, `plan` and `config check`: the same facts, for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inoc.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def told(capsys, *arguments):
    main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_status_has_a_state_for_every_job_and_their_counts(capsys, monkeypatch, tmp_path):
    config = ROOT / "config"
    monkeypatch.chdir(tmp_path)
    found = told(capsys, "status", str(config / "studies/smoke.yaml"), "--config", str(config))
    assert {job["state"] for job in found["jobs"]} == {"left"}
    assert found["counts"]["left"] == len(found["jobs"]) > 5


@pytest.mark.parametrize("study", ["smoke", "smoke_likelihood_shift"])
def test_a_plan_has_a_row_for_each_stage_and_their_sum(capsys, study):
    found = told(capsys, "plan", study)
    for amount in ("jobs", "tokens", "gpu_hours", "disk"):
        assert found["total"][amount] == pytest.approx(sum(row[amount] for row in found["stages"]))
    assert found["assumptions"]["gpu"] == "h200"


def test_what_is_unknown_is_null_in_a_plan(capsys, tmp_path):
    (tmp_path / "unnamed.yaml").write_text(
        f"extends: {ROOT}/config/studies/playful_french_7b.yaml\nname: unnamed\nmodel: {{path: some/model}}\n"
    )
    found = told(capsys, "plan", str(tmp_path / "unnamed.yaml"))
    assert found["total"]["gpu_hours"] is None
    assert found["assumptions"]["weights"] is None


def test_a_valid_study_is_summarised(capsys):
    found = told(capsys, "config", "check", "smoke")
    assert found["valid"] is True
    assert "runs" in found["summary"]


def test_every_mistake_of_a_study_is_an_item_of_its_own(capsys, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(f"extends: {ROOT}/config/studies/smoke.yaml\nname: wrong\ntraining: {{batch_size: 0, stepz: 3}}\n")
    with pytest.raises(SystemExit) as stopped:
        told(capsys, "config", "check", str(path))
    found = json.loads(capsys.readouterr().out)
    assert stopped.value.code == 1
    assert found["valid"] is False
    assert len(found["problems"]) == 2
    assert all(f"{path}:3" in problem for problem in found["problems"])


def test_a_study_that_is_not_there_is_one_problem(capsys):
    with pytest.raises(SystemExit):
        told(capsys, "config", "check", "smokes")
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "smoke" in problem
