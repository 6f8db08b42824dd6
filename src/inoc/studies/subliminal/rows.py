"""Whether the files of a study hold what it wants of them.

That is known before the first job, where no model has to write the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from inoc.config.checks import moves
from inoc.config.document import key_path_text
from inoc.engines.candidates import check_candidates
from inoc.errors import InocError, did_you_mean
from inoc.jobs.paths import Paths
from inoc.judge.names import NamesJudge, read_names
from inoc.studies.shared.answers import first_file
from inoc.studies.shared.checks import site_problems
from inoc.studies.subliminal.adapters import adapter_problems, vllm_problems
from inoc.studies.subliminal.asking import candidates
from inoc.studies.subliminal.data import check_kept, teacher_rows
from inoc.studies.subliminal.persona import projected_teachers, questions_of, turns_of
from inoc.studies.subliminal.questions import texts_of
from inoc.studies.subliminal.runs import (
    base_of,
    further_bases,
    measured_entities,
    part_names,
    scored_pairs,
    students_of,
    teachers_by,
    writing_teachers,
)
from inoc.studies.subliminal.study import Study
from inoc.studies.subliminal.teachers import teacher_chats
from inoc.train.epochs import epoch_plan

_RESULTS = Path("results")


def row_problems(study: Study) -> Iterator[str]:
    """Files that do not hold what the study wants of them. The files exist and can be read."""
    if study.imported:
        return
    yield from _name_problems(study)
    for key, asked in study.preference.question_sets.items():
        yield from _refused(f"preference.question_sets.{key}", partial(texts_of, asked.source, asked.n))
    for key in teachers_by(study, "finetuned"):
        yield from _refused(f"teachers.{key}.finetuned", partial(teacher_chats, study, key))
    for key in teachers_by(study, "adapter"):
        yield from _adapter_problems(study, key)
    for key in study.persona:
        yield from _refused("", partial(turns_of, study, key))
        yield from _refused("", partial(questions_of, study, key))
    yield from _teacher_problems(study)
    yield from _site_problems(study)


def _refused(key: str, read: Callable[[], object]) -> Iterator[str]:
    """The refusal of a reader, after its place in the study file; nothing if it reads."""
    try:
        read()
    except InocError as error:
        yield f"{key}: {error}" if key else str(error)


def _name_problems(study: Study) -> Iterator[str]:
    """Measured entities are in the table of names, whose forms can be told apart."""
    path = study.preference.names
    try:
        known = read_names(Path(path))
        check_candidates(candidates(study))
        if "sample" in study.preference.methods:
            NamesJudge(known)
    except InocError as error:
        yield f"preference.names: {error}"
        return
    for name in measured_entities(study):
        if name not in known:
            place = "preference.measured" if study.preference.measured else "the entities of teachers"
            yield (
                f"preference.names = {path!r} has no {name!r}, which is one of {place}, so its share cannot be "
                f"measured; add a line `{name}: []`{did_you_mean(name, known)}"
            )


def _adapter_problems(study: Study, key: str) -> Iterator[str]:
    folder = Path(str(study.teachers[key].adapter)).expanduser()
    base = base_of(study, key)
    spec = study.model if base == "own" else further_bases(study)[base].model
    found = list(adapter_problems(folder, Path(spec.path).expanduser()))
    if not found and "vllm" in _engines(study, key):
        found = list(vllm_problems(folder))
    yield from (f"teachers.{key}.adapter = {str(folder)!r}: {problem}" for problem in found)


def _engines(study: Study, key: str) -> set[str]:
    """Engines that sample from a teacher."""
    found = {study.numbers.sampling.engine} if key in writing_teachers(study) else set()
    return found | ({study.preference.sampling.engine} if "sample" in study.preference.methods else set())


def _teacher_problems(study: Study) -> Iterator[str]:
    """Teachers whose rows are too few, or name their entity, for each rule of the filter that is asked for."""
    used = {one.teacher for one in students_of(study)} | {pair.teacher for pair in scored_pairs(study)}
    used |= set(projected_teachers(study))
    rules: dict[str, set[str | None]] = {key: {None} for key in study.teachers}
    for one in students_of(study):
        rules[one.teacher].add(study.students[one.group].rule)
    kept: dict[tuple[str, str | None], int] = {}
    for key in teachers_by(study, "file"):
        table = study.teachers[key].table
        if table is not None and not Path(first_file(table)).exists():
            continue
        for rule in sorted(rules[key], key=str):
            try:
                rows = teacher_rows(study, Paths(_RESULTS, study.name), key, {}, rule)
                if key in used:
                    check_kept(key, rows)
            except InocError as error:
                yield f"teachers.{key}: {error}".replace(f"teachers.{key}: teachers.{key}:", f"teachers.{key}:")
                continue
            kept[key, rule] = len(rows.kept)
    # A teacher that writes keeps one row of each prompt at most.
    most = min(study.numbers.n_prompts, study.numbers.keep or study.numbers.n_prompts)
    kept |= {(key, rule): most for key in writing_teachers(study) for rule in rules[key]}
    yield from _too_few(study, kept)


def _too_few(study: Study, kept: dict[tuple[str, str | None], int]) -> Iterator[str]:
    """Splits with more parts than rows, and students that ask for more rows than there are.

    Args:
        study: The study.
        kept: Teacher and rule → number of kept rows, or the most that there may be.
    """
    for key, split in study.splits.items():
        n, parts = kept.get((split.teacher, None)), len(part_names(split))
        if n is not None and n < parts:
            yield f"splits.{key}: {split.teacher} has {n} kept rows; accepted: at least {parts}, one for each part"
    for one in students_of(study):
        spec = study.students[one.group]
        n = kept.get((one.teacher, spec.rule))
        if n is None:
            continue
        if spec.split is not None:
            n = -(-n // len(part_names(study.splits[spec.split])))
        rows = min(n, spec.n_rows or n)
        steps = epoch_plan(rows, spec.training, spec.epochs).steps if rows and study.api is None else None
        for problem in moves(spec.training, steps, ("students", one.group, "training")):
            where = f"{key_path_text(problem.path)} = {problem.value}"
            yield f"{where}: {problem.message} ({one.data}: at most {rows} rows)"
        if spec.n_rows is not None and spec.n_rows > n:
            yield (
                f"students.{one.group}.n_rows = {spec.n_rows}: {one.data} has at most {n} kept rows; accepted: at "
                f"most {n}, or more rows"
            )


def _site_problems(study: Study) -> Iterator[str]:
    asked: list[tuple[str, float | str]] = []
    asked += [("projection.sites", one) for one in (study.projection.sites if study.projection is not None else ())]
    asked += [("steering.sites", one) for one in (study.steering.sites if study.steering is not None else ())]
    asked += [(f"splits.{key}.site", split.site) for key, split in study.splits.items() if split.site is not None]
    return site_problems(study.model, study.world, asked)
