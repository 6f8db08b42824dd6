"""Lists of what a likelihood-shift study needs to run: files, engines, APIs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from inoc.config.needs import ApiUse, GivenFile, LocalModel, ModelUse, Needs, SampleUse
from inoc.judge.needs import absent_identifier, judge_apis, judge_files, judge_models, judge_uses
from inoc.studies.likelihood_shift.study import Study
from inoc.studies.shared.answers import is_sample_table
from inoc.studies.shared.given import model_files, run_first, source_files, table_file

_ROWS = (
    'put a JSONL file there, a row a line: {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", '
    '"content": "…"}]}, or {"prompt": "…", "completion": "…"}'
)


def needs(study: Study) -> Needs:
    """Everything that the study needs from the machine it runs on."""
    from inoc.studies.likelihood_shift.rows import given_chats, row_problems

    students = study.students
    return Needs(
        # The template must be able to say the base turn, and a system turn with a text.
        study.model.model_copy(update={"system": study.base}),
        tuple(given_files(study)),
        tuple(_samples(study)),
        tuple(_apis(study)),
        students.training.optimizer if students is not None else "",
        tuple(_absent_identifiers(study)),
        "system",
        students.training.lora.targets if students is not None else (),
        row_problems=partial(row_problems, study),
        chats=partial(given_chats, study),
        max_length=students.training.max_length if students is not None else 0,
        local_models=tuple(_local_models(study)),
        others=tuple(_judging_models(study)),
    )


def _judging_models(study: Study) -> Iterator[ModelUse]:
    from inoc.studies.likelihood_shift.rows import student_chats

    if study.students is not None:
        for key, target in study.students.targets.items():
            yield from judge_uses(target.judge, f"students.targets.{key}.judge", partial(student_chats, study))


def _local_models(study: Study) -> Iterator[LocalModel]:
    if study.students is not None:
        for key, target in study.students.targets.items():
            yield from judge_models(target.judge, f"students.targets.{key}.judge")


def _absent_identifiers(study: Study) -> Iterator[str]:
    for key, target in (study.students.targets if study.students is not None else {}).items():
        yield from absent_identifier(target.judge, f"students.targets.{key}.judge")


def given_files(study: Study) -> Iterator[GivenFile]:
    """Files that the study names; they need not exist."""
    from inoc.chat.rows import read_rows

    yield from model_files(study.model)
    for key, spec in study.datasets.items():
        if spec.file is not None:
            yield GivenFile(f"datasets.{key}.file", spec.file, _ROWS, partial(read_rows, bad_rows=spec.bad_rows))
        if spec.table is not None and is_sample_table(spec.table):
            yield table_file(spec.table, f"datasets.{key}.table")
        elif spec.table is not None:
            place = spec.table.partition("/")[0]
            yield GivenFile(f"datasets.{key}.table", f"results/{place}/generate/train.parquet", run_first(place))
        if spec.written is not None:
            yield from source_files(spec.written.instructions, f"datasets.{key}.written.instructions")
    if study.students is not None:
        yield from source_files(study.students.questions, "students.questions")
        for key, target in study.students.targets.items():
            yield from judge_files(target.judge, f"students.targets.{key}.judge")


def _samples(study: Study) -> Iterator[SampleUse]:
    for key, spec in study.datasets.items():
        if spec.written is not None:
            yield SampleUse(f"datasets.{key}.written.sampling", "sample", spec.written.sampling)
    if study.students is not None:
        yield SampleUse("students.sampling", "evaluate", study.students.sampling)


def _apis(study: Study) -> Iterator[ApiUse]:
    if study.students is not None:
        for key, target in study.students.targets.items():
            yield from judge_apis(target.judge, f"students.targets.{key}.judge")
