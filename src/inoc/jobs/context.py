"""From the command line's words to jobs, and the store's answers in words."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from inoc.config.load import check_api, check_inputs, load_study, load_workflow
from inoc.config.models import Shards, Workflow
from inoc.config.settings import settings_of
from inoc.digest import Json
from inoc.errors import ConfigError
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.stages import PACKAGES
from inoc.store import Store

RESULTS = Path("results")
READERS = ("analyse", "figures", "report")
"""Stages that read tables only: a study's data and judges need not be here for them."""
SHARDED_LIKE = {"elicit": "elicit", "score": "score", "train": "train", "evaluate": "train"}


def shard_count(stage: str, shards: Shards) -> int:
    """Into how many jobs a stage is split."""
    return int(getattr(shards, SHARDED_LIKE[stage])) if stage in SHARDED_LIKE else 1


def make_jobs(
    study_name: str, config: Path, stage: str, options: argparse.Namespace
) -> Iterator[tuple[Job, Mapping[str, Json]]]:
    """The jobs that a verb stands for: one, or one per shard if none is named.

    Raises:
        ConfigError: If the study is wrong, or the shard does not exist.
    """
    workflow = load_workflow(config / "config.yaml")
    study = load_study(study_name, config)
    if stage not in READERS:
        check_inputs(study, Path())
        check_api(study, workflow.api, stage, engine_spec=workflow.engine_api)
    shards = workflow.shards.get(study.name, Shards())
    chosen: int | None = None
    if getattr(options, "shard", None) is not None:
        chosen, shards = parse_shard(options.shard, stage, shards)
    for shard in range(shard_count(stage, shards)) if chosen is None else [chosen]:
        store = Store(store_folder(workflow, getattr(options, "store", None)))
        part = getattr(options, "part", "") or ""
        job = Job(study, Paths(RESULTS, study.name), store, stage, shard, shards, part, workflow.api)
        job.engine_api_spec = workflow.engine_api or workflow.api
        job.jobs = getattr(options, "jobs", None) or cores()
        job.gpus = getattr(options, "gpus", None) or workflow.train_gpus.get(study.name, 1)
        job.log = getattr(options, "log", None)
        yield job, settings_of(stage, study, shard, shards)


def cores() -> int:
    """Cores of the processor that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def store_folder(workflow: Workflow, chosen: str | None = None) -> Path:
    """The store: as on the command line, as the workflow told its jobs, or as in config.yaml."""
    return Path(chosen or os.environ.get("INOC_STORE") or workflow.store).expanduser()


def parse_shard(text: str, stage: str, shards: Shards) -> tuple[int, Shards]:
    """`3`, or `3/8` for a split that differs from config.yaml's.

    Raises:
        ConfigError: If it is neither, or there is no such shard.
    """
    number, _, count = text.partition("/")
    if not number.isdecimal() or (count and not (count.isdecimal() and int(count))):
        msg = f"--shard {text!r}: expected a number as 3, or a number and a count as 3/8"
        raise ConfigError(msg)
    if count:
        shards = shards.model_copy(update={SHARDED_LIKE[stage]: int(count)})
    n = shard_count(stage, shards)
    if int(number) >= n:
        msg = f"--shard {text}: {stage} has the shards 0 to {n - 1} (config.yaml, section shards)"
        raise ConfigError(msg)
    return int(number), shards


def print_explanations(study_name: str, config: Path, stage: str, options: argparse.Namespace) -> None:
    """For each unit of a stage: whether it is there, and what differs from the nearest that is."""
    import importlib

    from inoc.store.explain import explain

    step = importlib.import_module(f"{PACKAGES[stage]}.step")
    present = absent = 0
    for job, _ in make_jobs(study_name, config, stage, options):
        for found in explain(job.store, step.units(job)):
            present, absent = present + found.present, absent + (not found.present)
            if found.present and not options.missing:
                print(f"there    {found.unit.label}  {found.unit.key[:12]}")
            elif not found.present:
                print(f"missing  {found.unit.label}  {found.unit.key[:12]}")
                if found.nearest:
                    print(
                        "\n".join(
                            [f"         nearest: {found.nearest}", *(f"           {x}" for x in found.differences)]
                        )
                    )
    print(f"{present} of {present + absent} units are there")


def print_garbage(config: Path, *, delete: bool, grace_s: float) -> None:
    """What no study needs, and with `delete` remove it."""
    from inoc.store.explain import collect

    workflow: Workflow = load_workflow(config / "config.yaml")
    studies = sorted(path.stem for path in (config / "studies").glob("*.yaml"))
    garbage = collect(Store(store_folder(workflow)), studies, delete=delete, grace_s=grace_s)
    for entry in garbage.entries:
        print(entry)
    done = "removed" if delete else "would be removed (add --delete)"
    print(f"{len(garbage.entries)} entries, {garbage.n_bytes / 1e6:.1f} MB, {done}; {garbage.kept} are kept")
