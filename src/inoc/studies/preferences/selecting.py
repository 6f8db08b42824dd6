"""Active selection within a job: which questions come next, by what was answered so far.

The pairs of a round follow from the answers alone. A job that was killed finds the answers of earlier rounds in the
store, makes the same choices again, and asks nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import pandas as pd

from inoc.errors import DataError
from inoc.prefer.comparisons import Comparisons
from inoc.prefer.graph import Pairs
from inoc.prefer.selection import Round, Selection, choose, first_pairs
from inoc.stats.utilities.fit import Settings
from inoc.studies.preferences.asked import Asked, pair_questions, shown_pairs
from inoc.studies.preferences.compared import as_comparisons
from inoc.studies.preferences.roles import completers, method_of, raters, template_of
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import Task

P = TypeVar("P")
R = TypeVar("R")


class Track(NamedTuple):
    """One active selection: its utilities are fitted apart from all others."""

    instrument: str
    rater: str
    completer: str


def tracks(study: Study, rater: str, method: str) -> list[Track]:
    """The active selections of a rater, of those that are asked by a method."""
    return [
        Track(instrument, rater, completer)
        for instrument, given in study.instruments.items()
        if template_of(given).kind == "choice" and given.pairs.design == "active"
        if rater in raters(study, instrument) and method_of(study, instrument, rater) == method
        for completer in completers(study, instrument)
    ]


def selection_of(study: Study, instrument: str) -> Selection:
    """The settings of an active selection."""
    spec = study.selection
    return Selection(
        rule=spec.rule,
        degree=study.instruments[instrument].pairs.degree,
        batch=spec.batch,
        max_rounds=spec.max_rounds,
        target=spec.target,
        reliability=spec.reliability,
        width=spec.width,
        seed=spec.seed,
    )


def fit_settings(study: Study) -> Settings:
    """Settings of the fits of a selection: the study's first model, with one position term if it has any."""
    spec = study.fit
    return Settings(
        model=spec.models[0],
        positioned=spec.position != "none",
        penalty=spec.penalties[0] if spec.penalties else None,
        starts=spec.starts,
        seed=spec.seed,
    )


class Steps(Generic[P, R]):
    """The plans of a job that selects, for `inoc.jobs.series.Series`: round by round, track by track.

    Args:
        study: The study.
        tasks: Its tasks.
        chosen: The tracks, in order.
        plan: Makes the plan that asks some questions.
        rows: Makes rows of `inputs.COMPARISONS` of the answers to them.
    """

    def __init__(
        self,
        study: Study,
        tasks: Sequence[Task],
        chosen: Sequence[Track],
        plan: Callable[[Sequence[Asked]], P],
        rows: Callable[[Sequence[Asked], R], pd.DataFrame],
    ) -> None:
        self._study, self._plan, self._rows = study, plan, rows
        self._ids = sorted(task.id for task in tasks)
        self._found: list[R] = []
        self._given: list[P | None] = []
        self._steps = self._walk(chosen)

    def __call__(self, found: Sequence[R]) -> P | None:
        """The plan after some results; the same one however often it is asked for."""
        while len(self._given) <= len(found):
            self._found = list(found[: len(self._given)])
            self._given.append(next(self._steps, None))
        return self._given[len(found)]

    def _walk(self, chosen: Sequence[Track]) -> Iterator[P]:
        for track in chosen:
            yield from self._track(track)

    def _track(self, track: Track) -> Iterator[P]:
        settings, selection = fit_settings(self._study), selection_of(self._study, track.instrument)
        pairs = first_pairs(len(self._ids), selection)
        asked: list[Pairs] = []
        rows: list[pd.DataFrame] = []
        mu = None
        while len(pairs):
            questions = round_questions(self._study, track, self._ids, pairs, len(asked))
            yield self._plan(questions)
            asked.append(pairs)
            rows.append(self._rows(questions, self._found[-1]))
            made = choose(_all(rows, self._ids), asked, selection, settings, mu)
            pairs, mu = made.pairs, made.mu


def round_questions(study: Study, track: Track, ids: Sequence[str], pairs: Pairs, number: int) -> list[Asked]:
    """The questions of a round."""
    chosen = shown_pairs(ids, pairs, study.instruments[track.instrument].pairs)
    return pair_questions(study, track.instrument, track.rater, chosen, number, track.completer)


def _all(rows: Sequence[pd.DataFrame], ids: Sequence[str]) -> Comparisons:
    """Everything that was answered so far, over all tasks.

    Raises:
        DataError: If there is no row.
    """
    found = as_comparisons(pd.concat(rows, ignore_index=True), {})
    if found is None:
        raise DataError("a round of an active selection has no questions; give it two tasks at least")
    return found.over(ids)


class Replayed(NamedTuple):
    """A selection, told again from what was answered."""

    track: Track
    asked: list[Asked]
    history: list[Round]


def replayed(
    study: Study, tasks: Sequence[Task], track: Track, rows_of: Callable[[Sequence[Asked]], pd.DataFrame]
) -> Replayed:
    """The rounds of a selection whose answers are all there.

    Args:
        study: The study.
        tasks: Its tasks.
        track: The selection.
        rows_of: Rows of `inputs.COMPARISONS` of the answers to some questions.
    """
    ids = sorted(task.id for task in tasks)
    settings, selection = fit_settings(study), selection_of(study, track.instrument)
    pairs = first_pairs(len(ids), selection)
    asked: list[Pairs] = []
    questions: list[Asked] = []
    rows: list[pd.DataFrame] = []
    history: list[Round] = []
    mu = None
    while len(pairs):
        own = round_questions(study, track, ids, pairs, len(asked))
        questions += own
        asked.append(pairs)
        rows.append(rows_of(own))
        made = choose(_all(rows, ids), asked, selection, settings, mu)
        history.append(made.row)
        pairs, mu = made.pairs, made.mu
    return Replayed(track, questions, history)
