"""Declarations of stages and kinds of study, and the lists of both.

A stage computes, and knows no kind of study. A kind plans: it says which work each stage is to do for a study file.
The verbs of the command line, the slices of settings, shards, status, plan, explanations, manifests and the rules of
the workflow all follow from these declarations. Nothing heavy is imported for them: what takes long to import is named
by a reference, `module:attribute`, and loaded when it is needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from inoc.errors import ConfigError, did_you_mean

STAGES = (
    "inoc.world",
    "inoc.generate",
    "inoc.rephrase",
    "inoc.embed",
    "inoc.score",
    "inoc.train",
    "inoc.sample",
    "inoc.choose",
    "inoc.judge",
    "inoc.read",
    "inoc.probe",
    "inoc.analyse",
    "inoc.figures",
    "inoc.report",
)
"""Packages of the stages that all kinds share, each with a `STAGE`, in the order in which a study passes them."""

KINDS = {
    "inoculation": "inoc.studies.inoculation",
    "likelihood_shift": "inoc.studies.likelihood_shift",
    "subliminal": "inoc.studies.subliminal",
    "preferences": "inoc.studies.preferences",
    "comparison": "inoc.studies.comparison",
}
"""Kind of study → the package with its `KIND`. The first one is that of files that name none."""


VERBS = (
    "inoc.new.commands:add_verb",
    "inoc.run.commands:add_verb",
    "inoc.export.commands:add_verb",
    "inoc.numbers.commands:add_verbs",
    "inoc.prefer.commands:add_verb",
    "inoc.jobs.finetune:add_verb",
)
"""References to `(add) -> None` that add verbs by `add(name, one line)`: those that need no study file."""


@dataclass(frozen=True)
class Option:
    """A further option of a stage's verb: a whole number of 1 or more, or a name."""

    flag: str
    help: str
    named: bool = False


@dataclass(frozen=True)
class Stage:
    """One stage, which is a verb, a rule, a module, a folder of results and a page of the docs.

    Attributes:
        name: Its name everywhere.
        version: Bumped by hand when the same input gives another result; the workflow then runs its jobs again.
        help: One line, an imperative.
        step: Module with `run(job, plan) -> str`, and with `units(job, plan)` if the stage keeps units in the store.
        shards: Its key in the section `shards` of `config.yaml`; empty if the stage is always one job.
        computes: Whether its results are units of the store.
        reads_tables: Whether it reads tables only, so that data, judges and models need not be here.
        options: Further options of its verb.
    """

    name: str
    version: int
    help: str
    step: str
    shards: str = ""
    computes: bool = False
    reads_tables: bool = False
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Kind:
    """One kind of study. All but the plain values are references.

    Attributes:
        name: As a study file says it with `kind:`.
        title: One line for the docs and the command line.
        passes: Names of the stages that a study of this kind can pass, in their order.
        study: The pydantic model of its study files.
        problems: `(study, sections | None) -> list[Problem]`: what the parts of a study disagree on.
        needs: `(study) -> Needs`: which files, engines and APIs a study needs to run.
        summary: `(study) -> str`: one line that says how much a study would run.
        work: A tuple of `inoc.jobs.work.Work`: what each stage does for a study of this kind.
        costs: `(study, shards, size, gpu, prices, batch) -> list[CostRow]`: what the stages take, for `inoc plan`.
        figures: A tuple of `inoc.figures.entries.Entry`.
        contents: `(study, paths) -> dict`: the values of the report's template.
        tables: Names of the tables that its analysis writes.
        view: `(study, paths, shards, kept) -> inoc.view.declare.View`: the lists of rows of the site, and the numbers
            of its overview; empty for neither.
        limits: `(study, n) -> Iterable[inoc.config.cuts.Cut]`: what `inoc run --limit n` cuts; empty for nothing.
        commands: `(verbs) -> None`: adds to the verbs of stages; empty for nothing.
        verbs: `(add) -> None`: adds verbs of its own by `add(name, one line)`; empty for none.
        imports: `(what) -> None`: adds what `inoc import` can read for it; empty for nothing.
        compared: A tuple of `inoc.analyse.comparable.Comparable`: which numbers of its analysis can be compared between
            studies; empty for none.
        stages: Stages of its own.
        parts: Stage → parts that it is split into, each a job of its own.
    """

    name: str
    title: str
    passes: tuple[str, ...]
    study: str
    problems: str
    needs: str
    summary: str
    work: str
    costs: str
    figures: str
    contents: str
    tables: str
    view: str = ""
    limits: str = ""
    commands: str = ""
    verbs: str = ""
    imports: str = ""
    compared: str = ""
    stages: tuple[Stage, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def load(reference: str) -> Any:
    """The object that a reference `module:attribute` names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def kinds() -> Iterator[Kind]:
    """All kinds of study."""
    for package in KINDS.values():
        yield importlib.import_module(package).KIND


def kind_named(name: str) -> Kind:
    """A kind of study.

    Raises:
        ConfigError: If there is none of this name.
    """
    if name not in KINDS:
        raise ConfigError(
            f"there is no kind of study {name!r}; accepted: {', '.join(KINDS)}{did_you_mean(name, KINDS)}"
        )
    kind: Kind = importlib.import_module(KINDS[name]).KIND
    return kind


def all_stages() -> dict[str, Stage]:
    """Name → stage, of those that all kinds share and of each kind's own, in the order of the work."""
    found: dict[str, Stage] = {}
    for package in STAGES:
        stage: Stage = importlib.import_module(package).STAGE
        found[stage.name] = stage
    order = list(found)
    for kind in kinds():
        found |= {stage.name: stage for stage in kind.stages}
        for before, name in pairwise(kind.passes):
            if name not in order:
                order.insert(order.index(before) + 1, name)
    return {name: found[name] for name in order}


def stage_named(name: str) -> Stage:
    """A stage.

    Raises:
        ConfigError: If there is none of this name.
    """
    stages = all_stages()
    if name not in stages:
        raise ConfigError(f"there is no stage {name!r}; accepted: {', '.join(stages)}{did_you_mean(name, stages)}")
    return stages[name]


def parts_of(stage: str) -> tuple[str, ...]:
    """The parts that a stage is split into, over all kinds of study; empty if it is not split."""
    return tuple(dict.fromkeys(part for kind in kinds() for part in kind.parts.get(stage, ())))


def shard_keys() -> list[str]:
    """The keys that the section `shards` of `config.yaml` may have for a study."""
    return list(dict.fromkeys(stage.shards for stage in all_stages().values() if stage.shards))
