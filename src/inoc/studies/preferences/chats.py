"""Chats of a study whose texts are known before anything is asked, for checks of templates and positions.

Completions that a question shows are not known yet, and count with their maximum number of tokens. Of the questions
about several tasks, only the longest one is among the chats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from inoc.chat.messages import Chat
from inoc.config.models import SystemTurn
from inoc.config.needs import GivenChat
from inoc.engines.candidates import Candidate
from inoc.engines.chat_checks import n_bytes
from inoc.studies.preferences.asked import anchor_groups, groups, pairs
from inoc.studies.preferences.reading import PARTS, reads
from inoc.studies.preferences.roles import (
    cells,
    completion_system,
    inside_model,
    measurement_system,
    method_of,
    needed_completions,
    raters,
    role,
    template_of,
)
from inoc.studies.preferences.study import NONE, Study
from inoc.studies.preferences.tasks import Task
from inoc.studies.preferences.texts import anchor, to_complete
from inoc.studies.preferences.wording import Shown, candidates, question

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


def inside_chats(study: Study, tasks: Sequence[Task]) -> Iterator[GivenChat]:
    """The chats of the model that is read and steered that it has for this alone.

    Args:
        study: The study.
        tasks: Its tasks.
    """
    inside = inside_model(study)
    system = role(study, inside).system
    for instrument in (
        dict.fromkeys(one.instrument for one in study.steering.targets.values()) if study.steering else ()
    ):
        yield from _questions(study, tasks, instrument, inside, steered=True)
    for part in PARTS if study.probes or study.inside.refusal else ():
        for task in tasks if reads(study, part) else ():
            where = f"task {task.id}, which is read"
            if part == "prompts":
                yield GivenChat(where, Chat(system, task.text), "probes")
            else:
                most = study.completions.sampling.max_tokens
                yield GivenChat(where, Chat(system, task.text, _COMPLETION), unknown_tokens=most)


def _questions(
    study: Study, tasks: Sequence[Task], instrument: str, rater: str, *, steered: bool = False
) -> Iterator[GivenChat]:
    """Questions of an instrument; those that are asked under steering are outside all contexts and about no anchors."""
    given, template = study.instruments[instrument], template_of(study.instruments[instrument])
    is_open = template.kind == "open"
    sampled = is_open if steered else method_of(study, instrument, rater) == "sample"
    about = _AboutTasks(
        f"instruments.{instrument}.sampling",
        given.sampling.max_tokens if sampled else 0,
        study.completions.sampling.max_tokens if given.when == "after" else 0,
        () if sampled else candidates(template, given.format),
    )
    anchors = [] if steered else anchor_groups(study, instrument)
    several = template.kind in ("choice", "ranking")
    contexts = [NONE] if steered else [of_measurement for _, of_measurement in cells(study, instrument)]
    for context in dict.fromkeys(contexts):
        system = measurement_system(study, rater, context)

        def ask(shown: Sequence[Shown], system: SystemTurn = system) -> Chat:
            return question(template, given.format, given.when, shown, system)

        if several:
            yield _of_groups(study, tasks, instrument, about, ask)
        else:
            yield from (about.given(instrument, [task], ask) for task in tasks)
        for names in anchors:
            shown = [anchor(study, instrument, name) for name in names]
            where = f"instrument {instrument} about anchor {', '.join(repr(one.text) for one in shown)}"
            yield GivenChat(where, ask(shown), about.key, about.new, answers=about.answers)


class _AboutTasks(NamedTuple):
    """The parts that the questions of an instrument have in common."""

    key: str  # of the settings of their answers
    new: int  # maximum number of tokens of a sampled answer
    later: int  # maximum number of tokens of a completion that is shown
    answers: tuple[Candidate, ...]

    def given(self, instrument: str, group: Sequence[Task], ask: Callable[[Sequence[Shown]], Chat]) -> GivenChat:
        """The question about some tasks."""
        shown = [Shown(task.text, _COMPLETION) for task in group]
        return GivenChat(
            f"instrument {instrument} about task {', '.join(task.id for task in group)}",
            ask(shown),
            self.key,
            self.new,
            unknown_tokens=len(group) * self.later,
            answers=self.answers,
        )


def _of_groups(
    study: Study, tasks: Sequence[Task], instrument: str, about: _AboutTasks, ask: Callable[[Sequence[Shown]], Chat]
) -> GivenChat:
    """The longest question about several tasks: by bytes, and by tokens once these can be counted."""
    own = _groups(study, tasks, instrument)

    def longest(sizes: Sequence[int]) -> GivenChat:
        size_of = {task.id: size for task, size in zip(tasks, sizes, strict=True)}
        by_size = sorted(tasks, key=lambda task: size_of[task.id])
        chosen = by_size[-2:] if own is None else max(own, key=lambda group: sum(size_of[one.id] for one in group))
        return about.given(instrument, chosen, ask)

    texts = [task.text for task in tasks]
    return longest(list(map(n_bytes, texts)))._replace(longest=lambda count: longest(count(texts)))


def _groups(study: Study, tasks: Sequence[Task], instrument: str) -> list[list[Task]] | None:
    """The tasks of each question about several; None if any two may be asked about."""
    given = study.instruments[instrument]
    ids, known = [task.id for task in tasks], {task.id: task for task in tasks}
    if template_of(given).kind == "ranking":
        found: Sequence[tuple[str, ...]] = groups(ids, given.ranking)
    elif given.pairs.design in ("all", "active"):
        return None
    else:
        found = pairs(ids, given.pairs)
    return [[known[name] for name in group] for group in found]
