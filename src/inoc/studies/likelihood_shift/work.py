"""The work of each stage for a likelihood-shift study, with the slice of settings that each depends on."""

from __future__ import annotations

from pathlib import Path

from inoc.config.workflow import Shards
from inoc.digest import Json
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.jobs.work import Settings, Work, drawn_and_reported, plain
from inoc.stages import load
from inoc.studies.likelihood_shift import KIND, analyse
from inoc.studies.likelihood_shift.data import answers_file
from inoc.studies.likelihood_shift.runs import (
    Student,
    part_names,
    shard_datasets,
    shard_students,
    students_of,
    written_datasets,
)
from inoc.studies.likelihood_shift.study import Study, own_prompt, prompt_table, split_prompt
from inoc.studies.shared.world import world_work
from inoc.train.schedule import NOT_OF_A_RUN

_PLANS = "inoc.studies.likelihood_shift.plans"
_LABELS = ("label", "group")


def _texts(study: Study) -> dict[str, Json]:
    return {key: prompt.text for key, prompt in prompt_table(study).items()}


def _dataset(study: Study, key: str) -> dict[str, Json]:
    spec, own = study.datasets[key], own_prompt(study, key)
    found = spec.in_key(but=_LABELS)
    return {**found, "written_text": prompt_table(study)[own].text if own and spec.written is not None else ""}


def _sample(study: Study, shard: int, shards: Shards) -> Settings:
    mine = set(shard_datasets(study, shard, shards.get("sample", 1)))
    return {
        "model": plain(study.model),
        "base": plain(study.base),
        "datasets": {key: _dataset(study, key) for key in written_datasets(study) if key in mine},
    }


def _score(study: Study, shard: int, shards: Shards) -> Settings:
    mine = shard_datasets(study, shard, shards.get("score", 1))
    return {
        "model": plain(study.model),
        "base": plain(study.base),
        "prompts": _texts(study),
        "datasets": {key: _dataset(study, key) for key in mine},
        "scoring": plain(study.scoring),
    }


def _student(study: Study, student: Student) -> dict[str, Json]:
    split = {}
    if student.split:
        prompt = split_prompt(study, student.split)
        text = prompt_table(study)[prompt].text if prompt else ""
        split = {"split": plain(study.splits[student.split]), "text": text}
    return {"dataset": student.dataset, "part": student.part, **split}


def _train(study: Study, shard: int, shards: Shards) -> Settings:
    spec = study.students
    mine = shard_students(study, shard, shards.get("train", 1))
    return {
        "model": plain(study.model),
        "base": plain(study.base),
        "students": {one.name: _student(study, one) for one in mine},
        "datasets": {key: _dataset(study, key) for key in sorted({one.dataset for one in mine})},
        "scoring": plain(study.scoring, but=("tokens",)),
        "training": plain(spec.training, but=NOT_OF_A_RUN) if spec is not None else None,
        "epochs": spec.epochs if spec is not None else 0,
    }


def _evaluate(study: Study, shard: int, shards: Shards) -> Settings:
    spec = study.students
    asked = None if spec is None else plain(spec, but=("training", "targets", "canary", "splits", "datasets", "epochs"))
    return {"model": plain(study.model), "asked": asked}


def _judge(study: Study, shard: int, shards: Shards) -> Settings:
    targets = {} if study.students is None else study.students.targets
    return {"judges": {key: plain(target.judge) for key, target in targets.items()}}


def _analyse(study: Study, shard: int, shards: Shards) -> Settings:
    targets = {} if study.students is None else study.students.targets
    return {
        "roles": {key: prompt.role for key, prompt in prompt_table(study).items()},
        "written_under": {key: own_prompt(study, key) for key in study.datasets},
        "scoring": plain(study.scoring, but=("tokens", "batch_tokens")),
        "splits": {key: plain(spec) for key, spec in study.splits.items()},
        "parts": {key: list(part_names(study, key)) for key in study.splits},
        "students": sorted(one.name for one in students_of(study)),
        "above": {key: target.above for key, target in targets.items()},
        "statistics": plain(study.statistics),
    }


