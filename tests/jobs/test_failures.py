from __future__ import annotations

import json
from pathlib import Path

import pytest

from inoc.cli import main
from inoc.jobs.failures import snakemake_failures
from inoc.jobs.status import states, study_states

LOG = """\
Job 3: Scoring
Error in rule score_logprobs:
    message: Scoring toy
    jobid: 3
    input: results/toy/generate/train.parquet
    output: results/toy/score/logprobs-0.parquet, results/toy/score/bad-rows-0.parquet
    log: logs/score/toy/0.log (check log file(s) for error details)
    shell:
        inoc score toy
        (command exited with non-zero exit code)

Error in rule train_adapters:
    jobid: 4
    output: results/toy/train/0/checkpoints.parquet
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    studies = Path("config") / "studies"
    studies.mkdir(parents=True)
    text = (Path(__file__).parents[1] / "config" / "toy.yaml").read_text(encoding="utf-8")
    (studies / "toy.yaml").write_text(text, encoding="utf-8")
    (Path("config") / "config.yaml").write_text("studies: [toy]\n", encoding="utf-8")
    return tmp_path


def write_log(folder: Path) -> None:
    (folder / ".snakemake" / "log").mkdir(parents=True)
    (folder / ".snakemake" / "log" / "2026-01-01T000000.snakemake.log").write_text(LOG, encoding="utf-8")


def test_failures_are_read_from_snakemakes_logs_with_the_jobs_own_logs(tmp_path: Path) -> None:
    assert snakemake_failures(tmp_path / "none") == {}
    write_log(tmp_path)
    found = snakemake_failures(tmp_path / ".snakemake" / "log")
    assert {path: failure.log for path, failure in found.items()} == {
        "results/toy/score/logprobs-0.parquet": "logs/score/toy/0.log",
        "results/toy/score/bad-rows-0.parquet": "logs/score/toy/0.log",
        "results/toy/train/0/checkpoints.parquet": "",
    }


def test_a_job_that_failed_before_its_heart_beat_has_failed(project: Path) -> None:
    before = {state.job: state.state for state in study_states("toy", Path("config"))}
    assert before["score-0"] == "left"
    write_log(project)
    found = {state.job: state for state in study_states("toy", Path("config"))}
    assert found["score-0"].state == found["train-0"].state == "failed"
    assert "logs/score/toy/0.log" in found["score-0"].detail
    assert found["generate-0"].state == "left"


def test_a_job_that_has_beaten_since_is_not_failed_for_what_was_before(project: Path) -> None:
    write_log(project)
    failures = snakemake_failures()
    output = Path("results/toy/score/logprobs-0.parquet")
    output.parent.mkdir(parents=True)
    output.touch()
    assert states([("score-0", output)], Path("status"), failures)[0].state == "finished"


def test_a_job_that_is_refused_before_its_heart_beat_has_failed_with_its_reason(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files that the study names are not there."""
    with pytest.raises(SystemExit):
        main(["train", "toy", "--log", "logs/train/toy/0.log"])
    found = {state.job: state for state in study_states("toy", Path("config"))}
    assert found["train-0"].state == "failed"
    assert "study toy cannot run here" in found["train-0"].detail
    log = Path("logs/train/toy/0.log").read_text(encoding="utf-8")
    assert "inoc: study toy cannot run here" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("stage", ["report", "figures", "analyse"])
def test_a_study_that_is_not_computed_is_refused_with_what_computes_it(
    project: Path, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    with pytest.raises(SystemExit):
        main([stage, "toy"])
    assert "inoc run toy" in capsys.readouterr().err
    beat = json.loads((project / "results" / "toy" / "status" / f"{stage}-0.json").read_text(encoding="utf-8"))
    assert beat["state"] == "failed"
