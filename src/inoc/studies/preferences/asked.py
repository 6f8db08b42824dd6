"""Every question of a study, made from the study file alone, so that plans and analysis agree on them."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from inoc.errors import DataError, did_you_mean
from inoc.prefer.graph import Pairs, all_pairs, regular_pairs
from inoc.studies.preferences.draws import uniform
from inoc.studies.preferences.roles import (
    anchors_of,
    cells,
    completers,
    method_of,
    template_of,
)
from inoc.studies.preferences.study import NONE, PairsSpec, RankingSpec, Study
from inoc.studies.preferences.tasks import Task

Pair = tuple[str, str]
GOOD, BAD = "@good", "@bad"
"""Begin the ids of anchors."""


class Asked(NamedTuple):
    """One question to one rater."""

    id: str
    instrument: str
    rater: str
    completer: str  # empty before the task, and for anchors
    completion_seed: int  # -1 before the task, and for anchors
    context_completion: str
    context_measurement: str
    tasks: tuple[str, ...]  # in the order in which they are shown
    group: str = ""  # of a ranking
    round: int = 0  # of an active selection
    seed: int = -1  # of the answer; -1 if its probabilities are measured

    @property
    def about(self) -> str:
        """The tasks, in whatever order they are shown: questions about the same are kept together."""
        return " > ".join(sorted(self.tasks))

    @property
    def anchored(self) -> bool:
        """Whether it is about anchors."""
        return self.tasks[0].startswith("@")


def asked_of(study: Study, tasks: Sequence[Task], instrument: str, rater: str) -> list[Asked]:
    """All questions of an instrument to a rater, but those of an active selection after its start.

    Args:
        study: The study.
        tasks: Its tasks.
        instrument: Key of the instrument.
        rater: Key of the rater.
    """
    given = study.instruments[instrument]
    kind = template_of(given).kind
    ids = [task.id for task in tasks]
    plain: list[Asked] = []
    if kind in ("rating", "open"):
        plain = [one for name in ids for one in _in_cells(study, instrument, rater, (name,))]
    elif kind == "ranking":
        for at, group in enumerate(groups(ids, given.ranking)):
            plain += _in_cells(study, instrument, rater, group, group_name=str(at))
    elif given.pairs.design != "active":
        plain = pair_questions(study, instrument, rater, pairs(ids, given.pairs))
    return [*_anchored(study, instrument, rater), *plain]


def pair_questions(
    study: Study, instrument: str, rater: str, chosen: Sequence[Pair], round_: int = 0, completer: str | None = None
) -> list[Asked]:
    """Questions about pairs.

    Args:
        study: The study.
        instrument: A choice.
        rater: Key of the rater.
        chosen: Pairs, each in the order in which it is shown if one order is asked.
        round_: Of an active selection.
        completer: Whose completions are shown; default: those of all.
    """
    both = study.instruments[instrument].pairs.orders == "both"
    shown = [order for pair in chosen for order in ((pair, pair[::-1]) if both else (pair,))]
    found = [one for order in shown for one in _in_cells(study, instrument, rater, order)]
    return [one._replace(round=round_) for one in found if completer in (None, one.completer)]


def steered_questions(
    study: Study, tasks: Sequence[Task], instrument: str, rater: str, n: int | None = None
) -> list[Asked]:
    """Questions that are asked under steering: outside all contexts, about completions of one model, with one seed.

    Args:
        study: The study.
        tasks: Its tasks.
        instrument: Key of a rating, a choice or an open question. Pairs are shown in both orders; those of an active
            selection are its first ones.
        rater: Key of the rater.
        n: Number of tasks, or of pairs, drawn with the seed of the section `steering`; default: all.
    """
    given = study.instruments[instrument]
    ids = [task.id for task in tasks]
    choice = template_of(given).kind == "choice"
    units: list[tuple[str, ...]] = list(pairs(ids, given.pairs)) if choice else [(name,) for name in ids]
    if n is not None and n < len(units):
        seed = 0 if study.steering is None else study.steering.seed
        units = [units[at] for at in sorted(np.random.default_rng(seed).permutation(len(units))[:n].tolist())]
    shown = [order for unit in units for order in ((unit, unit[::-1]) if choice else (unit,))]
    completer = completers(study, instrument)[0]
    seed = study.completions.seeds[0] if given.when == "after" else -1
    return [
        Asked(
            _name(instrument, rater, completer, seed, NONE, NONE, "", order),
            instrument,
            rater,
            completer,
            seed,
            NONE,
            NONE,
            order,
        )
        for order in shown
    ]


def _in_cells(
    study: Study, instrument: str, rater: str, tasks: tuple[str, ...], *, group_name: str = ""
) -> Iterator[Asked]:
    given = study.instruments[instrument]
    seeds = study.completions.seeds if given.when == "after" else (-1,)
    for completer, seed in itertools.product(completers(study, instrument), seeds):
        for of_completion, of_measurement in cells(study, instrument):
            yield from _answers(
                study,
                Asked(
                    _name(instrument, rater, completer, seed, of_completion, of_measurement, group_name, tasks),
                    instrument,
                    rater,
                    completer,
                    seed,
                    of_completion,
                    of_measurement,
                    tasks,
                    group_name,
                ),
            )


def _name(instrument: str, rater: str, completer: str, seed: int, *rest: str | tuple[str, ...]) -> str:
    *contexts, group, tasks = rest
    where = f"{completer}.{seed}" if completer else "-"
    context = "" if set(contexts) == {NONE} else f"|{'/'.join(map(str, contexts))}"
    return f"{instrument}|{rater}|{where}{context}|{f'{group}:' if group else ''}{' > '.join(tasks)}"


def _answers(study: Study, one: Asked) -> Iterator[Asked]:
    """The question itself if its probabilities are measured, else one for each seed."""
    if method_of(study, one.instrument, one.rater) == "choose":
        yield one
        return
    for seed in study.seeds:
        yield one._replace(id=f"{one.id}|r{seed}", seed=seed)


def anchor_groups(study: Study, instrument: str) -> list[tuple[str, ...]]:
    """The anchors of each question about some, in the order in which they are shown."""
    kind = template_of(study.instruments[instrument]).kind
    anchors = anchors_of(study, instrument)
    good = [f"{GOOD}:{at}" for at in range(len(anchors.good))]
    bad = [f"{BAD}:{at}" for at in range(len(anchors.bad))]
    if kind in ("rating", "open"):
        return [(name,) for name in (*good, *bad)]
    if kind == "choice":
        return [order for pair in zip(good, bad, strict=False) for order in (pair, pair[::-1])]
    return [
        (one, other, good[(at + 1) % len(good)]) if at % 2 else (other, one, bad[(at + 1) % len(bad)])
        for at, (one, other) in enumerate(zip(good, bad, strict=False))
        if min(len(good), len(bad)) > 1
    ]


def _anchored(study: Study, instrument: str, rater: str) -> list[Asked]:
    plain = [
        Asked(_name(instrument, rater, "", -1, NONE, NONE, "", names), instrument, rater, "", -1, NONE, NONE, names)
        for names in anchor_groups(study, instrument)
    ]
    return [found for one in plain for found in _answers(study, one)]


def pairs(ids: Sequence[str], spec: PairsSpec) -> list[Pair]:
    """The pairs of a design that does not depend on answers.

    Returns:
        Pairs of different tasks, each once, in the order in which they are shown if one order is asked.
    """
    if spec.design == "listed":
        return listed_pairs(ids, spec)
    if spec.design == "growing":
        numbers = growing_pairs(ids, spec)
    else:
        numbers = all_pairs(len(ids)) if spec.design == "all" else regular_pairs(len(ids), spec.degree, spec.seed)
    return shown_pairs(ids, numbers, spec)


def growing_pairs(ids: Sequence[str], spec: PairsSpec) -> Pairs:
    """Pairs of each task with the half of `degree` others, rounded up, that a draw by both ids puts first.

    A further task takes some of these places, so all pairs that it adds are its own.

    Args:
        ids: The tasks.
        spec: With the degree and the seed.
    """
    half = -(-spec.degree // 2)
    found = set()
    for at, name in enumerate(ids):
        draws = sorted((uniform(f"{spec.seed}:{name}>{ids[other]}"), other) for other in range(len(ids)) if other != at)
        found |= {(min(at, other), max(at, other)) for _, other in draws[:half]}
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)


def listed_pairs(ids: Sequence[str], spec: PairsSpec) -> list[Pair]:
    """The pairs that a study lists.

    Raises:
        DataError: If one of their tasks is none of the study's.
    """
    known = set(ids)
    for name in (name for pair in spec.listed for name in pair):
        if name not in known:
            raise DataError(f"pairs.listed: {name!r} is none of the {len(known)} tasks{did_you_mean(name, known)}")
    return [(first, second) for first, second in spec.listed]


def shown_pairs(ids: Sequence[str], numbers: Pairs, spec: PairsSpec) -> list[Pair]:
    """Pairs of numbers as pairs of tasks, each turned around or not by the seed and its tasks alone.

    Args:
        ids: The tasks.
        numbers: Pairs of their places, shape (pairs, 2).
        spec: With the seed.
    """
    found = [(min(ids[a], ids[b]), max(ids[a], ids[b])) for a, b in numbers.tolist()]
    return [pair[::-1] if uniform(f"{spec.seed}:{pair[0]}:{pair[1]}") < 0.5 else pair for pair in found]


def groups(ids: Sequence[str], spec: RankingSpec) -> list[tuple[str, ...]]:
    """Groups of tasks to be ranked: random orders of all tasks, one after the other, cut into groups.

    A task that would meet itself in a group waits for the next one. What does not fill the last group is left out, so
    that appearances differ by two at most.

    Raises:
        DataError: If there are fewer tasks than a group has.
    """
    if len(ids) < spec.size:
        raise DataError(f"{len(ids)} tasks do not fill a group of {spec.size}; lower `ranking.size`")
    rng = np.random.default_rng(spec.seed)
    stream = deque(ids[k] for _ in range(spec.appearances) for k in rng.permutation(len(ids)))
    found: list[tuple[str, ...]] = []
    while True:
        group: list[str] = []
        waiting: list[str] = []
        while stream and len(group) < spec.size:
            name = stream.popleft()
            (waiting if name in group else group).append(name)
        if len(group) < spec.size:
            return found
        stream.extendleft(reversed(waiting))
        found.append(tuple(group))
