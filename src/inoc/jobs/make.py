"""Jobs made from command-line arguments, and printed views of the store."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.load import load_study, load_workflow
from inoc.config.models import BaseStudy
from inoc.config.workflow import Shards, Workflow
from inoc.errors import ConfigError
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.jobs.ready import check_api, check_inputs
from inoc.jobs.shards import parse_shard, shard_count
from inoc.jobs.work import Settings, present_jobs, settings_of, wanted_parts, work_of
from inoc.stages import Stage, load, stage_named
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


def make_jobs(study_name: str, config: Path, stage_name: str, options: argparse.Namespace) -> Iterator[Made]:
    """The jobs of a verb: one, or one per part and shard where they are not given.

    Raises:
        ConfigError: If the study is wrong, or the shard does not exist.
    """
    workflow = load_workflow(config / "config.yaml")
    study, stage = load_study(study_name, config), stage_named(stage_name)
    part = getattr(options, "part", "") or ""
    work_of(study, stage_name, part)
    if not stage.reads_tables:
        check_inputs(study, Path())
        check_api(study, workflow.api, stage_name, engine_spec=workflow.engine_api)
    shards = workflow.shards.get(study.name, {})
    chosen: int | None = None
    if getattr(options, "shard", None) is not None:
        chosen, shards = parse_shard(options.shard, stage, shards)
    for one in [part] if part else wanted_parts(study, stage_name) or [""]:
        for shard in range(shard_count(stage, shards)) if chosen is None else [chosen]:
            yield Made(_job(study, workflow, stage, shard, one, options), study, shards)


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
    for made in make_jobs(study_name, config, stage, options):
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
