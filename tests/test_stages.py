"""A toy kind and a toy stage join by one entry in a list each; everything else follows from their declarations."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from inoc import stages
from inoc.cli import main
from inoc.config.load import load_study
from inoc.errors import ConfigError
from inoc.jobs.work import expected_jobs, works_of
from inoc.stages import Kind, all_stages, kind_named, load, shard_keys
from inoc.tables import read_table

STUDY = """
kind: toy
name: small
title: A small one
model: {path: world}
prompts: {clown: You are a clown., sky: The sky is blue.}
"""
REFERENCES = (
    "study",
    "problems",
    "needs",
    "summary",
    "work",
    "costs",
    "figures",
    "contents",
    "tables",
    "commands",
    "imports",
    "compared",
)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a study of the toy kind, as its folder."""
    monkeypatch.setitem(stages.KINDS, "toy", "support.toy_kind")
    (tmp_path / "config" / "studies").mkdir(parents=True)
    (tmp_path / "config" / "config.yaml").write_text("studies: [small]\n")
    (tmp_path / "config" / "studies" / "small.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", stages.kinds(), ids=lambda kind: kind.name)
def test_everything_that_a_kind_names_is_there(kind: Kind) -> None:
    for name in REFERENCES:
        reference = getattr(kind, name)
        assert not reference or load(reference) is not None
    assert {work.stage for work in load(kind.work)} == set(kind.passes) <= set(all_stages())
    for work in load(kind.work):
        assert callable(load(work.plan))
        assert work.part in ("", *kind.parts.get(work.stage, ()))


def test_the_kind_decides_what_a_file_may_say(toy: Path) -> None:
    assert type(load_study("small")).__module__ == "support.toy_kind.parts"
    (toy / "config" / "studies" / "small.yaml").write_text(STUDY + "traits: {}\n")
    with pytest.raises(ConfigError, match=r"traits = \{\}: unknown key; accepted: kind, name"):
        load_study("small")
    (toy / "config" / "studies" / "small.yaml").write_text(STUDY.replace("kind: toy", "kind: tpy"))
    with pytest.raises(ConfigError, match=r'small.yaml:2: kind = "tpy": there is no such kind .*did you mean "toy"'):
        load_study("small")


def test_a_study_without_a_kind_is_of_the_first_one() -> None:
    root = Path(__file__).parents[1] / "config"
    assert load_study("smoke", root).kind == "inoculation"


def test_a_toy_kind_runs_from_its_file_to_its_report(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("rephrase", "analyse", "figures", "report"):
        main([verb, "small", *(["--jobs", "1"] if verb == "figures" else [])])
    results = toy / "results" / "small"
    assert dict(read_table(results / "analyse" / "pool_sizes.parquet").to_numpy()) == {"clown": 3, "sky": 3}
    assert (results / "figures" / "sizes.svg").exists()
    assert "Sizes of the pools" in (results / "report" / "appendix.html").read_text()
    assert json.loads((results / "analyse" / "manifest-0.json").read_text())["summary"].startswith("1 tables")
    capsys.readouterr()
    main(["status", "small"])
    assert "4 finished, 0 left" in capsys.readouterr().out
    main(["plan", "small"])
    assert "2 pools" in capsys.readouterr().out
    main(["config", "check", "small"])
    assert capsys.readouterr().out == "small: 2 prompts\n"


def test_a_stage_that_a_kind_does_not_pass_is_refused(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["score", "small"])
    assert (
        "studies of kind toy have no stage 'score'; they pass: rephrase, analyse, figures, report"
        in capsys.readouterr().err
    )


def test_a_toy_stage_has_a_verb_shards_and_a_place_among_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "STAGES", (*stages.STAGES[:3], "support.toy_stage", *stages.STAGES[3:]))
    assert list(all_stages())[3] == "count"
    assert "count" in shard_keys()
    with pytest.raises(SystemExit) as end:
        main(["count", "--help"])
    assert end.value.code == 0


def test_no_shared_stage_knows_a_kind_of_study() -> None:
    """The import contracts say so too; this one needs no tool."""
    source = Path(stages.__file__).parent
    shared = [source / package.rpartition(".")[2] for package in stages.STAGES]
    found = subprocess.run(
        ["grep", "-rlE", r"inoc\.studies", "--include=*.py", *map(str, shared)], capture_output=True, text=True
    )
    assert found.stdout == ""


def test_the_jobs_of_a_study_are_those_of_its_kind(toy: Path) -> None:
    from inoc.jobs.paths import Paths

    study = load_study("small")
    jobs = [one.job for one in expected_jobs(study, Paths(Path("results"), "small"), {})]
    assert jobs == ["rephrase-0", "analyse-0", "figures-0", "report-0"]
    assert len(works_of(study)) == len(kind_named("toy").passes)
