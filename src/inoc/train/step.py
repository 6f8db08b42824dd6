"""The stage `train`: the adapters and loss curves of a shard of runs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from inoc.chat.messages import Chat, compose, prefix_texts
from inoc.chat.pools import Pools, read_pools
from inoc.config.models import Study
from inoc.digest import Json, digest
from inoc.engines.identity import ModelIdentity, identify
from inoc.errors import ConfigError
from inoc.jobs.job import Job
from inoc.jobs.manifest import peak_memory
from inoc.jobs.progress import Meter
from inoc.store import Store, Unit
from inoc.store.core import link_tree
from inoc.studies.inoculation.runs import Asked, Run, checkpoint_steps, prompt_texts, shard_of, study_runs, total_steps
from inoc.tables import CHECKPOINTS, LOSSES, kept_examples, write_table
from inoc.train import VERSION

if TYPE_CHECKING:
    from inoc.engines.transformers import TransformersEngine

# Settings of the section `training` that do not belong to one run's key, or are in it in another form.
NOT_IN_KEY = {"seeds", "learning_rate", "checkpoints", "resume_every", "epochs", "steps"}


class Planned(NamedTuple):
    """A run with its data and its unit."""

    run: Run
    chats: list[Chat]
    unit: Unit


def run(job: Job) -> str:
    """Write the shard's adapters, `checkpoints` and `losses`; see `inoc.tables`."""
    study = job.study
    model = identify(study, job.paths, job.store)
    planned = plan(job, model)
    missing = {unit.key for unit in job.store.missing(item.unit for item in planned)}
    if missing and job.gpus > 1:
        _train_together(job, missing)
    else:
        _train_missing(job, model, [item for item in planned if item.unit.key in missing])
    job.store.refer(study.name, job.name, [item.unit for item in planned])
    folder = job.paths.checkpoints(job.shard).parent
    write_table(_checkpoints(job.store, planned, folder), CHECKPOINTS, job.paths.checkpoints(job.shard))
    write_table(_losses(job.store, planned), LOSSES, job.paths.losses(job.shard))
    job.record["model"] = {"path": study.model.path, **model.as_key()}
    job.record["counts"] = {"runs": len(planned), "examples": len(planned[0].chats) if planned else 0}
    job.record["runs"] = [{"name": item.run.name, **item.run._asdict()} for item in planned]
    job.record["seeds"] = sorted({item.run.seed for item in planned})
    return f"{len(planned)} runs of {total_steps(study)} steps, {len(missing)} of them trained now"


def units(job: Job) -> list[Unit]:
    """The shard's units of the store."""
    return [item.unit for item in plan(job, identify(job.study, job.paths, job.store))]


def shard_runs(study: Study, shard: int, shards: int) -> list[Run]:
    """The runs of one shard."""
    return [run for run in study_runs(study) if shard_of(run.name, shards) == shard]


def plan(job: Job, model: ModelIdentity) -> list[Planned]:
    """The shard's runs with their training chats."""
    study = job.study
    runs = shard_runs(study, job.shard, job.shards.train)
    wanted = {run.data for run in runs}
    tables = {data: kept_examples(job.paths.examples, data).head(study.data.n_train) for data in wanted}
    texts, pools = prompt_texts(study), read_pools(job.paths.pools)
    planned = []
    for run_ in runs:
        chats = training_chats(study, run_, tables[run_.data], texts, pools)
        planned.append(Planned(run_, chats, _unit(study, model, run_, chats)))
    return planned


def training_chats(study: Study, run_: Run, table: pd.DataFrame, texts: Mapping[str, str], pools: Pools) -> list[Chat]:
    """Every training example behind the run's prefix; from a pool, each example keeps one rephrasing."""
    ids = list(table["example_id"])
    prefixes = prefix_texts(Asked(run_.prompt, run_.prefix), texts, pools, ids, run_.seed)
    columns = zip(prefixes, table["instruction"], table["completion"], strict=True)
    return [compose(study, prefix, instruction, completion) for prefix, instruction, completion in columns]


def _unit(study: Study, model: ModelIdentity, run_: Run, chats: Sequence[Chat]) -> Unit:
    total = total_steps(study)
    parts: dict[str, Json] = {
        "model": model.as_key(),
        "chats": digest([chat.as_key() for chat in chats]),
        "n": len(chats),
        "learning_rate": run_.learning_rate,
        "seed": run_.seed,
        "steps": total,
        "save_at": checkpoint_steps(study.training.checkpoints, total),
        "settings": study.training.model_dump(mode="json", exclude=NOT_IN_KEY),
    }
    return Unit("train", VERSION, parts, run_.name)


