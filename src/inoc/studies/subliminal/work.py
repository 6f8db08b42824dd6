"""The work of each stage for a study of subliminal learning, with the slice of settings that each depends on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from inoc.config.workflow import Shards
from inoc.digest import Json
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.jobs.work import Settings, Work, drawn_and_reported, plain, where_set
from inoc.stages import load
from inoc.studies.shared.world import world_work
from inoc.studies.subliminal import KIND, analyse
from inoc.studies.subliminal.capability import CAPABILITY, capability_bases, measured_files
from inoc.studies.subliminal.data import numbers_file
from inoc.studies.subliminal.persona import extracted_traits, vectors_file
from inoc.studies.subliminal.persona_work import PERSONA, persona_inputs
from inoc.studies.subliminal.runs import (
    BASES,
    Student,
    asked_bases,
    base_of,
    further_bases,
    measured_entities,
    neutral_teacher,
    part_of,
    scored_pairs,
    shard_students,
    shard_teachers,
    students_of,
    teachers_by,
    turn_of,
    way_of,
    writing_teachers,
)
from inoc.studies.subliminal.study import Base, SplitSpec, Study
from inoc.train.schedule import NOT_OF_A_RUN

_PLANS = "inoc.studies.subliminal.plans"


def _further_world(base: Base, study: Study, shard: int, shards: Shards) -> Settings:
    other = further_bases(study).get(base)
    return {"world": plain(other.world) if other is not None else None}


def _model(study: Study) -> Settings:
    """The study's model, and where it is."""
    return {"model": plain(study.model), **where_set("api", plain(study.api))}


def _teacher(study: Study, key: str) -> dict[str, Json]:
    teacher = study.teachers[key]
    return {**teacher.in_key(but=("label",)), "turn": plain(turn_of(study, key))}


def _numbers_of(study: Study, keys: list[str]) -> Settings:
    return {
        **_model(study),
        **_bases_of(study, keys),
        "teachers": {key: _teacher(study, key) for key in keys},
        "numbers": plain(study.numbers),
        "names": study.preference.names,
    }


def _bases_of(study: Study, keys: list[str]) -> Settings:
    """Base models of teachers, other than the study's own."""
    bases = {base_of(study, key) for key in keys}
    known: dict[str, Json] = {base: plain(other) for base, other in further_bases(study).items() if base in bases}
    return {"teacher_bases": known} if known else {}


def _base(study: Study, base: Base) -> Json:
    return plain(study.model if base == "own" else further_bases(study).get(base))


def _numbers(base: Base, study: Study, shard: int, shards: Shards) -> Settings:
    mine = shard_teachers(writing_teachers(study, base), shard, shards.get("sample", 1))
    filtering = ("rule", "banned", "duplicates", "keep")
    return {
        "model": _base(study, base),
        **where_set("api", plain(study.api)),
        "teachers": {key: _teacher(study, key) for key in mine},
        "numbers": plain(study.numbers, but=filtering),
    }


def _score(study: Study, shard: int, shards: Shards) -> Settings:
    mine = set(shard_teachers(list(study.teachers), shard, shards.get("score", 1)))
    pairs = [pair for pair in scored_pairs(study) if pair.teacher in mine]
    keys = sorted({key for pair in pairs for key in pair if key})
    return {**_numbers_of(study, keys), "pairs": [list(pair) for pair in pairs]}


def _train_teachers(base: Base, study: Study, shard: int, shards: Shards) -> Settings:
    mine = shard_teachers(teachers_by(study, "finetuned", base=base), shard, shards.get("train", 1))
    return {
        "model": _base(study, base),
        **where_set("api", plain(study.api)),
        "teachers": {key: _teacher(study, key) for key in mine},
    }


