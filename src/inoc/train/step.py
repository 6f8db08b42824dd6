"""The stage `train`: the adapters and loss curves of a shard of runs."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from inoc.chat.messages import Chat
from inoc.chat.rows import BadRow
from inoc.config.checks import divisors
from inoc.config.models import TrainingSpec
from inoc.digest import Json, digest
from inoc.engines.identity import ModelIdentity
from inoc.errors import ConfigError
from inoc.files import distinct_names
from inoc.jobs.job import Job
from inoc.jobs.manifest import peak_memory
from inoc.progress import Meter
from inoc.store import Store, Unit
from inoc.store.core import link_tree
from inoc.tables import BAD_ROWS, CHECKPOINTS, LOSSES, write_table
from inoc.train import VERSION
from inoc.train.api import ApiPlan, train_by_api
from inoc.train.schedule import NOT_OF_A_RUN, warmup_of
from inoc.train.teacher import Teacher

if TYPE_CHECKING:
    from inoc.engines.transformers import TransformersEngine
    from inoc.train.trainer import Settled


class RunPlan(NamedTuple):
    """One fine-tuning.

    Attributes:
        columns: What the tables say of it: `run` is its name, a folder of its own.
        chats: The training examples.
        learning_rate: Peak learning rate.
        seed: Seed of the order of the examples, the initial adapter and dropout.
        steps: Number of optimiser steps.
        save_at: Steps at which the adapter is saved.
        epoch_of: Step → epoch that ends there, 0 before the first step; for the column `epoch` of checkpoints.
        cut: Positions of the chats whose responses miss their ends. No loss is on what follows those.
        training: Its own recipe; None for that of the job.
        teacher: Its distributions are the targets; None: the answers of the chats are.
    """

    columns: Mapping[str, str | int | float]
    chats: Sequence[Chat]
    learning_rate: float
    seed: int
    steps: int
    save_at: tuple[int, ...]
    epoch_of: Mapping[int, int] = {}
    cut: Collection[int] = ()
    training: TrainingSpec | None = None
    teacher: Teacher | None = None

    @property
    def name(self) -> str:
        """Its name, unique in its study."""
        return str(self.columns["run"])


@dataclass(frozen=True)
class Plan:
    """The runs of a job, all with one model.

    Attributes:
        model: The model.
        training: The recipe of runs that have none of their own.
        runs: The runs.
        bad_rows: Dataset → its rows that are left out or cut.
    """

    model: ModelIdentity
    training: TrainingSpec
    runs: Sequence[RunPlan]
    bad_rows: Mapping[str, Sequence[BadRow]] = field(default_factory=dict)

    def recipe(self, run_: RunPlan) -> TrainingSpec:
        """The recipe of a run."""
        return run_.training or self.training

    def unit(self, run_: RunPlan) -> Unit:
        """A run as a unit of the store."""
        parts: dict[str, Json] = {
            "model": self.model.as_computed(),
            "chats": digest([chat.as_key() for chat in run_.chats]),
            "n": len(run_.chats),
            "learning_rate": run_.learning_rate,
            "seed": run_.seed,
            "steps": run_.steps,
            "save_at": list(run_.save_at),
            "settings": self.recipe(run_).in_key(but=NOT_OF_A_RUN),
            **({} if run_.teacher is None else {"teacher": run_.teacher.as_key()}),
        }
        if warmup_of(self.recipe(run_), run_.steps) != self.recipe(run_).warmup_steps:
            parts["warmup_steps"] = 0  # earlier versions trained a single step at a learning rate of 0
        if run_.cut:
            parts["cut"] = sorted(run_.cut)
        former = {**parts, "settings": self.recipe(run_).in_key(but=NOT_OF_A_RUN, as_set=True)}
        return Unit("train", VERSION, parts, run_.name, former)


class Planned(NamedTuple):
    """A run with its unit."""

    run: RunPlan
    unit: Unit


def run(job: Job, plan: Plan | ApiPlan) -> str:
    """Write the job's adapters, `checkpoints`, `losses` and `bad_rows`; see `inoc.tables`."""
    if isinstance(plan, ApiPlan):
        return train_by_api(job, plan)
    from inoc.chat.fit import bad_counts, bad_table

    for one in plan.runs:
        if one.teacher is not None:
            one.teacher.check(len(one.chats), plan.model, one.name)
    planned = [Planned(one, plan.unit(one)) for one in plan.runs]
    if plan.model.compute != "dtype":
        job.record["compute"] = plan.model.compute
    # Before anything is computed, so that no collection of garbage takes what is found there already.
    job.store.refer(job.study, job.name, [item.unit for item in planned])
    missing = {unit.key for unit in job.store.missing(item.unit for item in planned)}
    todo = [item for item in planned if item.unit.key in missing]
    if todo and job.gpus > 1:
        _train_team(job, plan, todo)
    else:
        _train_missing(job, plan, todo)
    path = job.paths.checkpoints(job.shard, job.part)
    write_table(_checkpoints(job.store, planned, path.parent), CHECKPOINTS, path)
    write_table(_losses(job.store, planned), LOSSES, job.paths.losses(job.shard, job.part))
    write_table(bad_table(plan.bad_rows), BAD_ROWS, path.parent / "bad_rows.parquet")
    if any(plan.bad_rows.values()):
        job.record["bad rows"] = bad_counts(plan.bad_rows)
    job.record["counts"] = {"runs": len(planned), "examples": max((len(one.chats) for one in plan.runs), default=0)}
    job.record["runs"] = [
        {"name": one.name, **{k: v for k, v in one.columns.items() if k != "run"}} for one in plan.runs
    ]
    job.record["seeds"] = sorted({one.seed for one in plan.runs})
    steps = ", ".join(str(n) for n in sorted({one.steps for one in plan.runs})) or "0"
    return f"{len(planned)} runs of {steps} steps, {len(missing)} of them trained now"


