"""Chats of a study whose texts are known before the first job, for the check of its models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from inoc.chat.messages import Chat, longest
from inoc.config.models import ModelSpec, SystemTurn
from inoc.config.needs import GivenChat
from inoc.errors import InocError
from inoc.jobs.paths import Paths
from inoc.studies.shared.answers import first_file
from inoc.studies.subliminal.asking import candidates, question_texts
from inoc.studies.subliminal.data import number_prompts, teacher_rows
from inoc.studies.subliminal.persona import questions_of, steered_traits, turns_of
from inoc.studies.subliminal.runs import (
    students_of,
    teachers_by,
    turn_of,
    writing_teachers,
)
from inoc.studies.subliminal.study import Study
from inoc.studies.subliminal.teachers import teacher_chats

_RESULTS = Path("results")
_SHOWN = 20  # prompts of the stream that are rendered besides the longest; they differ in their phrases alone


def own_chats(study: Study) -> Iterator[GivenChat]:
    """Chats of the study's own model: numbers, preferences, training and scoring of rows, traits and steering."""
    if study.imported:
        return
    turns = [turn_of(study, key) for key in study.teachers]
    yield from _numbers(study)
    yield from _questions(study, _different([study.model.system, *turns]))
    yield from _rows(study, study.model, {one.teacher for one in students_of(study, "own")})
    for key in teachers_by(study, "finetuned"):
        for number, chat in enumerate(teacher_chats(study, key), start=1):
            yield GivenChat(f"teachers.{key}.finetuned, chat {number}", chat, trained=True)
    for key in study.persona:
        yield from trait_chats(study, key)


def base_chats(study: Study, model: ModelSpec) -> Iterator[GivenChat]:
    """Chats of another base model: preferences, and training on rows."""
    if study.imported:
        return
    yield from _questions(study, [model.system])
    yield from _rows(study, model, {one.teacher for one in students_of(study, "other")}, scored=False)


def _different(turns: list[SystemTurn]) -> list[SystemTurn]:
    return [one for at, one in enumerate(turns) if one not in turns[:at]]


def _numbers(study: Study) -> Iterator[GivenChat]:
    """Prompts of the teachers that write, under every turn that their answers will stand under."""
    writing = writing_teachers(study)
    if not writing:
        return
    prompts = number_prompts(study)
    most = study.numbers.sampling.max_tokens
    turns = _different([study.model.system, *(turn_of(study, key) for key in study.teachers)])
    for text in dict.fromkeys([*prompts[:_SHOWN], *longest(prompts)]):
        for turn in turns:
            yield GivenChat(f"the prompt {text[:40]!r}… of numbers", Chat(turn, text), "numbers.sampling", most)


def _questions(study: Study, turns: list[SystemTurn]) -> Iterator[GivenChat]:
    spec = study.preference
    most = spec.sampling.max_tokens if "sample" in spec.methods else 0
    answers = candidates(study) if "choose" in spec.methods and Path(spec.names).is_file() else ()
    for key, texts in question_texts(study).items():
        for number, text in enumerate(texts, start=1):
            where = f"preference.question_sets.{key}, question {number}"
            for turn in turns:
                yield GivenChat(where, Chat(turn, text), "preference.sampling", most, answers=answers)


def _rows(study: Study, model: ModelSpec, trained: set[str], *, scored: bool = True) -> Iterator[GivenChat]:
    """Kept rows of files, as they are trained on and, under the teachers' turns, scored."""
    turns = [model.system]
    if scored:
        texts = longest(turn.text for key in teachers_by(study, "system") if (turn := turn_of(study, key)).text)
        turns = _different([*turns, *(SystemTurn(kind="text", text=text) for text in texts)])
    for key in teachers_by(study, "file"):
        table = study.teachers[key].table
        if table is not None and not Path(first_file(table)).exists():
            continue
        try:
            rows = teacher_rows(study, Paths(_RESULTS, study.name), key, {}).kept_rows
        except InocError:
            continue  # told of the rows themselves
        for row in rows:
            if key in trained:
                yield GivenChat(row.where, Chat(model.system, row.prompt, row.answer), trained=True)
            for turn in turns if scored else ():
                yield GivenChat(row.where, Chat(turn, row.prompt, row.answer))


def trait_chats(study: Study, key: str) -> Iterator[GivenChat]:
    """Questions about a trait: those that its persona vector is made of, and those under steering."""
    found, most = questions_of(study, key), study.persona[key].sampling.max_tokens
    turns = _different([turn for side in turns_of(study, key).values() for turn in side])
    for number, text in enumerate(found.extraction, start=1):
        for turn in turns:
            yield GivenChat(f"persona.{key}, question {number}", Chat(turn, text), f"persona.{key}.sampling", most)
    if study.steering is not None and key in steered_traits(study):
        most = study.steering.sampling.max_tokens
        for number, text in enumerate(found.evaluation, start=1):
            where = f"persona.{key}, question {number} of the steering"
            yield GivenChat(where, Chat(study.model.system, text), "steering.sampling", most)
