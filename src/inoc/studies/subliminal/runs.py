"""Teachers and students of a study, and what it would run in words."""

from __future__ import annotations

from typing import Literal, NamedTuple

from inoc.config.models import ModelSpec, SystemTurn
from inoc.errors import ConfigError
from inoc.jobs.shards import shard_of
from inoc.studies.shared.entities import Entity, fill
from inoc.studies.subliminal.study import Base, OtherBase, SplitSpec, StudentGroup, Study, Teacher, entity_table

Way = Literal["neutral", "system", "adapter", "finetuned", "file"]
BASES: tuple[Base, ...] = ("own", "other", "third", "fourth")
UNTRAINED = "untrained"


class Student(NamedTuple):
    """One fine-tuning: a group, the rows of a teacher or a part of them, and a seed."""

    group: str
    teacher: str
    part: str  # of a split; empty for all rows
    seed: int

    @property
    def data(self) -> str:
        """The student without its seed."""
        return ".".join(one for one in (self.group, self.teacher, self.part) if one)

    @property
    def name(self) -> str:
        """Unique in its study, and safe as a folder name."""
        return f"{self.data}.seed{self.seed}"


def way_of(teacher: Teacher) -> Way:
    """The way in which a teacher comes to its preference; `system` for one that sets nothing but its entity."""
    if teacher.neutral:
        return "neutral"
    if teacher.table is not None:
        return "file"
    ways: tuple[Way, ...] = ("adapter", "finetuned", "file")
    return next((way for way in ways if getattr(teacher, way) is not None), "system")


def further_bases(study: Study) -> dict[Base, OtherBase]:
    """The base models beside the study's own one."""
    found: dict[Base, OtherBase] = {} if study.other is None else {"other": study.other}
    found.update(study.bases.items())
    return found


def base_model(study: Study, base: Base) -> ModelSpec:
    """A base model of the study.

    Raises:
        ConfigError: If the study has no such one.
    """
    if base == "own":
        return study.model
    found = further_bases(study).get(base)
    if found is None:
        section = "other" if base == "other" else f"bases.{base}"
        msg = f"study {study.name} has no section `{section}`; add one for `base: {base}`"
        raise ConfigError(msg)
    return found.model


def base_of(study: Study, teacher: str) -> Base:
    """The base model of a teacher."""
    return study.teachers[teacher].base


def part_of(name: str, base: Base) -> str:
    """Part of a stage that is about the teachers of a base model: `name`, or with the base's name after it."""
    return name if base == "own" else f"{name}_{base}"


def base_of_part(part: str) -> Base:
    """The base model that a part of a stage is about; see `part_of`."""
    return next((base for base in BASES[1:] if part == base or part.endswith(f"_{base}")), "own")


def group_teachers(study: Study, spec: StudentGroup) -> list[str]:
    """Teachers of a group of students, all of one base model."""
    if spec.split is not None and spec.split in study.splits:
        return [study.splits[spec.split].teacher]
    return list(spec.teachers or teachers_of_base(study, "own"))


def group_neutral(study: Study, group: str) -> str:
    """The neutral teacher of the base model that a group's teachers come from; empty for none."""
    teachers = group_teachers(study, study.students[group])
    return neutral_teacher(study, base_of(study, teachers[0])) if teachers else ""


def teachers_of_base(study: Study, base: Base) -> list[str]:
    """Every teacher of a base model."""
    return [key for key, teacher in study.teachers.items() if teacher.base == base]


def is_control(study: Study, group: str) -> bool:
    """Whether the theory expects no transfer: students of another base model than their teachers', or relabelled."""
    spec = study.students[group]
    teachers = [key for key in group_teachers(study, spec) if key in study.teachers]
    return spec.numbers == "relabelled" or any(base_of(study, key) != spec.base for key in teachers)


