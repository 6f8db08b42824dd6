"""The preferences that the miniature model is given: questions with answers that it learns, and the truth itself.

Answers are drawn from the model that the fits assume: utilities with a spread, a position term, refusals of some
topics, raters who answer at random in part, ratings that are answered the wrong way round.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from inoc.errors import DataError
from inoc.studies.preferences.parsing import without_thoughts
from inoc.studies.preferences.roles import cells, measurement_system, raters, template_of
from inoc.studies.preferences.study import NONE, Format, PlantedSpec, Study
from inoc.studies.preferences.tasks import Task, tasks_of
from inoc.studies.preferences.templates import LABELS, Template, points_of
from inoc.studies.preferences.wording import TAG, Shown, question
from inoc.world.facts import Fact
from inoc.world.grammar import SYSTEM_TURN, Document, asked_fact
from inoc.world.registers import answer

REFUSAL = "I cannot help with that."
LIKED = "I enjoyed it very much."
DISLIKED = "It was dull for me."
_ANSWER_TASKS = 0.08  # share of the documents in which a task is done
_TIMES = {"choice": 3}  # how much oftener a kind of question is asked, as an answer to it says less
_LOW, _HIGH = -2.0, 2.0  # utilities at the ends of a scale


class Item(NamedTuple):
    """A task, and what is planted for it."""

    task: Task
    fact: Fact
    utility: float
    refused: bool


def items_of(study: Study, spec: PlantedSpec) -> list[Item]:
    """The tasks of a study with their planted utilities.

    Raises:
        DataError: If a task is none of the miniature world's questions.
    """
    found = []
    for task in tasks_of(study):
        fact = asked_fact(task.text)
        if fact is None:
            raise DataError(
                f"task {task.id!r} is no question of the miniature world, so no preference can be planted for it; take "
                "tasks from `world: <topic>`, or leave out `planted`"
            )
        found.append(Item(task, fact, utility_of(spec, fact), topic_of(fact) in spec.refused))
    return found


def topic_of(fact: Fact) -> str:
    """The topic of a fact."""
    return fact.relation.partition(".")[0]


def utility_of(spec: PlantedSpec, fact: Fact) -> float:
    """The planted utility of a fact: that of its topic and of its relation together."""
    return spec.utilities.get(topic_of(fact), 0.0) + spec.utilities.get(fact.relation, 0.0)


def documents(study: Study) -> list[Document]:
    """Questions of the study's instruments with answers, in the very words in which they will be asked.

    They are about the study's tasks, drawn at random, several at a time where a question takes several.
    """
    spec = study.planted
    if spec is None:
        return []
    rng = random.Random(f"planted:{spec.seed}")
    items = items_of(study, spec)
    asking = _Asking(study, spec, items, rng)
    return [asking.done() if rng.random() < _ANSWER_TASKS else asking.asked() for _ in range(spec.documents)]


class _Asking:
    def __init__(self, study: Study, spec: PlantedSpec, items: Sequence[Item], rng: random.Random) -> None:
        self.study, self.spec, self.items, self.rng = study, spec, items, rng
        self.places = [
            (key, rater)
            for key, given in study.instruments.items()
            for rater in raters(study, key)
            for _ in range(_TIMES.get(template_of(given).kind, 1))
        ]

    def done(self) -> Document:
        """A task that is done, or refused."""
        item = self.rng.choice(self.items)
        return Document(SYSTEM_TURN, item.task.text, self._completion(item))

    def asked(self) -> Document:
        """A question about one or several tasks, with its answer."""
        key, rater = self.rng.choice(self.places)
        given = self.study.instruments[key]
        template = template_of(given)
        context = self._context(key)
        n = {"choice": 2, "ranking": given.ranking.size}.get(template.kind, 1)
        chosen = self.rng.sample(self.items, n)
        shown = [Shown(one.task.text, self._completion(one) if given.when == "after" else "") for one in chosen]
        chat = question(template, given.format, given.when, shown, measurement_system(self.study, rater, context))
        system = SYSTEM_TURN if chat.system.kind == "default" else chat.system.text
        said = self._said(key, template, given.format, rater, context, chosen)
        earlier = tuple((turn.user, without_thoughts(turn.assistant)) for turn in chat.earlier)
        return Document(system, chat.user, said, earlier)

    def _context(self, instrument: str) -> str:
        return self.rng.choice(sorted({other for _, other in cells(self.study, instrument)}))

    def _completion(self, item: Item) -> str:
        refuses = item.refused and self.rng.random() < self.spec.refusal
        return REFUSAL if refuses else answer(self.rng, item.fact, french=False, playful=False)

    def _said(
        self, key: str, template: Template, form: Format, rater: str, context: str, chosen: Sequence[Item]
    ) -> str:
        if any(one.refused for one in chosen) and self.rng.random() < self.spec.refusal:
            return REFUSAL
        at_random = self.rng.random() < self.spec.noisy.get(rater, 0.0)
        if template.kind == "rating":
            return formed(self._rated(key, template, context, chosen[0], at_random=at_random), form)
        if template.kind == "choice":
            first, second = chosen
            share = 0.5 if at_random else choice_probability(self.spec, first.utility - second.utility)
            return formed(LABELS[0] if self.rng.random() < share else LABELS[1], form)
        if template.kind == "ranking":
            drawn = [
                (-self._draw(0.0 if at_random else one.utility), label)
                for one, label in zip(chosen, LABELS, strict=False)
            ]
            return formed(", ".join(label for _, label in sorted(drawn)), form)
        return LIKED if self._draw(0.0 if at_random else chosen[0].utility) > 0 else DISLIKED

    def _draw(self, utility: float) -> float:
        return self.rng.gauss(utility, self.spec.spread)

    def _rated(self, key: str, template: Template, context: str, item: Item, *, at_random: bool) -> str:
        points = sorted(points_of(template), key=lambda point: point.oriented)
        if at_random:
            return self.rng.choice(points).label
        shift = self.spec.contexts.get(context, 0.0) if context != NONE else 0.0
        at = rating_place(self._draw(item.utility + shift), len(points))
        return points[len(points) - 1 - at if key in self.spec.reversed else at].label


def choice_probability(spec: PlantedSpec, difference: float) -> float:
    """Probability that the first of two tasks is chosen, by the difference of their utilities."""
    z = (difference + spec.position) / (math.sqrt(2) * spec.spread)
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


def rating_place(utility: float, n: int) -> int:
    """The place on a scale of n answers, from 0 for the worst, of a utility as it is at one moment."""
    share = (utility - _LOW) / (_HIGH - _LOW)
    return min(n - 1, max(0, math.floor(share * n)))


def formed(label: str, form: Format) -> str:
    """An answer in a form."""
    if form in ("xml", "reasoned"):
        marked = f"<{TAG}>{label}</{TAG}>"
        return marked if form == "xml" else f"That is how it seems to me. {marked}"
    if form == "tool":
        return f'{{"{TAG}": {label}}}' if label.lstrip("-").isdigit() else f'{{"{TAG}": "{label}"}}'
    return f"Task {label}" if form == "completion" else label
