"""Rates of this machine, from the manifests of jobs that have ended here.

A job's seconds are those of its start (Python, the model, compilation) and those of its work, which its progress knows
apart. The work of a stage is counted as in `inoc plan`: tokens times weights of the model. So a study of which some
prompts have run tells how long all of them will take, and another study on the same model how long this one will.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.load import load_study
from inoc.config.models import BaseStudy
from inoc.config.workflow import Shards, Workflow
from inoc.digest import digest
from inoc.errors import ConfigError, InocError
from inoc.jobs.costs import CostRow, Pace
from inoc.jobs.paths import Paths
from inoc.jobs.plan import by_stage, cost_rows, jobs_of, measured_size
from inoc.jobs.shards import shard_count
from inoc.jobs.work import settings_of, works_of
from inoc.progress import Spent

MOST_FOUND = 0.5  # share of its units that a job may have found in the store and still count as one that computed them


class Sample(NamedTuple):
    """One stage of a study that has run."""

    stage: str
    device: str
    jobs: int
    work: float  # tokens times weights
    total: Spent  # of all its jobs
    steady: Spent  # of those, at work


def sample_of(row: CostRow, weights: float, manifests: Iterable[Mapping[str, Any]]) -> Sample | None:
    """One stage of a study and the time it took; None if its jobs do not tell.

    Args:
        row: The stage in the study's plan.
        weights: Of the study's model.
        manifests: Of all of the stage's jobs. None if one of them found most of its units in the store, ran on
            another device than the others or is of a version that did not note its work.
    """
    found = list(manifests)
    work, devices = row.tokens * weights, {str(one.get("device")) for one in found}
    told = all("work" in one and "cpu_s" in one for one in found)
    if not found or not told or len(devices) > 1 or not 0 < work < math.inf or any(map(_mostly_found, found)):
        return None
    total = Spent(sum(float(one["wall_s"]) for one in found), sum(float(one["cpu_s"]) for one in found))
    steps = [step for one in found for step in one["work"].values()]
    steady = Spent(sum(float(step["wall_s"]) for step in steps), sum(float(step["cpu_s"]) for step in steps))
    steady = Spent(min(steady.wall_s, total.wall_s), min(steady.cpu_s, total.cpu_s))
    return Sample(row.stage, devices.pop(), len(found), work, total, steady)


def _mostly_found(manifest: Mapping[str, Any]) -> bool:
    store = manifest.get("store", {})
    hits, misses = int(store.get("hits", 0)), int(store.get("misses", 0))
    return misses == 0 or hits > MOST_FOUND * (hits + misses)


def pace_of(samples: Iterable[Sample]) -> Pace:
    """The pace of a stage from all studies that passed it on one kind of device."""
    found = list(samples)
    jobs, work = sum(one.jobs for one in found), sum(one.work for one in found)
    total = Spent(*(sum(part) for part in zip(*(one.total for one in found), strict=True)))
    steady = Spent(*(sum(part) for part in zip(*(one.steady for one in found), strict=True)))
    rest = Spent(total.wall_s - steady.wall_s, total.cpu_s - steady.cpu_s)
    return Pace(rest.times(1 / jobs), steady.times(1 / work), len(found))


def paces(samples: Iterable[Sample], device: str) -> dict[str, Pace]:
    """Stage → its pace on a kind of device.

    Args:
        samples: Of all kinds of device.
        device: A part of the device's name, in any case; empty for the only one.

    Raises:
        ConfigError: If there is no sample of that device, or there are several devices and none is named.
    """
    found = list(samples)
    names = sorted({one.device for one in found})
    chosen = [name for name in names if device.lower() in name.lower()]
    if len(chosen) != 1:
        have = f"there are jobs of {', '.join(map(repr, names))}; name one" if names else "no job has ended here yet"
        msg = f"--measured {device}".rstrip() + f": {have}. Jobs count that computed most of their units themselves"
        raise ConfigError(msg)
    by_stage: dict[str, list[Sample]] = {}
    for one in found:
        if one.device == chosen[0]:
            by_stage.setdefault(one.stage, []).append(one)
    return {stage: pace_of(some) for stage, some in by_stage.items()}


def samples_here(results: Path, config: Path, workflow: Workflow) -> Iterator[Sample]:
    """Every stage of every study that has run here and whose settings are still those of its file."""
    for folder in sorted(path for path in results.glob("*") if path.is_dir()):
        try:
            study = load_study(folder.name, config)
            paths = Paths(results, study.name)
            rows = cost_rows(study, workflow, paths)
            weights = measured_size(study, paths, None).weights
        except (InocError, OSError):
            continue  # a study without a file, or with a wrong one, tells nothing
        shards = workflow.shards.get(study.name, {})
        for row in by_stage(rows):
            manifests = list(_manifests(study, paths, shards, row.stage))
            whole = len(manifests) == jobs_of(study, row.stage, shards)
            found = sample_of(row, weights, manifests) if whole else None
            if found is not None:
                yield found


def _manifests(study: BaseStudy, paths: Paths, shards: Shards, stage: str) -> Iterator[dict[str, Any]]:
    """Manifests of a stage's present jobs, where what they depend on is still as it was."""
    for work in works_of(study):
        if work.stage != stage or not work.wanted(study):
            continue
        for shard in range(shard_count(work.declared, shards)):
            path = paths.manifest(stage, shard, work.part)
            if path.exists():
                manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                if manifest["settings_digest"] == digest(settings_of(stage, study, shard, shards, work.part)):
                    yield manifest