def _train_together(job: Job, missing: Collection[str]) -> None:
    """Train with a process for each GPU, and take over what the first of them notes down."""
    batch = job.study.training.batch_size
    if batch % job.gpus:
        divisors = [str(n) for n in range(1, batch + 1) if batch % n == 0]
        raise ConfigError(
            f"{job.gpus} GPUs cannot share training.batch_size = {batch} evenly; accepted for train_gpus: "
            f"{', '.join(divisors)}"
        )
    from inoc.jobs.devices import take_devices
    from inoc.train.team import together

    take_devices(lambda text: print(text, file=sys.stderr, flush=True), job.gpus)
    done = together(job.gpus, _train_as_member, job, missing)
    job.store.made += done.made
    job.store.found += done.found
    job.record.update(done.record)


class Done(NamedTuple):
    """What a process of a team has done."""

    made: list[str]
    found: list[str]
    record: dict[str, Json]


def _train_as_member(job: Job, missing: Collection[str]) -> Done:
    """What each process of a team does; all have the same units before them."""
    from inoc.cli import Tee, open_log
    from inoc.train.team import is_first

    if is_first() and job.log is not None and not isinstance(sys.stderr, Tee):
        open_log(job.log)
    job.store.made, job.store.found, job.record = [], [], {}
    model = identify(job.study, job.paths, job.store)
    _train_missing(job, model, [item for item in plan(job, model) if item.unit.key in missing])
    return Done(job.store.made, job.store.found, {**job.record, **peak_memory()})


@contextmanager
def _claimed(store: Store, unit: Unit) -> Iterator[Path | None]:
    """The unit's work folder, or None if it is there: the first process of a team claims it for all."""
    from inoc.train.team import agreed, is_first

    if not is_first():
        yield agreed(None)
        return
    with store.claim(unit, resume=True) as work:
        yield agreed(work)


def _train_missing(job: Job, model: ModelIdentity, planned: Sequence[Planned]) -> None:
    if not planned:
        return
    from inoc.chat.render import render
    from inoc.engines.transformers import TransformersEngine
    from inoc.train.team import agreed, is_first, team_size
    from inoc.train.trainer import Recipe, Settled, adapter_digest, fine_tune, settle_memory

    study, training = job.study, job.study.training
    total = total_steps(study)
    engine: TransformersEngine | None = None
    settled: Settled | None = None
    size = total * len(planned)
    with job.progress("training", size, "steps") if is_first() else _unheard(size) as meter:
        for item in planned:
            with _claimed(job.store, item.unit) as work:
                if work is None:
                    meter.advance(total)
                    continue
                engine = engine or TransformersEngine(model)
                rendered = render(engine.tokenizer, item.chats, training.end_of_turn)
                settled = settled or agreed(settle_memory(engine.model, rendered, training))
                recipe = Recipe(
                    settled.spec,
                    item.run.learning_rate,
                    item.run.seed,
                    total,
                    tuple(checkpoint_steps(training.checkpoints, total)),
                    study.model.path,
                )
                engine.model = fine_tune(engine.model, engine.tokenizer, rendered, recipe, work, meter.advance)
                if not is_first():
                    continue
                (work / "example.txt").write_text(rendered[0].text, encoding="utf-8")
                digests = {folder.name: adapter_digest(folder) for folder in sorted(work.glob("step-*"))}
                if settled.note:
                    job.record["memory"] = settled.note
                if team_size() > 1:
                    job.record["gpus"] = team_size()
                (work / "digests.json").write_text(json.dumps(digests), encoding="utf-8")


def _unheard(size: int) -> AbstractContextManager[Meter]:
    """A meter of a process that is not to say how far it is."""
    return nullcontext(Meter("training", size, "steps", None, io.StringIO()))


def _checkpoints(store: Store, planned: Sequence[Planned], folder: Path) -> pd.DataFrame:
    rows = []
    for item in planned:
        entry = store.folder(item.unit)
        link_tree(entry, folder / item.run.name)
        digests = json.loads((entry / "digests.json").read_text())
        rows += [
            [*item.run, item.run.name, int(name.removeprefix("step-")), f"{item.run.name}/{name}", value]
            for name, value in sorted(digests.items())
        ]
    columns = [*Run._fields, "run", "step", "path", "digest"]
    return pd.DataFrame(rows, columns=columns)


def _losses(store: Store, planned: Sequence[Planned]) -> pd.DataFrame:
    frames = [
        # A run of fewer steps than `log_every` has no point.
        pd.DataFrame(
            json.loads((store.folder(item.unit) / "losses.json").read_text()),
            columns=["step", "loss", "rate", "grad_norm"],
        ).assign(run=item.run.name, **item.run._asdict())
        for item in planned
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=LOSSES.names)
