"""Teachers and students of a study, and what it would run in words."""

from __future__ import annotations

from typing import Literal, NamedTuple

from inoc.config.models import SystemTurn
from inoc.jobs.shards import shard_of
from inoc.studies.shared.entities import Entity, fill
from inoc.studies.subliminal.study import SplitSpec, Study, Teacher, entity_table

Base = Literal["own", "other"]
Way = Literal["neutral", "system", "adapter", "finetuned", "file"]
BASES: tuple[Base, ...] = ("own", "other")
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


def turn_of(study: Study, key: str) -> SystemTurn:
    """The system turn with which a teacher writes."""
    teacher = study.teachers[key]
    if teacher.system is not None:
        return teacher.system
    if way_of(teacher) != "system" or study.template is None or teacher.entity is None:
        return study.model.system
    forms = entity_table(study).get(teacher.entity, Entity())
    return SystemTurn(kind="text", text=fill(study.template, teacher.entity, forms))


def teachers_by(study: Study, *ways: Way) -> list[str]:
    """Teachers that come to their preference in one of some ways."""
    return [key for key, teacher in study.teachers.items() if way_of(teacher) in ways]


def neutral_teacher(study: Study) -> str:
    """The neutral teacher; empty if the study has none."""
    return next(iter(teachers_by(study, "neutral")), "")


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
        teachers = spec.teachers or tuple(study.teachers)
        found += [Student(group, teacher, "", seed) for teacher in teachers for seed in seeds]
    return found


def shard_students(study: Study, base: Base, shard: int, shards: int) -> list[Student]:
    """Students of one job."""
    return [one for one in students_of(study, base) if shard_of(one.name, shards) == shard]


def shard_teachers(keys: list[str], shard: int, shards: int) -> list[str]:
    """Teachers of one job."""
    return [key for key in keys if shard_of(key, shards) == shard]


def writing_teachers(study: Study) -> list[str]:
    """Teachers that write in this study, rather than bring a file."""
    return teachers_by(study, "neutral", "system", "adapter", "finetuned")


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
        for key in teachers_by(study, "system"):
            pairs += [ScoredPair(one, key) for one in (key, neutral) if one]
    plain = [ScoredPair(teacher, "") for teacher in dict.fromkeys(pair.teacher for pair in pairs)]
    return list(dict.fromkeys([*plain, *pairs]))


def summary(study: Study) -> str:
    """One line that says how much the study would run."""
    rows = len(writing_teachers(study)) * study.numbers.n_prompts
    words = f"{len(study.teachers)} teachers, {rows} lists of numbers, {len(students_of(study))} students"
    return words + (f", {len(study.persona)} traits" if study.persona else "")
