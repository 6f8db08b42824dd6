"""Answers of any model to any chats, and a kind of study that plans sampling, choosing and reading."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from inoc import stages
from inoc.chat.messages import Chat
from inoc.cli import main
from inoc.config.models import Sampling, SystemTurn
from inoc.engines.sampling import Block
from inoc.errors import ConfigError
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.sample.answers import Question, answers_plan
from inoc.sample.step import run
from inoc.store import Store
from inoc.tables import read_table
from inoc.vectors.steering import Steering
from inoc.vectors.vector import Vector
from support.running import ROOT, SNAKEMAKE

STUDY = """
kind: asking
name: small
title: A small one
model: {{path: {model}, dtype: float32}}
asked: {{owl: Where does the owl live?, apple: What color is the apple?, hm: Hm?}}
sampling: {{max_tokens: 4, n: 2}}
"""
CHATS = {"owl": Chat(SystemTurn(), "Where does the owl live?"), "apple": Chat(SystemTurn(), "What color is the apple?")}


def sampled(tiny_model, root, n=1, questions=None, **changes):
    """The job that has answered, and its table."""
    job = Job("toy", Paths(root / "results", "toy"), Store(root / "store"), "sample")
    asked = questions or [Question(key, chat) for key, chat in CHATS.items()]
    sampling = Sampling(max_tokens=4, n=n, **changes)
    run(job, answers_plan(tiny_model, asked, sampling, root / f"{n}.parquet"))
    return job, read_table(root / f"{n}.parquet")


def test_further_answers_compute_only_the_new_ones(tiny_model, tmp_path):
    first, one = sampled(tiny_model, tmp_path)
    assert (len(first.store.made), len(first.store.found)) == (1, 0)
    more, three = sampled(tiny_model, tmp_path, n=3)
    assert (len(more.store.made), len(more.store.found)) == (2, 1)
    assert one.equals(three[three["sample"] == 0].reset_index(drop=True))
    assert list(three["sample"]) == [0, 0, 1, 1, 2, 2]
    assert three.groupby("id")["completion"].nunique().max() > 1  # each answer has a seed of its own


def test_the_number_of_answers_is_no_part_of_a_key():
    def key(n):
        identity = type("Identity", (), {"as_key": lambda self: {}, "stops": ()})()
        return Block("base", tuple(CHATS.values()), ("owl", "apple"), Sampling(n=n), "").unit(identity).key

    assert key(1) == key(5)
    assert "n" not in Sampling().in_key()


def test_a_study_that_takes_one_answer_refuses_several(tmp_path):
    from inoc.config.load import load_study

    shutil.copytree(ROOT / "config", tmp_path / "config")
    study = tmp_path / "config" / "studies" / "own.yaml"
    study.write_text("extends: smoke.yaml\nname: own\nevaluation: {sampling: {n: 2}}\n")
    with pytest.raises(ConfigError, match=r"evaluation.sampling.n = 2: .*one answer per question; accepted: 1"):
        load_study("own", tmp_path / "config")


def test_two_questions_of_one_id_are_refused(tiny_model, tmp_path):
    asked = [Question("owl", chat) for chat in CHATS.values()]
    with pytest.raises(ConfigError, match="two questions have the id 'owl'"):
        answers_plan(tiny_model, asked, Sampling(), tmp_path / "a.parquet")


def steered(coefficients, identity="owl"):
    vector = Vector("v", np.random.default_rng(0).standard_normal(64), "embed", "weights")
    return [
        Question(f"owl {one}", CHATS["owl"], steering=Steering(vector, one, units="raw"), identity=identity)
        for one in coefficients
    ]


def test_steered_answers_need_their_zero(tiny_model, tmp_path):
    with pytest.raises(ConfigError, match=r"coefficients \[1.0, 2.0\] .*Add 0"):
        sampled(tiny_model, tmp_path, questions=steered([1.0, 2.0]))
    _, table = sampled(tiny_model, tmp_path, questions=steered([0.0, 3.0]))
    assert list(table["coefficient"]) == [0.0, 3.0]
    assert set(table["vector"]) == {"v"}
    _, plain = sampled(tiny_model, tmp_path, questions=[Question("owl", CHATS["owl"])])
    assert table["completion"][0] == plain["completion"][0]  # one identity, so the same draws


@pytest.fixture
def project(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a study of the asking kind, as its folder."""
    monkeypatch.setitem(stages.KINDS, "asking", "support.asking_kind")
    (tmp_path / "config" / "studies").mkdir(parents=True)
    (tmp_path / "config" / "config.yaml").write_text("studies: [small]\nshards: {small: {sample: 2}}\n")
    (tmp_path / "config" / "studies" / "small.yaml").write_text(STUDY.format(model=tiny_folder))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_kind_that_samples_chooses_and_reads_runs_by_its_verbs(project, capsys):
    main(["config", "check", "small"])
    for verb in ("sample small plain", "choose small colours", "read small states", "read small onto", "analyse small"):
        main(verb.split())
    results = project / "results" / "small"
    sizes = dict(read_table(results / "analyse" / "pool_sizes.parquet").to_numpy())
    assert sizes["sample/plain/0"] + sizes["sample/plain/1"] == 6  # three questions, two answers each, in two shards
    assert {key: n for key, n in sizes.items() if not key.startswith("sample")} == {
        "choose/colours/0": 3,
        "read/states/0": 6,
        "read/onto/0": 6 * 2 * 2,
    }
    manifests = {path.stem for path in results.glob("*/manifest-*.json")}
    assert {"manifest-plain-1", "manifest-colours-0", "manifest-states-0", "manifest-onto-0"} <= manifests
    digests = [json.loads((results / "read" / f"manifest-{part}-0.json").read_text()) for part in ("states", "onto")]
    assert len({one["settings_digest"] for one in digests}) == 2
    capsys.readouterr()
    main(["status", "small"])
    assert "6 finished, 2 left" in capsys.readouterr().out
    main(["plan", "small"])
    said = capsys.readouterr().out
    assert "2 of 2 units" in next(line for line in said.splitlines() if line.startswith("read"))
    main(["store", "explain", "small", "read"])
    assert "2 of 2 units are there" in capsys.readouterr().out


