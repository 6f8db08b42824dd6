"""The stage `train`: the adapters and loss curves of a shard of runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from inoc.chat.messages import Chat, compose, prefix_texts
from inoc.chat.pools import Pools, read_pools
from inoc.config.models import Study
from inoc.digest import Json, digest
from inoc.engines.identity import ModelIdentity, identify
from inoc.job import Job
from inoc.runs import Asked, Run, checkpoint_steps, prompt_texts, shard_of, study_runs, total_steps
from inoc.store import Store, Unit
from inoc.store.core import link_tree
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


def _train_missing(job: Job, model: ModelIdentity, planned: Sequence[Planned]) -> None:
    if not planned:
        return
    from inoc.chat.render import render
    from inoc.engines.transformers import TransformersEngine
    from inoc.train.trainer import Recipe, Settled, adapter_digest, fine_tune, settle_memory

    study, training = job.study, job.study.training
    total = total_steps(study)
    engine: TransformersEngine | None = None
    settled: Settled | None = None
    with job.progress("training", total * len(planned), "steps") as meter:
        for item in planned:
            with job.store.claim(item.unit, resume=True) as work:
                if work is None:
                    meter.advance(total)
                    continue
                engine = engine or TransformersEngine(model)
                rendered = render(engine.tokenizer, item.chats, training.end_of_turn)
                settled = settled or settle_memory(engine.model, rendered, training)
                recipe = Recipe(
                    settled.spec,
                    item.run.learning_rate,
                    item.run.seed,
                    total,
                    tuple(checkpoint_steps(training.checkpoints, total)),
                    study.model.path,
                )
                engine.model = fine_tune(engine.model, engine.tokenizer, rendered, recipe, work, meter.advance)
                (work / "example.txt").write_text(rendered[0].text, encoding="utf-8")
                digests = {folder.name: adapter_digest(folder) for folder in sorted(work.glob("step-*"))}
                if settled.note:
                    job.record["memory"] = settled.note
                (work / "digests.json").write_text(json.dumps(digests), encoding="utf-8")


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
        pd.DataFrame(json.loads((store.folder(item.unit) / "losses.json").read_text())).assign(
            run=item.run.name, **item.run._asdict()
        )
        for item in planned
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=LOSSES.names)
