"""The rows of the files that a study names: whether there are enough, and the chats that they are made into.

Both are known before the first job, where no model has to write the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from inoc.chat.messages import Chat, longest
from inoc.chat.rows import read_rows
from inoc.config.checks import moves
from inoc.config.document import key_path_text
from inoc.config.models import SystemTurn
from inoc.config.needs import GivenChat
from inoc.errors import InocError
from inoc.studies.likelihood_shift.data import questions_of, written_questions
from inoc.studies.likelihood_shift.runs import students_of, written_datasets
from inoc.studies.likelihood_shift.study import Study, own_prompt, prompt_table
from inoc.train.epochs import epoch_plan


def row_problems(study: Study) -> Iterator[str]:
    """Files with too few usable rows, with the number that is wanted. The files exist and can be read."""
    for key in written_datasets(study):
        try:
            written_questions(study, key)
        except InocError as error:
            yield str(error)
    spec = study.students
    if spec is not None:
        try:
            questions_of(spec.questions, spec.n_questions, spec.sampling.seed, "students.questions")
        except InocError as error:
            yield str(error)
    yield from _too_few_for_a_split(study)
    yield from _single_steps(study)


def _single_steps(study: Study) -> Iterator[str]:
    """Students who would be trained for a single step of a warm-up; of a dataset that models write, its most rows."""
    spec = study.students
    if spec is None:
        return
    known: dict[str, int] = {}
    for student in students_of(study):
        data = study.datasets[student.dataset]
        if student.dataset not in known:
            if data.file is not None:
                known[student.dataset] = len(read_rows(Path(data.file), bad_rows=data.bad_rows).rows)
            elif data.written is not None:
                known[student.dataset] = len(written_questions(study, student.dataset))
        rows = known.get(student.dataset, 0)
        steps = epoch_plan(rows, spec.training, spec.epochs).steps if rows else None
        for problem in moves(spec.training, steps, ("students", "training")):
            yield f"{key_path_text(problem.path)} = {problem.value}: {problem.message} ({student.data}: {rows} rows)"
            return


def _too_few_for_a_split(study: Study) -> Iterator[str]:
    """Datasets from files that have fewer rows than a split of them makes parts."""
    for key, split in study.splits.items():
        spec = study.datasets[split.dataset]
        file = spec.file
        least = {"quantiles": split.n, "median": 2, "random": math.ceil(1 / split.share)}[split.by]
        if file is not None and (n := len(read_rows(Path(file), bad_rows=spec.bad_rows).rows)) < least:
            yield f"{file}: {n} rows are too few for splits.{key}; accepted: at least {least} rows"


def given_chats(study: Study) -> Iterator[GivenChat]:
    """Every chat of the study's files, under the longest system turns that it can have, and those that are sampled."""
    turns = _longest_turns(study)
    trained = {one.dataset for one in students_of(study)}
    for key, spec in study.datasets.items():
        if spec.file is not None:
            may_be_long = spec.bad_rows != "refuse"
            for row in read_rows(Path(spec.file), bad_rows=spec.bad_rows).rows:
                for turn in turns:
                    yield GivenChat(row.where, row.chat._replace(system=turn), may_be_long=may_be_long)
                if key in trained and not may_be_long:
                    yield GivenChat(row.where, row.chat._replace(system=study.model.system), trained=True)
        if spec.written is not None:
            # An answer is sampled under one prompt, and scored under every other.
            place, most = f"datasets.{key}.written.sampling", spec.written.sampling.max_tokens
            own = own_prompt(study, key)
            under = [_turn(prompt_table(study)[own].text) if own else study.base, *turns]
            for number, text in enumerate(written_questions(study, key)["instruction"], start=1):
                for turn in under:
                    yield GivenChat(f"instruction {number} of datasets.{key}", Chat(turn, text), place, most)
    if study.students is not None:
        yield from student_chats(study)


def student_chats(study: Study) -> Iterator[GivenChat]:
    """Questions to the students."""
    spec = study.students
    if spec is None:
        return
    asked = questions_of(spec.questions, spec.n_questions, spec.sampling.seed, "students.questions")
    for number, text in enumerate(asked["instruction"], start=1):
        chat = Chat(study.model.system, text)
        yield GivenChat(f"students.questions, question {number}", chat, "students.sampling", spec.sampling.max_tokens)


def _longest_turns(study: Study) -> list[SystemTurn]:
    """The base turn, and those prompts of which one has the most tokens."""
    return [study.base, *map(_turn, longest(prompt.text for prompt in prompt_table(study).values()))]


def _turn(text: str) -> SystemTurn:
    return SystemTurn(kind="text", text=text)