def units(job: Job, plan: Plan | ApiPlan) -> list[Unit]:
    """The job's units of the store; none behind an API, whose database keeps its jobs."""
    return [] if isinstance(plan, ApiPlan) else [plan.unit(one) for one in plan.runs]


def _train_team(job: Job, plan: Plan, todo: Sequence[Planned]) -> None:
    """Train with a process for each GPU, and take over the records of the first one."""
    batch = math.gcd(*(plan.recipe(item.run).batch_size for item in todo))
    if batch % job.gpus:
        raise ConfigError(
            f"{job.gpus} GPUs cannot share training.batch_size = {batch} evenly; accepted for train_gpus: "
            f"{', '.join(map(str, divisors(batch)))}"
        )
    from inoc.engines.devices import take_devices
    from inoc.train.team import run_team

    take_devices(lambda text: print(text, file=sys.stderr, flush=True), job.gpus)
    done = run_team(job.gpus, _train_as_member, job, plan, todo)
    job.store.made += done.made
    job.store.found += done.found
    job.record.update(done.record)


class Done(NamedTuple):
    """Results of one process of a team."""

    made: list[str]
    found: list[str]
    record: dict[str, Json]


def _train_as_member(job: Job, plan: Plan, todo: Sequence[Planned]) -> Done:
    """The work of each process of a team; all have the same units before them."""
    from inoc.jobs.log import Tee, open_log
    from inoc.train.team import is_leader

    if is_leader() and job.log is not None and not isinstance(sys.stderr, Tee):
        open_log(job.log)
    job.store.made, job.store.found, job.record = [], [], {}
    _train_missing(job, plan, todo)
    return Done(job.store.made, job.store.found, {**job.record, **peak_memory()})


@contextmanager
def _claimed(store: Store, unit: Unit) -> Iterator[Path | None]:
    """The unit's work folder, or None if the unit is stored: the first process of a team claims it for all."""
    from inoc.train.team import broadcast, is_leader

    if not is_leader():
        yield broadcast(None)
        return
    with store.claim(unit, resume=True) as work:
        yield broadcast(work)