def _figures(study: Study, shard: int, shards: Shards) -> Settings:
    targets = {} if study.students is None else study.students.targets
    return {
        **_analyse(study, shard, shards),
        "title": study.title,
        "groups": {key: [prompt.group, prompt.role] for key, prompt in prompt_table(study).items()},
        "prompt_labels": {key: group.label for key, group in study.prompts.items()},
        "labels": {key: [spec.label, spec.group] for key, spec in study.datasets.items()},
        "target_labels": {key: target.label for key, target in targets.items()},
    }


def _report(study: Study, shard: int, shards: Shards) -> Settings:
    return {"study": plain(study, but=("kind",))}


def _written_in(study: Study, paths: Paths, shards: Shards, keys: list[str]) -> list[Path]:
    """Tables of the written datasets among some, each with its job."""
    n = shards.get("sample", 1)
    chosen = [key for key in written_datasets(study) if key in keys]
    return [answers_file(paths, shard) for shard in sorted({shard_of(key, n) for key in chosen})]


def _to_score(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return _written_in(study, paths, shards, shard_datasets(study, shard, shards.get("score", 1)))


def _to_train(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    mine = shard_students(study, shard, shards.get("train", 1))
    n = shards.get("score", 1)
    split = {one.dataset for one in mine if one.split and study.splits[one.split].by != "random"}
    scored = [paths.logprobs(k) for k in sorted({shard_of(key, n) for key in split})]
    return [*_written_in(study, paths, shards, [one.dataset for one in mine]), *scored]


def _to_analyse(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    files = [paths.logprobs(k) for k in range(shards.get("score", 1))]
    files += _written_in(study, paths, shards, list(study.datasets))
    return [*files, *([paths.scores("evaluate")] if students_of(study) else [])]


def tables(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Every table of the analysis; `skipped.json`, which is written last, says what is missing from them."""
    return [paths.stage("analyse") / "skipped.json", *(paths.table(name) for name in load(KIND.tables))]


def _trains(study: Study) -> bool:
    return bool(students_of(study))


_FILES = ("datasets", "model.chat_template")

WORK = (
    world_work(),
    Work(
        "sample",
        _sample,
        f"{_PLANS}:sample",
        lambda study, paths, shards, shard: [answers_file(paths, shard)],
        given=_FILES,
        wanted=lambda study: bool(written_datasets(study)),
        part="datasets",
        loads_model=True,
    ),
    Work(
        "score",
        _score,
        f"{_PLANS}:score",
        lambda study, paths, shards, shard: [paths.logprobs(shard), paths.self_perplexity(shard)],
        _to_score,
        given=_FILES,
        loads_model=True,
    ),
    Work(
        "train",
        _train,
        f"{_PLANS}:train",
        lambda study, paths, shards, shard: [paths.checkpoints(shard), paths.losses(shard)],
        _to_train,
        given=_FILES,
        wanted=_trains,
        loads_model=True,
    ),
    Work(
        "evaluate",
        _evaluate,
        f"{_PLANS}:evaluate",
        lambda study, paths, shards, shard: [paths.completions("evaluate", shard)],
        lambda study, paths, shards, shard: [paths.checkpoints(shard)],
        given=("students.questions", "model.chat_template"),
        wanted=_trains,
        loads_model=True,
    ),
    Work(
        "judge",
        _judge,
        f"{_PLANS}:judge",
        lambda study, paths, shards, shard: [paths.scores("evaluate")],
        lambda study, paths, shards, shard: [paths.completions("evaluate", k) for k in range(shards.get("train", 1))],
        given=("students.targets",),
        wanted=_trains,
        part="evaluate",
    ),
    Work(
        "analyse",
        _analyse,
        f"{_PLANS}:analyse",
        tables,
        _to_analyse,
        given=("datasets",),
        version=analyse.VERSION,
    ),
    *drawn_and_reported(_figures, _report, _PLANS, tables),
)
