"""The work of each stage for a kind of study, with the slices of settings, jobs and files that follow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from inoc.config.models import BaseStudy, Model
from inoc.config.workflow import Shards
from inoc.digest import Json
from inoc.errors import ConfigError
from inoc.jobs.job import job_name
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_count
from inoc.stages import Stage, kind_named, load, stage_named

Settings = dict[str, Json]
# A kind's functions take its own class of study.
SettingsOf = Callable[[Any, int, Shards], Settings]
FilesOf = Callable[[Any, Paths, Shards, int], list[Path]]


def _no_files(study: object, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return []


@dataclass(frozen=True)
class Work:
    """One stage's work for studies of a kind.

    Attributes:
        stage: Name of the stage.
        settings: The smallest slice of the study that a job depends on, in plain values: Snakemake runs a job again
            when it changes. It holds all that the job reads from the study and nothing else: not a title, not another
            section, not a prompt of another shard. Files that the job reads are inputs of its rule and are not in here.
        plan: Reference to `(study, job, shards) -> plan`, where the plan is what the stage's `run` takes.
        outputs: Files that the job leaves; the last one to be written comes first.
        inputs: Files of earlier stages that the job reads.
        given: Beginnings of keys in the study file whose files the job reads.
        wanted: Whether a study has this work at all.
        part: Which part of the stage it is; empty if the stage has none.
        version: Version of the kind's own share of the work; 0 leaves the stage's.
        loads_model: Whether the job loads the study's model.
    """

    stage: str
    settings: SettingsOf
    plan: str
    outputs: FilesOf
    inputs: FilesOf = _no_files
    given: tuple[str, ...] = ()
    wanted: Callable[[Any], bool] = bool
    part: str = ""
    version: int = 0
    loads_model: bool = False

    @property
    def declared(self) -> Stage:
        """The stage's declaration."""
        return stage_named(self.stage)


def drawn_and_reported(
    figures: SettingsOf, report: SettingsOf, plans: str, tables: FilesOf, also: FilesOf = _no_files
) -> tuple[Work, Work]:
    """The work of the stages `figures` and `report`, which is alike for every kind.

    Args:
        figures: The slice of the study that figures depend on.
        report: The slice that the report depends on.
        plans: Module with the plans `figures` and `report`.
        tables: The tables of the analysis.
        also: Files that the report reads besides.
    """

    def drawn(study: Any, paths: Paths, shards: Shards, shard: int) -> list[Path]:
        return [paths.stage("figures") / "done.json"]

    return (
        Work("figures", _asked(figures), f"{plans}:figures", drawn, tables),
        Work(
            "report",
            _asked(report),
            f"{plans}:report",
            lambda study, paths, shards, shard: [paths.stage("report") / "appendix.html"],
            lambda study, paths, shards, shard: [
                *drawn(study, paths, shards, shard),
                *also(study, paths, shards, shard),
            ],
        ),
    )


def _asked(settings: SettingsOf) -> SettingsOf:
    """A slice with the choice of figures, unless it is the default."""

    def slice_of(study: BaseStudy, shard: int, shards: Shards) -> Settings:
        chosen = {"figures": study.figures} if study.figures != BaseStudy.model_fields["figures"].default else {}
        return {**settings(study, shard, shards), **chosen}

    return slice_of


def works_of(study: BaseStudy) -> tuple[Work, ...]:
    """The work of every stage that a study of this kind can pass, in order."""
    works: tuple[Work, ...] = load(kind_named(study.kind).work)
    return works


def work_of(study: BaseStudy, stage: str, part: str = "") -> Work:
    """The work of one stage.

    Raises:
        ConfigError: If studies of this kind do not pass the stage, or it has no such part.
    """
    stage_named(stage)
    found = {work.part: work for work in works_of(study) if work.stage == stage}
    if not found:
        passes = ", ".join(kind_named(study.kind).passes)
        raise ConfigError(f"studies of kind {study.kind} have no stage {stage!r}; they pass: {passes}")
    if part not in found and "" not in found and not part:
        return next(iter(found.values()))
    if part not in found:
        raise ConfigError(f"{stage} of a study of kind {study.kind} has no part {part!r}; accepted: {', '.join(found)}")
    return found[part]


def settings_of(
    stage: str, study: BaseStudy, shard: int = 0, shards: Mapping[str, int] | None = None, part: str = ""
) -> Settings:
    """The slice of a study that a job's result depends on.

    Args:
        stage: Name of the stage.
        study: The study.
        shard: Which shard of the stage; 0 if it is not split.
        shards: Into how many shards the stages are split; default: one each.
        part: Which part of the stage; default: the first one.

    Returns:
        Plain values, equal if and only if the study asks the job for the same thing, with sorted keys.

    Raises:
        ConfigError: If there is no such stage.
    """
    return _sorted(work_of(study, stage, part).settings(study, shard, dict(shards or {})))


def step_version(stage: str, study: BaseStudy, part: str = "") -> int:
    """The version that a job's results depend on."""
    return work_of(study, stage, part).version or stage_named(stage).version


class Expected(NamedTuple):
    """A job of a study, and the file that is there when it has ended."""

    job: str
    stage: str
    output: Path


def expected_jobs(study: BaseStudy, paths: Paths, shards: Shards) -> list[Expected]:
    """Every job of a study, in the order of the stages."""
    return [
        Expected(job_name(work.stage, work.part, shard), work.stage, work.outputs(study, paths, shards, shard)[0])
        for work in works_of(study)
        if work.wanted(study)
        for shard in range(shard_count(work.declared, shards))
    ]


def present_jobs(study: BaseStudy, paths: Paths, shards: Shards) -> list[tuple[str, Path]]:
    """The jobs of a study that have ended or can run, each with a file that is there when it has ended.

    Those are all of them, except for an imported study: it has the jobs that read tables, and those whose file the
    import brought; no other one will ever run.
    """
    imported = (paths.stage("imports") / "findings.json").exists()
    return [
        (one.job, one.output)
        for one in expected_jobs(study, paths, shards)
        if not imported or stage_named(one.stage).reads_tables or one.output.exists()
    ]


def wanted_parts(study: BaseStudy, stage: str) -> list[str]:
    """The parts of a stage that a study has; the empty name for a stage without parts.

    Raises:
        ConfigError: If studies of this kind do not pass the stage.
    """
    work_of(study, stage)
    return [work.part for work in works_of(study) if work.stage == stage and work.wanted(study)]


def stage_files(study: BaseStudy, stage: str, paths: Paths, shards: Shards, part: str = "") -> list[Path]:
    """The output files of a stage, over all of its shards; none if the study does not have the stage."""
    works = [work for work in works_of(study) if work.stage == stage and part in ("", work.part) and work.wanted(study)]
    return [
        path
        for work in works
        for shard in range(shard_count(work.declared, shards))
        for path in work.outputs(study, paths, shards, shard)
    ]


def _sorted(settings: Mapping[str, Json]) -> Settings:
    return {key: _sorted_value(settings[key]) for key in sorted(settings)}


def _sorted_value(value: Json) -> Json:
    if isinstance(value, dict):
        return _sorted(value)
    return [_sorted_value(part) for part in value] if isinstance(value, list) else value


def plain(section: Model | None, but: Collection[str] = (), late: Collection[str] = ()) -> Json:
    """A section of a study in plain values, without some of its fields; None for none. As `Model.in_key`."""
    return None if section is None else section.in_key(but, late)


def where_set(name: str, value: Json) -> Settings:
    """A setting, if it holds anything: a study without one is the same as before there was that setting."""
    return {name: value} if value else {}
