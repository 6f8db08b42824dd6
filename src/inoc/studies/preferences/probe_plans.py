"""Plans of the stages `read` and `probe` for probes of preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inoc.config.workflow import Shards
from inoc.engines.model_files import layer_count
from inoc.jobs.job import Job
from inoc.jobs.shards import shard_of
from inoc.stats.means import NAN, Floats
from inoc.stats.probes.probing import Method, Settings
from inoc.studies.preferences.analyse.fits import Fitted, fits_of
from inoc.studies.preferences.analyse.polarity import upright_of
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.inside import REFUSED, Probe
from inoc.studies.preferences.labels import choices, labelled, refusals, topics_of
from inoc.studies.preferences.measure import everything
from inoc.studies.preferences.reading import chat_ids, chats, part_of, places, read_folders
from inoc.studies.preferences.roles import inside_model, role, template_of
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import Task, tasks_of
from inoc.studies.preferences.texts import completion_files, read_completions
from inoc.vectors.sites import site_at

if TYPE_CHECKING:
    from inoc.probe.plan import Plan as ProbePlan
    from inoc.probe.plan import Target
    from inoc.read.plan import Plan as ReadPlan


def read(study: Study, job: Job, shards: Shards) -> ReadPlan:
    """Activations of a part, at all sites and read-outs that are needed of it."""
    from inoc.read.plan import Plan

    tasks, n = tasks_of(study), shards.get("read", 1)
    completions: dict[str, str] = {}
    if job.part == "completions":
        found = read_completions(completion_files(study, job.paths, shards.get("sample", 1)))
        completions = dict(zip(found["id"], found["completion"], strict=True))
    own = [task for task in tasks if shard_of(task.id, n) == job.shard]
    listed = list(chats(study, job.part, own, completions))
    model = job.model(role(study, inside_model(study)).spec)
    sites, readouts = places(study, job.part, layer_count(model.folder))
    return Plan(
        study=study.name,
        model=model,
        ids=[name for name, _ in listed],
        chats=[chat for _, chat in listed],
        folder=job.paths.part("read", job.part, job.shard),
        readouts=readouts,
        sites=sites,
    )


def probe(study: Study, job: Job, shards: Shards) -> ProbePlan:
    """All probes of the study, with labels from what was measured."""
    from inoc.probe.plan import Plan

    tasks = tasks_of(study)
    found = everything(study, job.paths, shards)
    measured = upright_of(found.measured, found.anchors, study)
    fits = fits_of(measured, study) if _needs_fits(study) else []
    model = job.model(role(study, inside_model(study)).spec)
    layers = layer_count(model.folder)
    n = shards.get("read", 1)
    targets = [_target(study, job, key, given, tasks, measured, fits, layers, n) for key, given in study.probes.items()]
    inside = study.inside
    return Plan(
        targets=targets,
        folder=job.paths.stage("probe"),
        model=model.weights,
        embedding=inside.embedding,
        refits=inside.refits,
        seed=inside.seed,
        confidence=study.statistics.confidence,
    )


def _needs_fits(study: Study) -> bool:
    return any(
        probe.target != REFUSED and template_of(study.instruments[probe.target]).kind in ("choice", "ranking")
        for probe in study.probes.values()
    )


def method_of_probe(probe: Probe) -> Method:
    """Regression of a probe."""
    if probe.method == "auto":
        return "logistic" if probe.target == REFUSED else "ridge"
    return probe.method


def settings_of_probe(study: Study, probe: Probe) -> Settings:
    """Settings by which a probe is fitted and measured."""
    return Settings(
        method=method_of_probe(probe),
        penalties=probe.penalties,
        outer=probe.outer,
        inner=probe.inner,
        protocols=probe.protocols,
        train_origins=probe.train_origins,
        max_splits=probe.max_splits,
        seed=probe.seed,
        permutations=study.inside.permutations,
        resamples=study.statistics.resamples,
        confidence=study.statistics.confidence,
    )


def _target(
    study: Study,
    job: Job,
    key: str,
    given: Probe,
    tasks: list[Task],
    measured: Measured,
    fits: list[Fitted],
    layers: int,
    shards: int,
) -> Target:
    from inoc.probe.plan import Target

    labels = labelled(study, given, measured, fits)
    flags = refusals(study, given, measured)
    place = {task.id: at for at, task in enumerate(tasks)}
    return Target(
        name=key,
        target=given.target,
        folders=read_folders(job.paths, part_of(given), shards),
        chats=[chat_ids(study, given, task.id) for task in tasks],
        tasks=[task.id for task in tasks],
        texts=[task.text for task in tasks],
        origins=[task.origin for task in tasks],
        groups=groups_of(given, tasks),
        y=_column(labels.values, tasks),
        se=_column(labels.errors, tasks),
        refused=_column(flags, tasks),
        pairs=choices(study, given, measured, place) if given.method == "pairs" else None,
        weighted=given.weights == "uncertainty",
        sites=[site_at(site, layers) for site in given.sites],
        readouts=given.readouts,
        settings=settings_of_probe(study, given),
        baselines=[one for one in given.baselines if one != given.target],  # a refusal foretells itself
    )


def groups_of(probe: Probe, tasks: list[Task]) -> list[str]:
    """Group of each task, which folds never split."""
    if probe.groups == "origin":
        return [task.origin for task in tasks]
    return topics_of(probe, tasks) if probe.groups == "topic" else [task.id for task in tasks]


def _column(values: dict[str, float], tasks: list[Task]) -> Floats:
    return np.array([values.get(task.id, NAN) for task in tasks])