def _train_missing(job: Job, plan: Plan, planned: Sequence[Planned]) -> None:
    if not planned:
        return
    from inoc.chat.trained import render_trained
    from inoc.engines.transformers import TransformersEngine
    from inoc.train.distribution import load_teaching
    from inoc.train.team import broadcast, is_leader
    from inoc.train.trainer import Recipe, fine_tune, settle_memory

    engine: TransformersEngine | None = None
    settled: Settled | None = None
    tried: tuple[TrainingSpec, int, Json] | None = None  # recipe, longest example and teacher: memory was tried with it
    size = sum(item.run.steps for item in planned)
    with job.progress("training", size, "steps") if is_leader() else _unheard(size) as meter:
        for item in planned:
            with _claimed(job.store, item.unit) as work:
                if work is None:
                    meter.advance(item.run.steps)
                    continue
                engine = engine or TransformersEngine(plan.model)
                spec = plan.recipe(item.run)
                rendered = render_trained(
                    engine.tokenizer, item.run.chats, spec.loss_on, spec.end_of_turn, item.run.cut
                )
                taught = item.run.teacher
                teaching = taught and load_teaching(engine.model, engine.tokenizer, taught, spec)
                longest = max(len(one.token_ids) for one in (*rendered, *(teaching.rendered if teaching else ())))
                beside = taught and [taught.tokens, None if taught.model is None else taught.model.weights]
                with _multiplying(engine.model, plan.model):
                    # Another dataset may have longer examples, another recipe other batches, another teacher its
                    # weights.
                    if settled is None or tried is None or (tried[0], tried[2]) != (spec, beside) or longest > tried[1]:
                        trial = settle_memory(engine.model, rendered, spec, teaching, steps=item.run.steps)
                        settled = broadcast(trial)
                        tried = (spec, longest, beside)
                    own = (item.run.learning_rate, item.run.seed, item.run.steps, item.run.save_at)
                    recipe = Recipe(settled.spec, *own, plan.model.path)
                    engine.model = fine_tune(
                        engine.model, engine.tokenizer, rendered, recipe, work, meter.advance, teaching
                    )
                if is_leader():
                    _note_run(job, settled, work, rendered[0].text)


@contextmanager
def _multiplying(model: Any, identity: ModelIdentity) -> Iterator[None]:
    """Let the base model's layers multiply as the study says; a teacher beside it has layers of its own."""
    if identity.compute != "fp8":
        yield
        return
    from inoc.engines.eight_bit import in_eight_bits

    with in_eight_bits(model, backward=True):
        yield


def _note_run(job: Job, settled: Settled, work: Path, example: str) -> None:
    """Describe a run's adapters in a file beside them, and their training in the manifest."""
    from inoc.train.team import team_size
    from inoc.train.trainer import adapter_digest

    (work / "example.txt").write_text(example, encoding="utf-8")
    digests = {folder.name: adapter_digest(folder) for folder in sorted(work.glob("step-*"))}
    if settled.note:
        job.record["memory"] = settled.note
    if team_size() > 1:
        job.record["gpus"] = team_size()
    (work / "digests.json").write_text(json.dumps(digests), encoding="utf-8")


def _unheard(size: int) -> AbstractContextManager[Meter]:
    """A meter that reports nothing, for processes other than the leader."""
    return nullcontext(Meter("training", size, "steps", None, io.StringIO()))


def _checkpoints(store: Store, planned: Sequence[Planned], folder: Path) -> pd.DataFrame:
    rows = []
    folders = distinct_names(item.run.name for item in planned)
    for item in planned:
        entry, own = store.folder(item.unit), folders[item.run.name]
        link_tree(entry, folder / own)
        digests = json.loads((entry / "digests.json").read_text())
        rows += [
            {
                **item.run.columns,
                "step": int(name.removeprefix("step-")),
                "path": f"{own}/{name}",
                "digest": value,
                "epoch": item.run.epoch_of.get(int(name.removeprefix("step-")), float("nan")),
            }
            for name, value in sorted(digests.items())
        ]
    return pd.DataFrame(rows, columns=CHECKPOINTS.names)


def _losses(store: Store, planned: Sequence[Planned]) -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            json.loads((store.folder(item.unit) / "losses.json").read_text()),
            columns=["step", "loss", "rate", "grad_norm"],
        ).assign(**item.run.columns)
        for item in planned
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=LOSSES.names)
