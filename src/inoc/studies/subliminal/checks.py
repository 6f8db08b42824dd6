"""Agreement between the parts of a study of subliminal learning: every check that needs more than one field."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from inoc.config.checks import computing, micro_batches, moves, problems_of, turn_text
from inoc.config.document import KeyPath, Problem
from inoc.config.models import TrainingSpec
from inoc.errors import did_you_mean
from inoc.studies.shared.answers import is_sample_table
from inoc.studies.shared.checks import source_problems, template_problems
from inoc.studies.subliminal.api_checks import api_problems
from inoc.studies.subliminal.persona_checks import persona_problems
from inoc.studies.subliminal.runs import (
    BASES,
    base_of,
    further_bases,
    group_teachers,
    neutral_teacher,
    students_of,
    teachers_by,
    way_of,
)
from inoc.studies.subliminal.study import Base, Study, Teacher, entity_table
from inoc.studies.subliminal.world_checks import world_problems

_WAYS = ("neutral", "system", "adapter", "finetuned", "file", "table")


def study_problems(study: Study, sections: Collection[str] | None = None) -> list[Problem]:
    """All disagreements between the parts of a study.

    Args:
        study: The study.
        sections: Names of its well-formed sections; checks that read any other are left out. None: all sections.
    """
    return problems_of(_CHECKS, study, sections)


def _known(keys: Iterable[str], known: Collection[str], section: str, path: KeyPath) -> Iterator[Problem]:
    for key in keys:
        if key not in known:
            yield Problem(
                path, f"{key!r} is no key of `{section}`; accepted: one of them{did_you_mean(key, known)}", key
            )


def _turns(study: Study) -> Iterator[Problem]:
    yield from turn_text(study.model.system, ("model", "system"))
    yield from computing(study.model, ("model",))
    for base, other in further_bases(study).items():
        place: KeyPath = ("other",) if base == "other" else ("bases", base)
        yield from turn_text(other.model.system, (*place, "model", "system"))
        yield from computing(other.model, (*place, "model"))
    for key, teacher in study.teachers.items():
        if teacher.system is not None:
            yield from turn_text(teacher.system, ("teachers", key, "system"))


def _teachers(study: Study) -> Iterator[Problem]:
    entities = entity_table(study)
    for key, teacher in study.teachers.items():
        path: KeyPath = ("teachers", key)
        given = [way for way in _WAYS if getattr(teacher, way)]
        if len(given) > 1:
            yield Problem(path, f"sets {' and '.join(given)}; accepted: at most one of {', '.join(_WAYS)}", key)
        if not given and (teacher.entity is None or study.template is None):
            yield Problem(
                path,
                f"sets none of {', '.join(_WAYS)}; accepted without them: `entity`, in a study with a `template`",
                key,
            )
        if teacher.table is not None and not is_sample_table(teacher.table):
            yield Problem((*path, "table"), "accepted: `<study>/sample:<dataset>`", teacher.table)
        yield from _known_base(study, teacher.base, path)
        if teacher.neutral and teacher.entity is not None:
            yield Problem((*path, "entity"), "is not for the neutral teacher; leave it out", teacher.entity)
        if teacher.entity is not None:
            yield from _known([teacher.entity], entities, "entities", (*path, "entity"))
        yield from _finetuned(study, key, teacher)
    for base in BASES:
        neutral = teachers_by(study, "neutral", base=base)
        if len(neutral) > 1:
            said = f"has {len(neutral)} neutral ones with base: {base}; accepted: at most one"
            yield Problem(("teachers",), said, ", ".join(neutral))
    if study.template is not None:
        yield from template_problems(study.template, ("template",))


def _finetuned(study: Study, key: str, teacher: Teacher) -> Iterator[Problem]:
    spec = teacher.finetuned
    if spec is None:
        return
    path: KeyPath = ("teachers", key, "finetuned")
    if (spec.file is None) == (spec.questions is None):
        yield Problem(path, "sets both or neither of `file` and `questions`; accepted: exactly one", key)
    yield from template_problems(spec.answer, (*path, "answer"), may_be_plain=True)
    if not spec.answer.strip():
        yield Problem((*path, "answer"), "is empty; accepted: a text with slots for the entity", spec.answer)
    if spec.questions is not None:
        yield from source_problems(spec.questions, (*path, "questions"))
        if teacher.entity is None:
            yield Problem(path, "answers `questions` with the teacher's `entity`, which is missing", key)
    yield from _training(spec.training, (*path, "training"), ())


def _students(study: Study) -> Iterator[Problem]:
    for key, spec in study.students.items():
        path: KeyPath = ("students", key)
        yield from _known(spec.teachers, study.teachers, "teachers", (*path, "teachers"))
        if spec.split is not None:
            yield from _known([spec.split], study.splits, "splits", (*path, "split"))
            if spec.rule is not None:
                yield Problem((*path, "rule"), "does not go with `split`, whose rows are those of `numbers.rule`", key)
            if spec.teachers:
                yield Problem((*path, "teachers"), "do not go with `split`, which names its teacher", key)
        yield from _known_base(study, spec.base, path)
        bases = {base_of(study, one) for one in group_teachers(study, spec) if one in study.teachers}
        if len(bases) > 1:
            said = f"come from {len(bases)} base models; accepted: those of one `base` in each group"
            yield Problem((*path, "teachers"), said, ", ".join(sorted(bases)))
        yield from _training(spec.training, (*path, "training"), ("epochs", "steps", "checkpoints"))
        if spec.targets == "distribution":
            if spec.numbers == "shuffled":
                msg = "accepted with `targets: distribution`: as_written, relabelled"
                yield Problem((*path, "numbers"), msg, spec.numbers)
            files = [one for one in group_teachers(study, spec) if _brings_file(study, one)]
            if files:
                yield Problem((*path, "targets"), f"need a model, and {', '.join(files)} bring a file", spec.targets)
    if any(problem for problem in _splits(study)):
        return
    names = [one.name for one in students_of(study)] if _resolved(study) else []
    twice = {name for name in names if names.count(name) > 1}
    for name in sorted(twice):
        yield Problem(("students",), f"{name} occurs {names.count(name)} times; accepted: once", name)


def _known_base(study: Study, base: Base, path: KeyPath) -> Iterator[Problem]:
    if base != "own" and base not in further_bases(study):
        section = "other" if base == "other" else f"bases.{base}"
        yield Problem((*path, "base"), f"is `{base}`, and the study has no section `{section}`; add one", base)


def _brings_file(study: Study, key: str) -> bool:
    return key in study.teachers and way_of(study.teachers[key]) == "file"


def _resolved(study: Study) -> bool:
    return all(spec.split is None or spec.split in study.splits for spec in study.students.values())


def _training(training: TrainingSpec, path: KeyPath, not_here: tuple[str, ...]) -> Iterator[Problem]:
    yield from micro_batches(training, path)
    yield from moves(training, training.steps, path)
    for name in not_here:
        if name in training.model_fields_set:
            yield Problem((*path, name), "is not for students; accepted: `epochs` of the group", name)


def _splits(study: Study) -> Iterator[Problem]:
    for key, spec in study.splits.items():
        path: KeyPath = ("splits", key)
        yield from _known([spec.teacher], study.teachers, "teachers", (*path, "teacher"))
        if spec.teacher in study.teachers and base_of(study, spec.teacher) != "own":
            yield Problem((*path, "teacher"), "accepted: a teacher with `base: own`", spec.teacher)
        if spec.parts == "paired" and not neutral_teacher(study):
            yield Problem((*path, "parts"), "is `paired`, and the study has no neutral teacher; add one", spec.parts)
        if spec.by == "projection":
            if spec.trait is None or spec.site is None:
                yield Problem(path, "by projection needs `trait` and `site`", key)
            yield from _known([spec.trait] if spec.trait else [], study.persona, "persona", (*path, "trait"))
            if study.projection is None:
                yield Problem(path, "by projection needs a section `projection`; add one", key)
            else:
                yield from _unprojected(study, key)
        else:
            under = spec.under or spec.teacher
            if under in study.teachers and way_of(study.teachers[under]) != "system":
                yield Problem((*path, "under"), "accepted: a teacher with a system turn", under)
            yield from _known([under], study.teachers, "teachers", (*path, "under"))


def _unprojected(study: Study, key: str) -> Iterator[Problem]:
    """Vectors and rows of a split that the section `projection` leaves out."""
    spec, shown = study.splits[key], study.projection
    if shown is None:
        return
    wanted: dict[str, tuple[str | None, ...]] = {
        "traits": (spec.trait,),
        "readouts": (spec.readout,),
        "sites": (spec.site,),
        "teachers": (spec.teacher,),
    }
    if spec.parts == "paired":
        wanted["teachers"] = (spec.teacher, neutral_teacher(study))
    for name, ones in wanted.items():
        listed: tuple[str, ...] = getattr(shown, name)
        for one in ones:
            if one and listed and one not in listed:
                msg = f"{one!r} is missing, and splits.{key} needs it; add it"
                yield Problem(("projection", name), msg, list(listed))


def _preference(study: Study) -> Iterator[Problem]:
    spec = study.preference
    for key, questions in spec.question_sets.items():
        yield from source_problems(questions.source, ("preference", "question_sets", key, "source"))
    if len(set(spec.methods)) < len(spec.methods):
        yield Problem(("preference", "methods"), "names a method twice; accepted: each once", list(spec.methods))


def _capability(study: Study) -> Iterator[Problem]:
    if study.capability is None:
        return
    if not study.students:
        yield Problem(("capability",), "compares students with their untrained model, and the study has no `students`")
    if study.capability.system is not None:
        yield from turn_text(study.capability.system, ("capability", "system"))


_CHECKS: tuple[tuple[tuple[str, ...], Callable[[Study], Iterator[Problem]]], ...] = (
    (("model", "other", "bases", "teachers"), _turns),
    (("teachers", "entities", "template", "other", "bases"), _teachers),
    (("students", "teachers", "splits", "other", "bases"), _students),
    (("splits", "teachers", "persona", "projection"), _splits),
    (("preference",), _preference),
    (("capability", "students"), _capability),
    (("api", "model", "teachers", "students", "numbers", "preference"), api_problems),
    (("persona", "entities", "projection", "steering", "teachers"), persona_problems),
    (("world", "model", "other", "bases", "numbers", "teachers", "preference", "persona"), world_problems),
)