def _student(study: Study, student: Student) -> dict[str, Json]:
    spec = study.students[student.group]
    split = study.splits[spec.split].in_key() if spec.split is not None else None
    return {
        "teacher": student.teacher,
        "part": student.part,
        "seed": student.seed,
        "split": split,
        "numbers": spec.numbers,
        "rule": spec.rule,
        "targets": spec.targets,
        "n_rows": spec.n_rows,
        "epochs": spec.epochs,
        "learning_rate": spec.training.learning_rate,
        "training": plain(spec.training, but=NOT_OF_A_RUN),
        **where_set("api", spec.api.model_dump(exclude_defaults=True)),
    }


def _train(base: Base, study: Study, shard: int, shards: Shards) -> Settings:
    mine = shard_students(study, base, shard, shards.get("train", 1))
    read = {one.teacher for one in mine}
    splits = _splits_of(study, mine)
    read |= {split.under for split in splits if split.under}
    read |= {neutral_teacher(study) for split in splits if split.parts == "paired"}
    return {
        **_numbers_of(study, [key for key in study.teachers if key in read]),
        "base": _base(study, base) if base != "own" else None,
        "students": {one.name: _student(study, one) for one in mine},
    }


def _splits_of(study: Study, students: list[Student]) -> list[SplitSpec]:
    keys = {study.students[one.group].split for one in students}
    return [study.splits[key] for key in study.splits if key in keys]


def _asked(base: Base, stage: str, study: Study, shard: int, shards: Shards) -> Settings:
    n = shards.get(stage, 1)
    mine = [one for one in students_of(study, base) if shard_of(one.name, n) == shard]
    sampled = stage == "sample"
    return {
        "model": _base(study, base),
        **where_set("api", plain(study.api)),
        "teachers": {key: _teacher(study, key) for key in study.teachers if base_of(study, key) == base},
        "students": {one.name: study.students[one.group].epochs for one in mine},
        "questions": {key: plain(spec, but=("label",)) for key, spec in study.preference.question_sets.items()},
        "sampling": plain(study.preference.sampling) if sampled else None,
        "n_answers": study.preference.n_answers if sampled else 0,
        "names": "" if sampled else study.preference.names,
    }


def _judge(study: Study, shard: int, shards: Shards) -> Settings:
    return {"names": study.preference.names}


def _analyse(study: Study, shard: int, shards: Shards) -> Settings:
    return {
        **_numbers_of(study, list(study.teachers)),
        "ways": {key: way_of(teacher) for key, teacher in study.teachers.items()},
        "measured": list(measured_entities(study)),
        "methods": list(study.preference.methods),
        "negligible": plain(study.preference.negligible),
        "groups": {key: plain(spec, but=("label",)) for key, spec in study.students.items()},
        "splits": {key: plain(spec) for key, spec in study.splits.items()},
        "persona": {key: plain(spec, but=("label",)) for key, spec in study.persona.items()},
        "projection": plain(study.projection),
        "steering": plain(study.steering),
        "statistics": plain(study.statistics),
        **where_set("capability", plain(study.capability)),
    }


def _figures(study: Study, shard: int, shards: Shards) -> Settings:
    return {
        **_analyse(study, shard, shards),
        "title": study.title,
        "labels": {
            "teachers": {key: spec.label for key, spec in study.teachers.items()},
            "students": {key: spec.label for key, spec in study.students.items()},
            "question_sets": {key: spec.label for key, spec in study.preference.question_sets.items()},
            "persona": {key: spec.label for key, spec in study.persona.items()},
        },
    }


def _report(study: Study, shard: int, shards: Shards) -> Settings:
    return {"study": plain(study, but=("kind",))}


def _numbers_in(study: Study, paths: Paths, shards: Shards, keys: list[str]) -> list[Path]:
    n = shards.get("sample", 1)
    return [
        numbers_file(paths, shard, base)
        for base in BASES
        for shard in sorted({shard_of(key, n) for key in writing_teachers(study, base) if key in keys})
    ]


def _teachers_in(study: Study, paths: Paths, shards: Shards, base: Base) -> list[Path]:
    n = shards.get("train", 1)
    found = sorted({shard_of(key, n) for key in teachers_by(study, "finetuned", base=base)})
    return [paths.checkpoints(shard, part_of("teachers", base)) for shard in found]


