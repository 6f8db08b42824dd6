"""A tiny study of which a few stages are computed, and what has to hold for what Python and exports give of any."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import yaml

import inoc
from inoc.cli import main
from inoc.config.load import load_study
from inoc.jobs.paths import Paths
from inoc.store import Store
from support.jobs import StudyJob, run_job
from support.toy import STUDY, write_inputs

CONFIG = Path(__file__).parents[2] / "config" / "config.yaml"


def computed(root: Path, model: Path, name: str = "toy") -> Path:
    """A folder with a study file, and the results of generate, rephrase, elicit and judge."""
    (root / "config" / "studies").mkdir(parents=True)
    value = {
        **STUDY,
        "name": name,
        "model": {**STUDY["model"], "path": str(model)},
        "world": {},
        "rephrase": {"folder": "pools"},
        "data": {**STUDY["data"], "n_eval": 6},
    }
    (root / "config" / "studies" / f"{name}.yaml").write_text(yaml.safe_dump(value), encoding="utf-8")
    workflow = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    workflow |= {"studies": [name], "shards": {}, "train_gpus": {}}
    (root / "config" / "config.yaml").write_text(yaml.safe_dump(workflow), encoding="utf-8")
    study = load_study(name, root / "config")
    job = StudyJob(name, Paths(root / "results", name), Store(root / "store"), "elicit", of=study, split={})
    write_inputs(job, {"clown": ["Be a clown.", "Act as a clown."], "sky": ["Skies are blue."]})
    run_job(job)
    run_job(replace(job, stage="judge", part="elicit"))
    return root


def check_results(folder: Path, name: str, work: Path) -> None:
    """Whatever is computed of a study can be read from Python, and exported; every sampled chat is as it was asked."""
    results = inoc.load(name, config=folder / "config", results=folder / "results")
    assert {one.partition("/")[0] for one in results.tables()} >= {"analyse"}
    assert all(len(results.table(one).columns) for one in results.tables())
    chats = results.transcripts()
    sampled = ~chats["source"].str.startswith("generate/")
    assert sampled.any()
    assert chats.loc[sampled, "as_asked"].all()
    for messages, completion in zip(chats["messages"], chats["completion"], strict=True):
        assert [one["role"] for one in messages][-2:] == ["user", "assistant"]
        assert messages[-1]["content"] == completion
    assert not results.scores().empty
    shutil.rmtree(work, ignore_errors=True)
    arguments = ["export", name, "--config", str(folder / "config"), "--results", str(folder / "results")]
    for format in ("csv", "hf"):
        main([*arguments, "--format", format, "--out", str(work / format)])
    from datasets import load_dataset

    rows = load_dataset(str(work / "hf"), "completions", split="train", cache_dir=str(work / "cache"))
    assert rows["completion"] == list(chats["completion"])
