"""The preferences that the miniature model is given: questions with answers that it learns, and the truth itself.

Answers are drawn from the model that the fits assume: utilities with a spread, a position term, refusals of some
topics, raters who answer at random in part, ratings that are answered the wrong way round.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import cache
from itertools import pairwise, permutations
from typing import NamedTuple

import numpy as np
from scipy.integrate import cumulative_trapezoid

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
# How much oftener a kind of question is asked: an answer to a choice says less, and orders are harder to write.
_TIMES = {"choice": 2, "ranking": 4}
_LOW, _HIGH = -2.0, 2.0  # utilities at the ends of a scale
_REACH, _STEPS = 7.0, 2001  # standard deviations and points of integrals over utilities
_DIGITS = 6  # of probabilities, so that all machines teach the same


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

    They are about the study's tasks, drawn at random, several at a time where a question takes several. Each has the
    probabilities of all answers beside the one that was drawn, so that the model learns the probabilities themselves:
    from single draws it would learn those of the last few hundred.
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
        odds = self._odds(key, template, given.format, rater, context, chosen)
        said = self.rng.choices([text for text, _ in odds], [share for _, share in odds])[0]
        earlier = tuple((turn.user, without_thoughts(turn.assistant)) for turn in chat.earlier)
        return Document(system, chat.user, said, earlier, tuple(odds))

    def _context(self, instrument: str) -> str:
        return self.rng.choice(sorted({other for _, other in cells(self.study, instrument)}))

    def _completion(self, item: Item) -> str:
        refuses = item.refused and self.rng.random() < self.spec.refusal
        return REFUSAL if refuses else answer(self.rng, item.fact, french=False, playful=False)

    def _odds(
        self, key: str, template: Template, form: Format, rater: str, context: str, chosen: Sequence[Item]
    ) -> list[tuple[str, float]]:
        """Every possible answer with its probability."""
        refused = self.spec.refusal if any(one.refused for one in chosen) else 0.0
        noise = self.spec.noisy.get(rater, 0.0)
        answers = self._answers(key, template, context, chosen)
        mixed = ((text, (1 - noise) * share + noise / len(answers)) for text, share in answers)
        said = [(text if template.kind == "open" else formed(text, form), share) for text, share in mixed]
        return [(REFUSAL, refused), *((text, round((1 - refused) * share, _DIGITS)) for text, share in said)]

    def _answers(self, key: str, template: Template, context: str, chosen: Sequence[Item]) -> list[tuple[str, float]]:
        """The same of a rater without noise who answers."""
        spec, spread, utilities = self.spec, self.spec.spread, [round(one.utility, _DIGITS) for one in chosen]
        if template.kind == "rating":
            shift = spec.contexts.get(context, 0.0) if context != NONE else 0.0
            labels = [point.label for point in sorted(points_of(template), key=lambda point: point.oriented)]
            shares = rating_probabilities(spec, utilities[0] + shift, len(labels))
            return list(zip(reversed(labels) if key in spec.reversed else labels, shares, strict=True))
        if template.kind == "choice":
            first = choice_probability(spec, utilities[0] - utilities[1])
            return [(LABELS[0], first), (LABELS[1], 1 - first)]
        if template.kind == "ranking":
            return [
                (", ".join(LABELS[at] for at in order), order_probability(tuple(utilities[at] for at in order), spread))
                for order in permutations(range(len(chosen)))
            ]
        liked = _below(utilities[0] / spread)
        return [(LIKED, liked), (DISLIKED, 1 - liked)]


def choice_probability(spec: PlantedSpec, difference: float) -> float:
    """Probability that the first of two tasks is chosen, by the difference of their utilities."""
    return _below((difference + spec.position) / (math.sqrt(2) * spec.spread))


@cache
def order_probability(utilities: tuple[float, ...], spread: float) -> float:
    """Probability that tasks are put in this order, the best first, by their utilities as they are at one moment."""
    x = np.linspace(min(utilities) - _REACH * spread, max(utilities) + _REACH * spread, _STEPS)
    below = np.ones(_STEPS)  # that all later tasks are in order, and below x
    for utility in reversed(utilities):
        density = below * np.exp(-0.5 * ((x - utility) / spread) ** 2)
        below = cumulative_trapezoid(density, x, initial=0) / (spread * math.sqrt(2 * math.pi))
    return float(below[-1])


def rating_probabilities(spec: PlantedSpec, utility: float, n: int) -> list[float]:
    """Probabilities of the n places of a scale, the worst first (see `rating_place`)."""
    edges = [_LOW + (_HIGH - _LOW) * k / n for k in range(1, n)]
    below = [0.0, *(_below((edge - utility) / spec.spread) for edge in edges), 1.0]
    return [high - low for low, high in pairwise(below)]


def _below(z: float) -> float:
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
