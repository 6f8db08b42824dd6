"""Chats of a study whose texts are known before anything is asked, for checks of templates and positions.

Completions that a question shows are not known yet, and count with their maximum number of tokens. Of the questions
about several tasks, only the one about the longest tasks is among the chats: no other is longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inoc.chat.messages import Chat
from inoc.config.models import SystemTurn
from inoc.config.needs import GivenChat
from inoc.studies.preferences.roles import (
    anchors_of,
    cells,
    completion_system,
    measurement_system,
    method_of,
    needed_completions,
    raters,
    template_of,
)
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import Task
from inoc.studies.preferences.texts import to_complete
from inoc.studies.preferences.wording import Shown, question

_COMPLETION = "…"  # stands for one


def system_turns(study: Study, model: str) -> Iterator[SystemTurn]:
    """System turns under which a model completes tasks or is asked."""
    for completer, context in needed_completions(study):
        if completer == model:
            yield completion_system(study, model, context)
    for instrument in study.instruments:
        if model in raters(study, instrument):
            for _, context in cells(study, instrument):
                yield measurement_system(study, model, context)


def chats_of(study: Study, tasks: Sequence[Task], model: str) -> Iterator[GivenChat]:
    """The chats of a model: tasks that it completes, and questions that it is asked.

    Args:
        study: The study.
        tasks: Its tasks.
        model: Key of the model.
    """
    for completed, chat in to_complete(study, tasks, model):
        where = f"task {completed.task} under the context {completed.context}"
        yield GivenChat(where, chat, "completions.sampling", study.completions.sampling.max_tokens)
    for instrument in study.instruments:
        if model in raters(study, instrument):
            yield from _questions(study, tasks, instrument, model)


def concept_chats(study: Study, tasks: Sequence[Task]) -> Iterator[GivenChat]:
    """Tasks as they are completed under both system turns of each concept."""
    from inoc.studies.preferences.concepts import concept_tasks, concept_turn
    from inoc.studies.shared.directions import SIDES

    for key, given in study.concepts.items():
        for task in concept_tasks(study, key, tasks):
            for side in SIDES:
                chat = Chat(concept_turn(study, key, side), task.text)
                where = f"task {task.id} under concepts.{key}.{side}"
                yield GivenChat(where, chat, f"concepts.{key}.sampling", given.sampling.max_tokens)


def _questions(study: Study, tasks: Sequence[Task], instrument: str, rater: str) -> Iterator[GivenChat]:
    given, template = study.instruments[instrument], template_of(study.instruments[instrument])
    after = given.when == "after"
    new = given.sampling.max_tokens if method_of(study, instrument, rater) == "sample" else 0
    later = study.completions.sampling.max_tokens if after else 0
    anchors = anchors_of(study, instrument)
    fixed = [(f"anchor {one.task!r}", [Shown(one.task, one.completion)], 0) for one in (*anchors.good, *anchors.bad)]
    size = {"choice": 2, "ranking": given.ranking.size}.get(template.kind, 1)
    by_length = sorted(tasks, key=lambda task: len(task.text.encode("utf-8", "replace")))
    groups = [[task] for task in tasks] if size == 1 else [by_length[-size:]]
    shown = [
        (
            f"task {', '.join(task.id for task in group)}",
            [Shown(task.text, _COMPLETION) for task in group],
            size * later,
        )
        for group in groups
    ]
    for context in dict.fromkeys(of_measurement for _, of_measurement in cells(study, instrument)):
        system = measurement_system(study, rater, context)
        for what, texts, unknown in [*shown, *(fixed if size == 1 else [])]:
            chat = question(template, given.format, given.when, texts, system)
            where = f"instrument {instrument} about {what}"
            yield GivenChat(where, chat, f"instruments.{instrument}.sampling", new, unknown_tokens=unknown)
