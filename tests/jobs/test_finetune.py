"""`inoc finetune`: jobs behind the API are listed, cancelled and allowed again from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from inoc.api import Api
from inoc.cli import main
from inoc.errors import ApiError
from support.asking import KEY, spec, tunings
from support.server import Server


@pytest.fixture
def config(server: Server, tmp_path: Path) -> Path:
    """A folder with a `config.yaml` that names the server, with one job under way that does not end."""
    folder = tmp_path / "config"
    folder.mkdir()
    text = spec(server).model_dump_json()
    (folder / "config.yaml").write_text(f"studies: []\nstore: {tmp_path / 'store'}\napi: {text}\n", encoding="utf-8")
    server.tuner.looks = 1_000_000
    with pytest.raises(ApiError, match="has not ended"):
        Api(spec(server, tuning_hours=5e-5), tmp_path / "store").tune(tunings(1))
    return folder


def said(config: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    main(["finetune", *arguments, "--config", str(config)])
    return capsys.readouterr().out


def test_a_job_is_listed_cancelled_and_allowed_again(
    server: Server, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "planned    student 0  ftjob-0  0.0000 dollars" in said(config, capsys, "list")
    assert "held" in said(config, capsys, "list")
    assert "cancelled  student 0" in said(config, capsys, "cancel", "student 0")
    assert server.tuner.jobs["ftjob-0"]["status"] == "cancelled"
    assert "creates its job, and pays for it" in said(config, capsys, "again", "ftjob-0")
    assert "no job yet" in said(config, capsys, "list")


def test_a_name_of_no_job_is_refused_without_a_traceback(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        said(config, capsys, "cancel", "nobody")
    words = capsys.readouterr().err
    assert "'nobody' means 0 fine-tunings; accepted: one of student 0" in words
    assert KEY not in words