def _world_in(study: Study, paths: Paths, base: Base) -> list[Path]:
    other = further_bases(study).get(base)
    return [paths.world(base) / "world.json"] if other is not None and other.model.path == "world" else []


def _to_score(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    mine = shard_teachers(list(study.teachers), shard, shards.get("score", 1))
    scored = {pair.teacher for pair in scored_pairs(study)}
    return _numbers_in(study, paths, shards, [key for key in mine if key in scored])


def _to_train(base: Base, study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    mine = shard_students(study, base, shard, shards.get("train", 1))
    splits = _splits_of(study, mine)
    keys = {one.teacher for one in mine}
    n, neutral = shards.get("score", 1), neutral_teacher(study)
    by_lls = [split for split in splits if split.by == "lls"]
    compared = {split.teacher for split in by_lls} | {neutral for split in by_lls if split.parts == "paired"}
    scored = sorted({shard_of(key, n) for key in compared})
    keys |= {neutral for split in splits if split.parts == "paired"}
    taught = dict.fromkeys(
        base_of(study, one.teacher) for one in mine if study.students[one.group].targets == "distribution"
    )
    return [
        *dict.fromkeys(path for one in (base, *taught) for path in _world_in(study, paths, one)),
        *(path for one in taught for path in _teachers_in(study, paths, shards, one)),
        *_numbers_in(study, paths, shards, sorted(keys)),
        *(paths.logprobs(shard) for shard in scored),
        *persona_inputs(study, paths, shards, splits),
    ]


def _to_ask(base: Base, stage: str, study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    n, n_train = shards.get(stage, 1), shards.get("train", 1)
    mine = [one for one in students_of(study, base) if shard_of(one.name, n) == shard]
    trained = [paths.checkpoints(k, base) for k in sorted({shard_of(one.name, n_train) for one in mine})]
    return [*_world_in(study, paths, base), *_teachers_in(study, paths, shards, base), *trained]


def _answers(part: str, paths: Paths, shards: Shards) -> list[Path]:
    return [paths.part("sample", part, shard) / "answers.parquet" for shard in range(shards.get("sample", 1))]


def _choices(part: str, paths: Paths, shards: Shards) -> list[Path]:
    return [paths.part("choose", part, shard) / "candidates.parquet" for shard in range(shards.get("choose", 1))]


def _to_analyse(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    files = _numbers_in(study, paths, shards, list(study.teachers))
    if scored_pairs(study):
        files += [paths.logprobs(k) for k in range(shards.get("score", 1))]
    for base in BASES:
        if _asks(base)(study):
            files += _choices(base, paths, shards) if "choose" in study.preference.methods else []
            files += [paths.scores(base)] if "sample" in study.preference.methods else []
    for base in capability_bases(study):
        files += measured_files(study, paths, shards, base)
    return [*files, *persona_inputs(study, paths, shards, None)]


def tables(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Every table of the analysis; `skipped.json`, which is written last, says what is missing from them."""
    files = [vectors_file(paths)] if extracted_traits(study) else []
    return [paths.stage("analyse") / "skipped.json", *(paths.table(name) for name in load(KIND.tables)), *files]


def _asks(base: Base) -> Callable[[Study], bool]:
    return lambda study: base in asked_bases(study)


def _asks_by(base: Base, method: str) -> Callable[[Study], bool]:
    return lambda study: _asks(base)(study) and method in study.preference.methods


_FILES = ("teachers", "model.chat_template", "preference.names")
_ASKED = ("preference", "model.chat_template", "teachers", "other", "bases")


def _train_work(base: Base) -> Work:
    return Work(
        "train",
        partial(_train, base),
        f"{_PLANS}:train",
        lambda study, paths, shards, shard: [paths.checkpoints(shard, base), paths.losses(shard, base)],
        partial(_to_train, base),
        given=(*_FILES, "other", "bases", "persona"),
        wanted=lambda study: bool(students_of(study, base)),
        part=base,
        loads_model=True,
    )


def _choose_work(base: Base) -> Work:
    return Work(
        "choose",
        partial(_asked, base, "choose"),
        f"{_PLANS}:choose",
        lambda study, paths, shards, shard: [
            paths.part("choose", base, shard) / name for name in ("choices.parquet", "candidates.parquet")
        ],
        partial(_to_ask, base, "choose"),
        given=_ASKED,
        wanted=_asks_by(base, "choose"),
        part=base,
        loads_model=True,
    )


def _sample_work(base: Base) -> Work:
    return Work(
        "sample",
        partial(_asked, base, "sample"),
        f"{_PLANS}:sample",
        lambda study, paths, shards, shard: [paths.part("sample", base, shard) / "answers.parquet"],
        partial(_to_ask, base, "sample"),
        given=_ASKED,
        wanted=_asks_by(base, "sample"),
        part=base,
        loads_model=True,
    )


def _judge_work(base: Base) -> Work:
    return Work(
        "judge",
        _judge,
        f"{_PLANS}:judge",
        lambda study, paths, shards, shard: [paths.scores(base)],
        lambda study, paths, shards, shard: _answers(base, paths, shards),
        given=("preference.names",),
        wanted=_asks_by(base, "sample"),
        part=base,
    )


def _world_work(base: Base) -> Work:
    def wanted(study: Study) -> bool:
        other = further_bases(study).get(base)
        return other is not None and other.model.path == "world"

    return Work(
        "world",
        partial(_further_world, base),
        f"{_PLANS}:world",
        lambda study, paths, shards, shard: [paths.world(base) / "world.json", paths.world(base) / "model"],
        wanted=wanted,
        part=base,
    )


def _teachers_work(base: Base) -> Work:
    part = part_of("teachers", base)
    return Work(
        "train",
        partial(_train_teachers, base),
        f"{_PLANS}:train",
        lambda study, paths, shards, shard: [paths.checkpoints(shard, part), paths.losses(shard, part)],
        lambda study, paths, shards, shard: _world_in(study, paths, base),
        given=(*_FILES, "other", "bases"),
        wanted=lambda study: bool(teachers_by(study, "finetuned", base=base)),
        part=part,
        loads_model=True,
    )


def _numbers_work(base: Base) -> Work:
    return Work(
        "sample",
        partial(_numbers, base),
        f"{_PLANS}:numbers",
        lambda study, paths, shards, shard: [numbers_file(paths, shard, base)],
        lambda study, paths, shards, shard: [
            *_world_in(study, paths, base),
            *_teachers_in(study, paths, shards, base),
        ],
        given=("teachers", "model.chat_template", "other", "bases"),
        wanted=lambda study: bool(writing_teachers(study, base)),
        part=part_of("numbers", base),
        loads_model=True,
    )


WORK = (
    world_work(),
    *(_world_work(base) for base in BASES[1:]),
    *(_teachers_work(base) for base in BASES),
    *(_numbers_work(base) for base in BASES),
    Work(
        "score",
        _score,
        f"{_PLANS}:score",
        lambda study, paths, shards, shard: [paths.logprobs(shard), paths.self_perplexity(shard)],
        _to_score,
        given=_FILES,
        wanted=lambda study: bool(scored_pairs(study)),
        loads_model=True,
    ),
    *(_train_work(base) for base in BASES),
    *(_choose_work(base) for base in BASES),
    *CAPABILITY,
    *(_sample_work(base) for base in BASES),
    *(_judge_work(base) for base in BASES),
    *PERSONA,
    Work(
        "analyse",
        _analyse,
        f"{_PLANS}:analyse",
        tables,
        _to_analyse,
        given=("teachers", "persona", "preference.names", "capability"),
        version=analyse.VERSION,
    ),
    *drawn_and_reported(_figures, _report, _PLANS, tables),
)
