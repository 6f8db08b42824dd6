"""Nothing asks a GPU before a job has taken one: CUDA sees for ever what it saw when it started."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from inoc.config.workflow import Workflow
from inoc.jobs import make
from inoc.jobs.manifest import chosen_devices, used_device
from support.toy import toy_study

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("stage", ["score", "elicit"])
def test_a_job_is_made_without_asking_a_gpu(stage, tiny_folder, tmp_path, monkeypatch):
    study = toy_study(tiny_folder, model={"dtype": "bfloat16", "compute": "fp8"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(make, "load_study", lambda *_: study)
    monkeypatch.setattr(make, "load_workflow", lambda _: Workflow())

    def asked(*_: object) -> bool:
        raise AssertionError("CUDA was started")

    for name in ("is_available", "get_device_capability", "device_count", "init", "_lazy_init"):
        monkeypatch.setattr(torch.cuda, name, asked)
    (made,) = make.make_jobs(study.name, tmp_path / "config", stage, argparse.Namespace())
    assert made.job.stage == stage


@pytest.mark.parametrize(
    ("stage", "gpus", "expected"),
    [("score", None, [1]), ("elicit", None, [1]), ("train", None, [1]), ("train", 2, [2]), ("analyse", None, [])],
)
def test_a_job_with_a_model_takes_its_gpus_before_anything_else(
    stage, gpus, expected, tiny_folder, tmp_path, monkeypatch
):
    study, order = toy_study(tiny_folder), list[object]()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(make, "load_study", lambda *_: study)
    monkeypatch.setattr(make, "load_workflow", lambda _: Workflow())
    monkeypatch.setattr(make, "take_devices", lambda _, n: order.append(n))
    monkeypatch.setattr(make, "check_inputs", lambda *_, **__: order.append("checked"))
    monkeypatch.setattr(make, "_refuse_uncomputed", lambda *_: order.append("checked"))
    options = argparse.Namespace(gpus=gpus)
    assert list(make.make_jobs(study.name, tmp_path / "config", stage, options, mark=True))
    assert order == [*expected, "checked"]
    order.clear()
    list(make.make_jobs(study.name, tmp_path / "config", stage, options))  # looked at, not run
    assert order == ["checked"]


@pytest.mark.parametrize("study", ["mini", "mini_emergent", "mini_subliminal", "mini_preferences", "smoke_comparison"])
def test_what_a_study_needs_is_known_without_libraries_that_ask_a_gpu(study):
    program = (
        "import sys, inoc.engines.devices\n"
        "from inoc.jobs.make import load_study, needs_of\n"
        "needs_of(load_study(sys.argv[1]))\n"
        "print(sorted({'torch', 'transformers', 'bitsandbytes', 'peft', 'accelerate'} & set(sys.modules)))"
    )
    run = [sys.executable, "-c", program, study]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_manifest_names_the_devices_that_were_assigned(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert chosen_devices() == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert chosen_devices() == {"devices": "2"}


def test_a_manifest_names_the_device_that_was_computed_on(monkeypatch):
    assert used_device() == {}
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid=f"GPU-{number}"))
    assert used_device() == {"device_id": "GPU-1"}
