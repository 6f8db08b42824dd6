"""Jobs made from command-line arguments, and printed views of the store."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.load import load_study, load_workflow
from inoc.config.models import BaseStudy
from inoc.config.workflow import Shards, Workflow
from inoc.engines.devices import take_devices
from inoc.errors import ConfigError, DataError, InocError
from inoc.jobs.failures import mark_failed
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.jobs.ready import check_api, check_inputs, needs_of
from inoc.jobs.shards import parse_shard, shard_count
from inoc.jobs.work import Settings, present_jobs, settings_of, wanted_parts, work_of
from inoc.stages import Stage, all_stages, load, stage_named
from inoc.store import Store

RESULTS = Path("results")


class Made(NamedTuple):
    """A job with its study and stage."""

    job: Job
    study: BaseStudy
    shards: Shards

    def plan(self) -> Any:
        """The plan for the stage's `run`, made by the kind of study."""
        work = work_of(self.study, self.job.stage, self.job.part)
        return load(work.plan)(self.study, self.job, self.shards)

    def settings(self) -> Settings:
        """The slice of the study that the job depends on."""
        return settings_of(self.job.stage, self.study, self.job.shard, self.shards, self.job.part)


def make_jobs(
    study_name: str, config: Path, stage_name: str, options: argparse.Namespace, *, mark: bool = False
) -> Iterator[Made]:
    """The jobs of a verb: one, or one per part and shard where they are not given.

    Args:
        study_name: Name of a study, or path of its file.
        config: Folder of `config.yaml`.
        stage_name: Name of the stage.
        options: Of the command line.
        mark: Whether the jobs are run: ones that are refused leave a failed heartbeat, and ones with a model take GPUs.

    Raises:
        InocError: If the study is wrong or cannot run here, or the shard does not exist.
    """
    workflow = load_workflow(config / "config.yaml")
    study, stage = load_study(study_name, config), stage_named(stage_name)
    part = getattr(options, "part", "") or ""
    work_of(study, stage_name, part)
    shards = workflow.shards.get(study.name, {})
    chosen: int | None = None
    if getattr(options, "shard", None) is not None:
        chosen, shards = parse_shard(options.shard, stage, shards)
    jobs = [
        _job(study, workflow, stage, shard, one, options)
        for one in ([part] if part else wanted_parts(study, stage_name) or [""])
        for shard in (range(shard_count(stage, shards)) if chosen is None else [chosen])
    ]
    if mark:
        _take_devices(study, stage, jobs)
    try:
        if stage.reads_tables:
            _refuse_uncomputed(study, stage, jobs, shards)
        else:
            check_inputs(study, Path(), in_job=True)
            check_api(study, workflow.api, stage_name, engine_spec=workflow.engine_api)
    except InocError as error:
        for job in jobs if mark else []:
            mark_failed(job.heartbeat, error)
        raise
    for job in jobs:
        yield Made(job, study, shards)


def _take_devices(study: BaseStudy, stage: Stage, jobs: Iterable[Job]) -> None:
    """Take the GPUs of jobs with a model, before anything is imported that asks CUDA for them.

    After that, CUDA no longer heeds the choice, and all jobs on a machine would compute on its first GPU. Importing
    `transformers` asks.
    """
    numbers = [
        one.gpus if stage.name == "train" else 1
        for one in jobs
        if work_of(study, stage.name, one.part).loads_model
        or any(other.stage == stage.name for other in needs_of(study).local_models)
    ]
    if numbers:
        take_devices(lambda text: print(text, file=sys.stderr, flush=True), max(numbers))


def _refuse_uncomputed(study: BaseStudy, stage: Stage, jobs: Iterable[Job], shards: Shards) -> None:
    """Refuse to read tables of a study of which none is there; tables of other studies are its kind's to miss.

    A study that was imported has nothing to compute.

    Raises:
        DataError: With what would compute them.
    """
    if any((job.paths.stage("imports") / "findings.json").exists() for job in jobs):
        return
    read = [
        path
        for job in jobs
        for path in work_of(study, stage.name, job.part).inputs(study, job.paths, shards, job.shard)
        if path.is_relative_to(job.paths.results / job.paths.study)
    ]
    if read and not any(path.exists() for path in read):
        raise DataError(
            f"study {study.name}: `inoc {stage.name}` reads results of the stages before it, and there are none "
            f"(such as {read[0]}). Compute them with: inoc run {study.name}"
        )


def _job(study: BaseStudy, workflow: Workflow, stage: Stage, shard: int, part: str, options: argparse.Namespace) -> Job:
    store = Store(store_folder(workflow, getattr(options, "store", None)))
    paths = Paths(RESULTS, study.name)
    return Job(
        study.name,
        paths,
        store,
        stage.name,
        shard,
        part,
        api_spec=workflow.api,
        engine_api_spec=workflow.engine_api or workflow.api,
        jobs=getattr(options, "jobs", None) or cores(),
        only=getattr(options, "only", None) or "",
        gpus=getattr(options, "gpus", None) or workflow.train_gpus.get(study.name, 1),
        log=getattr(options, "log", None),
        present=frozenset(name for name, _ in present_jobs(study, paths, workflow.shards.get(study.name, {}))),
    )


