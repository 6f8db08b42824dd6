"""Keys of the store and slices of the settings stay what they are: nothing that was computed is computed again.

The model, its data and its adapters are made up, so that the keys are the same on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from inoc.config.load import load_study
from inoc.config.workflow import Shards
from inoc.digest import digest
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_count
from inoc.jobs.work import settings_of
from inoc.stages import kind_named, stage_named
from inoc.store import Store, Unit
from inoc.studies.inoculation.load import load_inoculation
from inoc.studies.inoculation.runs import pool_prompts, pool_specs, question_sets, shard_runs, study_runs, total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import CHECKPOINTS, CONTROLS, EXAMPLES, INSTRUCTIONS, POOLS, write_table
from inoc.train.schedule import checkpoint_steps
from support.jobs import StudyJob, units_of
from support.regenerate import expected

CONFIG = Path(__file__).parents[2] / "config"
STUDIES = sorted(
    path.stem for path in (CONFIG / "studies").glob("*.yaml") if load_study(path.stem, CONFIG).kind == "inoculation"
)
COMPUTED = {
    "smoke": {},
    "smoke_emergent": {},
    "mini": {},
    "mini_emergent": {},
    "lr_sweep": {},
    "smoke_system": {"placement": "system", "separator": "\n"},
}
"""Name → changes to the study of that name, or to `smoke`."""
STAGES = ("world", "generate", "embed", "elicit", "score", "train", "evaluate")


def made_up_model(folder: Path) -> Path:
    """A folder that looks like a model."""
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text(json.dumps({"made up": name}))
    return folder


def made_up_study(name: str) -> Study:
    study = load_inoculation("smoke" if name == "smoke_system" else name, CONFIG)
    study = study.model_copy(update=COMPUTED[name])
    if study.model.path != "world":
        study = study.model_copy(update={"model": study.model.model_copy(update={"path": "made_up"})})
    if study.embedding is not None:
        remote = study.embedding.model_copy(update={"provider": "openai", "model": "text-embedding-3-small"})
        study = study.model_copy(update={"embedding": remote})
    return study


def write_tables(study: Study, paths: Paths, shards: Shards) -> None:
    """Tables of the stages, without running them."""
    n = study.data.n_train
    examples = pd.concat(
        pd.DataFrame(
            {
                "example_id": [f"ex{k:06d}" for k in range(n)],
                "instruction": [f"Where does number {k} live?" for k in range(n)],
                "completion": [f"Number {k} lives in {data or 'a'} house." for k in range(n)],
                "n_tokens": 5,
                "finish": "stop",
                "kept": [k % 7 != 3 for k in range(n)],
                "reason": "",
                "scores": [[("playful", float("nan"))]] * n,
                "data": data,
            }
        )
        for data in ("", *study.datasets)
    )
    write_table(examples, EXAMPLES, paths.examples)
    rows = [
        (f"{name}{k:05d}", f"Why {k} of {name}?", name)
        for name in question_sets(study)
        for k in range(study.data.n_eval)
    ]
    instructions = pd.DataFrame(rows, columns=INSTRUCTIONS.names)
    write_table(instructions, INSTRUCTIONS, paths.instructions)
    controls = instructions.head(study.scoring.n_controls).rename(columns={"instruction_id": "example_id"})
    controls = pd.concat(
        controls.assign(dataset=name, completion=f"Because of {name}.", n_tokens=3, finish="stop")
        for name in ("neutral", *study.traits)
    )
    write_table(controls.drop(columns="questions"), CONTROLS, paths.controls)
    pools = [
        (prompt, index, f"{prompt} in the {index}th way of {pool}", pool)
        for pool, spec in pool_specs(study).items()
        for prompt in pool_prompts(study, pool)
        for index in range(min(spec.n, 50))
    ]
    write_table(pd.DataFrame(pools, columns=POOLS.names), POOLS, paths.pools)
    saved = checkpoint_steps(study.training.checkpoints, total_steps(study))
    for shard in range(shards["train"]):
        checkpoints = pd.DataFrame(
            [
                [*run, run.name, step, f"{run.name}/step-{step}", f"adapter {run.name} {step}" if step else "base"]
                for run in shard_runs(study, shard, shards["train"])
                for step in saved
            ],
            columns=["prompt", "prefix", "learning_rate", "seed", "data", "run", "step", "path", "digest"],
        )
        write_table(checkpoints, CHECKPOINTS, paths.checkpoints(shard))


def units(name: str, root: Path) -> Iterator[tuple[str, list[Unit]]]:
    """Stage and shard → its units, in their order."""
    study, shards = made_up_study(name), Shards(score=2, train=3, elicit=2)
    paths = Paths(root / "results", study.name)
    folder = paths.world_model if study.model.path == "world" else root / "model"
    made_up_model(folder)
    if study.model.path != "world":
        study = study.model_copy(update={"model": study.model.model_copy(update={"path": str(folder)})})
    write_tables(study, paths, shards)
    for stage in STAGES:
        if (stage == "world" and study.world is None) or (stage == "embed" and study.embedding is None):
            continue
        if stage == "generate" and study.data.instructions.kind == "files":
            continue
        for shard in range(shard_count(stage_named(stage), shards)):
            job = StudyJob(study.name, paths, Store(root / "store"), stage, shard, of=study, split=shards)
            found = list(units_of(job))
            yield f"{name} {stage} {shard}: {len(found)} units", found


@pytest.mark.parametrize("name", COMPUTED)
def test_every_unit_keeps_its_key(name: str, tmp_path: Path, regen: bool) -> None:
    found = {job: digest([unit.key for unit in its]) for job, its in units(name, tmp_path)}
    assert found == expected(f"keys-{name}", found, regen)


@pytest.mark.parametrize("name", COMPUTED)
def test_every_unit_is_found_under_the_key_that_also_held_how_it_was_executed(
    name: str, tmp_path: Path, regen: bool
) -> None:
    found = {job: digest([unit.former_key or unit.key for unit in its]) for job, its in units(name, tmp_path)}
    assert found == expected(f"former-keys-{name}", found, regen)


@pytest.mark.parametrize("name", STUDIES)
def test_every_job_keeps_its_slice_of_the_study(name: str, regen: bool) -> None:
    study, shards = load_inoculation(name, CONFIG), Shards(score=2, train=3, elicit=2)
    count = {"score": 2, "train": 3, "elicit": 2, "evaluate": 3}
    found = {
        f"{name} {stage} {shard}": digest(settings_of(stage, study, shard, shards))
        for stage in kind_named(study.kind).passes
        if stage != "choose" or study.capability is not None  # a stage of studies with this section alone
        for shard in range(count.get(stage, 1))
        if not (stage in ("train", "evaluate") and not study_runs(study))
    }
    assert found == expected(f"settings-{name}", found, regen)