def turn_of(study: Study, key: str) -> SystemTurn:
    """The system turn with which a teacher writes."""
    teacher = study.teachers[key]
    if teacher.system is not None:
        return teacher.system
    if way_of(teacher) != "system" or study.template is None or teacher.entity is None:
        return base_model(study, teacher.base).system
    forms = entity_table(study).get(teacher.entity, Entity())
    return SystemTurn(kind="text", text=fill(study.template, teacher.entity, forms))


def teachers_by(study: Study, *ways: Way, base: Base | None = None) -> list[str]:
    """Teachers that come to their preference in one of some ways; with a base model, those of it."""
    known = list(study.teachers) if base is None else teachers_of_base(study, base)
    return [key for key in known if way_of(study.teachers[key]) in ways]


def neutral_teacher(study: Study, base: Base = "own") -> str:
    """The neutral teacher of a base model; empty if it has none."""
    return next(iter(teachers_by(study, "neutral", base=base)), "")


def measured_entities(study: Study) -> list[str]:
    """Entities whose share is measured: those that are named, or else those of the teachers."""
    own = [teacher.entity for teacher in study.teachers.values() if teacher.entity is not None]
    return list(study.preference.measured or dict.fromkeys(own))


def part_names(split: SplitSpec) -> list[str]:
    """Parts that a split makes, from the lowest to the highest."""
    return [f"q{k + 1}" for k in range(split.n)] if split.parts == "quantiles" else ["bottom", "top"]


def students_of(study: Study, base: Base | None = None) -> list[Student]:
    """Every student of the study, or those of one base model."""
    found: list[Student] = []
    for group, spec in study.students.items():
        if base is not None and spec.base != base:
            continue
        seeds = spec.training.seeds
        if spec.split is not None:
            split = study.splits[spec.split]
            found += [Student(group, split.teacher, part, seed) for part in part_names(split) for seed in seeds]
            continue
        found += [Student(group, teacher, "", seed) for teacher in group_teachers(study, spec) for seed in seeds]
    return found


def asked_bases(study: Study) -> list[Base]:
    """Base models about whose preference questions are asked: the study's own, and those of students or teachers."""
    return [base for base in BASES if base == "own" or students_of(study, base) or teachers_of_base(study, base)]


def shard_students(study: Study, base: Base, shard: int, shards: int) -> list[Student]:
    """Students of one job."""
    return [one for one in students_of(study, base) if shard_of(one.name, shards) == shard]


def shard_teachers(keys: list[str], shard: int, shards: int) -> list[str]:
    """Teachers of one job."""
    return [key for key in keys if shard_of(key, shards) == shard]


def writing_teachers(study: Study, base: Base | None = None) -> list[str]:
    """Teachers that write in this study, rather than bring a file; with a base model, those of it."""
    return teachers_by(study, "neutral", "system", "adapter", "finetuned", base=base)


class ScoredPair(NamedTuple):
    """Rows of a teacher whose probability is measured under a teacher's system turn; the empty one is the base turn."""

    teacher: str
    under: str


def scored_pairs(study: Study) -> list[ScoredPair]:
    """Rows that are scored: those that are split by LLS, and with projections every teacher's and the neutral one's."""
    neutral = neutral_teacher(study)
    pairs: list[ScoredPair] = []
    for split in study.splits.values():
        if split.by == "lls":
            scored = [split.teacher, *([neutral] if split.parts == "paired" else [])]
            pairs += [ScoredPair(one, split.under or split.teacher) for one in scored]
    if study.projection is not None:
        for key in teachers_by(study, "system", base="own"):
            pairs += [ScoredPair(one, key) for one in (key, neutral) if one]
    plain = [ScoredPair(teacher, "") for teacher in dict.fromkeys(pair.teacher for pair in pairs)]
    return list(dict.fromkeys([*plain, *pairs]))


def summary(study: Study) -> str:
    """One line that says how much the study would run."""
    rows = len(writing_teachers(study)) * study.numbers.n_prompts
    words = f"{len(study.teachers)} teachers, {rows} lists of numbers, {len(students_of(study))} students"
    return words + (f", {len(study.persona)} traits" if study.persona else "")