def cores() -> int:
    """Cores of the processor that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def store_folder(workflow: Workflow, chosen: str | None = None) -> Path:
    """The store: from the command line, the workflow's environment or config.yaml, in this order."""
    return Path(chosen or os.environ.get("INOC_STORE") or workflow.store).expanduser()


def print_explanations(study_name: str, config: Path, stage: str, options: argparse.Namespace) -> None:
    """Print for each unit of a stage whether it is there, and what differs from the nearest that is."""
    from inoc.store.explain import explain

    step = importlib.import_module(stage_named(stage).step)
    present = absent = 0
    made_jobs = list(make_jobs(study_name, config, stage, options))
    for line in changed_before(made_jobs[0]) if made_jobs else []:
        print(line)
    for made in made_jobs:
        for found in explain(made.job.store, step.units(made.job, made.plan())):
            present, absent = present + found.present, absent + (not found.present)
            if found.present and not options.missing:
                print(f"there    {found.unit.label}  {found.unit.key[:12]}")
            elif not found.present:
                print(f"missing  {found.unit.label}  {found.unit.key[:12]}")
                if found.nearest:
                    lines = [f"         nearest: {found.nearest}", *(f"           {x}" for x in found.differences)]
                    print("\n".join(lines))
    print(f"{present} of {present + absent} units are there")


def changed_before(made: Made) -> Iterator[str]:
    """Lines about units of the stages whose results a job reads that are not stored.

    What is in the tables of such a stage is from before a change, and so is what follows from it.
    """
    from inoc.store.explain import explain

    for stage in _read_stages(made):
        step = importlib.import_module(stage.step)
        found = []
        for part in wanted_parts(made.study, stage.name):
            for shard in range(shard_count(stage, made.shards)):
                job = replace(made.job, stage=stage.name, shard=shard, part=part, record={})
                before = Made(job, made.study, made.shards)
                try:
                    found += explain(job.store, step.units(job, before.plan()))
                except (InocError, OSError):
                    yield f"before   {job.name} cannot be explained yet, since a stage before it has not run"
        absent = [one for one in found if not one.present]
        if absent:
            count = f"{len(absent)} of {len(found)} units of {stage.name} are missing"
            yield f"before   {count}, and what follows is about results of others:"
            differences = dict.fromkeys(line for one in absent for line in one.differences)
            yield from (f"           {line}" for line in differences or ["nothing like them is stored"])


def _read_stages(made: Made) -> list[Stage]:
    """Stages that compute, and whose results a job reads, in their order."""
    folder = made.job.paths.results / made.study.name
    read = work_of(made.study, made.job.stage, made.job.part).inputs(
        made.study, made.job.paths, made.shards, made.job.shard
    )
    names = {path.relative_to(folder).parts[0] for path in read if path.is_relative_to(folder)}
    return [stage for name, stage in all_stages().items() if name in names and stage.computes]


def print_count(config: Path) -> None:
    """Print how many entries and files the store has, by stage."""
    from inoc.store.count import count

    rows = count(Store(store_folder(load_workflow(config / "config.yaml"))))
    for row in rows:
        size = f"{row.entries} entries, {row.files} files, {row.n_bytes / 1e6:.1f} MB"
        print(f"{row.step}: {size}, at most {row.fullest} entries in one folder")
    print(f"{sum(row.entries for row in rows)} entries, {sum(row.files for row in rows)} files in all")


def print_garbage(config: Path, *, delete: bool, grace_s: float) -> None:
    """Print entries that no study needs, and with `delete` remove them."""
    from inoc.store.garbage import collect

    workflow: Workflow = load_workflow(config / "config.yaml")
    studies = {path.stem: _job_names(path.stem, config, workflow) for path in (config / "studies").glob("*.yaml")}
    garbage = collect(Store(store_folder(workflow)), studies, delete=delete, grace_s=grace_s)
    for entry in garbage.entries:
        print(entry)
    done = "removed" if delete else "would be removed (add --delete)"
    print(f"{len(garbage.entries)} entries, {garbage.n_bytes / 1e6:.1f} MB, {done}; {garbage.kept} are kept")


def _job_names(study_name: str, config: Path, workflow: Workflow) -> frozenset[str] | None:
    """Names of a study's present jobs; None if its file is wrong, as this is no reason to remove its results."""
    try:
        study = load_study(study_name, config)
    except ConfigError:
        return None
    jobs = present_jobs(study, Paths(RESULTS, study.name), workflow.shards.get(study.name, {}))
    return frozenset(name for name, _ in jobs)
