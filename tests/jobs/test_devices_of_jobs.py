"""Nothing asks a GPU before a job has taken one: CUDA sees for ever what it saw when it started."""

from __future__ import annotations

import argparse

import pytest
import torch

from inoc.config.workflow import Workflow
from inoc.jobs import make
from inoc.jobs.manifest import chosen_devices
from support.toy import toy_study


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


def test_a_manifest_names_the_devices_that_were_assigned(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert chosen_devices() == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert chosen_devices() == {"devices": "2"}