def snakemake(project: Path, *arguments: str) -> str:
    """Run the workflow there; its subprocesses learn of the kind by a module that Python imports at its start."""
    if not (project / "workflow").exists():
        for name in ("workflow", "profiles"):
            shutil.copytree(ROOT / name, project / name)
        shutil.copy(ROOT / "Snakefile", project / "Snakefile")
        (project / "site").mkdir()
        (project / "site" / "sitecustomize.py").write_text(
            "from inoc import stages\nstages.KINDS['asking'] = 'support.asking_kind'\n"
        )
    where = os.pathsep.join([str(project / "site"), str(ROOT / "src"), str(ROOT / "tests")])
    done = subprocess.run(
        [SNAKEMAKE, "--cores", "1", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": where},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def test_snakemake_plans_every_part_and_shard_of_the_stages(project):
    lines = snakemake(project, "--dry-run", "--quiet", "rules").splitlines()
    found = dict(line.split() for line in lines if len(line.split()) == 2 and line[0].islower())
    assert {name: n for name, n in found.items() if name.split("_")[0] in ("sample", "choose", "read", "project")} == {
        "sample_answers": "2",
        "choose_answers": "1",
        "read_activations": "1",
        "project_activations": "1",
    }


@pytest.mark.long
def test_snakemake_runs_the_stages_and_then_has_nothing_to_do(project):
    snakemake(project)
    results = project / "results" / "small"
    assert len(read_table(results / "analyse" / "pool_sizes.parquet")) == 5
    assert (results / "report" / "appendix.html").exists()
    assert "Nothing to be done" in snakemake(project)
    study = project / "config" / "studies" / "small.yaml"
    study.write_text(study.read_text() + "colours: [red, blue]\n")
    again = snakemake(project, "--dry-run", "--quiet", "rules")
    assert "choose_answers" in again
    assert not {"sample_answers", "read_activations"} & set(again.split())
