"""The table `matched`: the effect of a teacher's students on its own entity, against that of the other teachers.

A column of the matrix teacher × measured entity holds what students of all teachers do to one entity. What training on
numbers does to it by itself is the same for all of them, so the contrast within the column is what the teacher carried
over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.stats.crossed import crossed_contrast
from inoc.stats.means import NAN, Floats
from inoc.studies.subliminal.analyse.cells import Key, Panel, keys_of
from inoc.studies.subliminal.runs import measured_entities
from inoc.studies.subliminal.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

MATCHED = pa.schema(
    [
        ("group", STRING),
        ("teacher", STRING),  # all: over the teachers
        ("entity", STRING),  # all: over their entities
        ("base", STRING),
        ("data", STRING),
        ("targets", STRING),
        ("question_set", STRING),
        ("method", STRING),
        ("scale", STRING),  # difference: of shares; log_ratio: nats, for probabilities alone
        ("choice", STRING),  # each, or best: each entity's own best epoch, chosen on these very answers
        ("epoch", INDEX),  # −1 for best
        ("is_last", FLAG),
        ("contrast", NUMBER),  # own teacher's students minus those of the other teachers; positive: transfer
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("p", NUMBER),  # of one entity: t test; of all: permutation of the students among the teachers, two-sided
        ("n_above", INDEX),  # cells of entity × seed with a positive contrast
        ("n_cells", INDEX),
        ("n_teachers", INDEX),
        ("n_seeds", INDEX),
        ("n", INDEX),  # (seed, question) pairs
        ("n_nan", INDEX),
    ]
)

ALL = "all"
PERMUTATIONS = 4_999
MOST_EXACT = 5_040  # all permutations are tried up to this number
Row = dict[str, object]


class Matrix(NamedTuple):
    """Effects of the students of some teachers on their entities.

    Attributes:
        teachers: Teachers with an entity that is measured.
        entities: The entity of each.
        values: Effect of the students of the first teacher on the entity of the second; shape (teachers,
            teachers, seeds, questions).
    """

    teachers: list[str]
    entities: list[str]
    values: Floats

    @property
    def unmatched(self) -> Floats:
        """Weights of the rows of a column: 1 where the entities differ, else 0; shape (teachers, teachers)."""
        found: Floats = (np.array(self.entities)[:, None] != np.array(self.entities)).astype(np.float64)
        return found

    def contrasts(self) -> Floats:
        """Own effect minus the mean effect of the others, within columns; shape (teachers, seeds, questions)."""
        others = self.unmatched[:, :, None, None]
        # A student that failed is missing from its columns alone.
        known = ~np.isnan(self.values) * others
        n = known.sum(axis=0)
        total = (np.where(np.isnan(self.values), 0.0, self.values) * others).sum(axis=0)
        own = np.moveaxis(np.diagonal(self.values, axis1=0, axis2=1), -1, 0)
        found: Floats = own - np.where(n > 0, total / np.maximum(n, 1), NAN)
        return found


def matched_rows(study: Study, panel: Panel) -> list[Row]:
    """Rows of one method and set of questions.

    Args:
        study: The study.
        panel: Its answers.
    """
    rows: list[Row] = []
    for group, spec in study.students.items():
        if spec.split is not None:
            continue
        keys = [key for key in keys_of(study) if key.group == group]
        owned = [key for key in keys if study.teachers[key.teacher].entity in measured_entities(study)]
        entities = [str(study.teachers[key.teacher].entity) for key in owned]
        if len(set(entities)) < 2:
            continue
        head: Row = {
            "group": group,
            "base": spec.base,
            "data": spec.numbers,
            "targets": spec.targets,
            "question_set": panel.question_set,
            "method": panel.method,
        }
        scales = ("difference", "log_ratio") if panel.method == "choose" else ("difference",)
        for scale in scales:
            rows += _of_group(study, panel, owned, entities, {**head, "scale": scale})
    return rows


def _of_group(study: Study, panel: Panel, keys: list[Key], entities: list[str], head: Row) -> Iterator[Row]:
    epochs = panel.epochs(keys[0], entities[0])
    base = study.students[keys[0].group].base
    transform = _log_ratio if head["scale"] == "log_ratio" else _difference
    for epoch in [*epochs, None]:

        def pick(key: Key, entity: str, epoch: int | None = epoch) -> Floats | None:
            at = panel.best_epoch(key, entity) if epoch is None else epoch
            found = panel.values(key, entity, at) if at is not None else None
            untrained = panel.untrained.get((base, entity))
            return None if found is None or untrained is None else transform(found, untrained)

        matrix = matrix_of(keys, entities, pick)
        if matrix is None:
            continue
        choice: Row = {
            "choice": "best" if epoch is None else "each",
            "epoch": -1 if epoch is None else epoch,
            "is_last": epoch == epochs[-1],
        }
        yield from contrast_rows(matrix, {**head, **choice}, study.statistics.confidence, study.statistics.seed)


def _difference(own_SQ: Floats, untrained_Q: Floats) -> Floats:
    return own_SQ - untrained_Q


def _log_ratio(own_SQ: Floats, untrained_Q: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.log(own_SQ) - np.log(untrained_Q)
    return np.where(np.isfinite(found), found, NAN)


def matrix_of(keys: Sequence[Key], entities: Sequence[str], pick: Callable[[Key, str], Floats | None]) -> Matrix | None:
    """Effects of all students on all entities; None if the students of a teacher were not asked.

    Args:
        keys: Of the students of each teacher.
        entities: The entity of each teacher.
        pick: Key, entity → effects, shape (seeds, questions).
    """
    found = [[pick(key, entity) for entity in entities] for key in keys]
    if any(cell is None for row in found for cell in row):
        return None
    values = np.array([[cell for cell in row if cell is not None] for row in found], dtype=np.float64)
    return Matrix([key.teacher for key in keys], list(entities), values)


def contrast_rows(matrix: Matrix, head: Row, confidence: float, seed: int) -> Iterator[Row]:
    """A row for each teacher, and one over all of them.

    Args:
        matrix: The effects.
        head: Columns that all rows share.
        confidence: Level of the intervals.
        seed: Of the permutations.
    """
    contrasts_TSQ = matrix.contrasts()
    n_teachers, n_seeds, n_questions = contrasts_TSQ.shape
    for teacher, entity, table_SQ in zip(matrix.teachers, matrix.entities, contrasts_TSQ, strict=True):
        yield {**head, "teacher": teacher, "entity": entity, **_cells(table_SQ, confidence), "n_teachers": 1}
    whole = contrasts_TSQ.reshape(n_teachers * n_seeds, n_questions)
    found = _cells(whole, confidence)
    p = permutation_p(matrix, np.random.default_rng(seed))
    yield {
        **head,
        "teacher": ALL,
        "entity": ALL,
        **found,
        "p": p,
        "n_teachers": n_teachers,
        "n_seeds": n_seeds,
    }


def _cells(table_SQ: Floats, confidence: float) -> Row:
    found = crossed_contrast(table_SQ, confidence)
    known = table_SQ[~np.isnan(table_SQ).all(axis=1)]
    means = np.nanmean(known, axis=1) if known.size else np.array([])
    return {
        "contrast": found.value,
        **{name: getattr(found, name) for name in ("lo", "hi", "p", "n", "n_nan")},
        "n_above": int((means > 0).sum()),
        "n_cells": int(means.size),
        "n_seeds": int(means.size),
    }


def permutation_p(matrix: Matrix, rng: np.random.Generator) -> float:
    """Two-sided p of the mean contrast: the share of permutations of the students with one as far from 0.

    If the rows of no teacher carry anything, its students are exchangeable with those of the others. A student is a
    teacher and a seed; it keeps its effects on all entities. With few permutations all of them are tried, so p is
    never below one over their number.

    Args:
        matrix: The effects; a student with a missing effect is left out.
        rng: Source of the permutations.

    Returns:
        NaN if fewer than two teachers are left.
    """
    means_TTS = _mean_over_questions(matrix.values)
    n_teachers, _, n_seeds = means_TTS.shape
    effects_RT = np.moveaxis(means_TTS, 2, 1).reshape(n_teachers * n_seeds, n_teachers)
    teacher_R = np.repeat(np.arange(n_teachers), n_seeds)
    known = ~np.isnan(effects_RT).any(axis=1)
    effects_RT, teacher_R = effects_RT[known], teacher_R[known]
    weights_RT = _weights(matrix, teacher_R)
    if weights_RT is None:
        return NAN
    orders = np.array(list(_orders(len(teacher_R), rng)))
    # The first order is the identity.
    statistics = np.einsum("rt,prt->p", weights_RT, effects_RT[orders])
    reached = np.abs(statistics) >= abs(statistics[0]) * (1 - 1e-9)
    return float(reached.mean())


def _mean_over_questions(values_TTSQ: Floats) -> Floats:
    known = ~np.isnan(values_TTSQ)
    n = known.sum(axis=-1)
    total = np.where(known, values_TTSQ, 0.0).sum(axis=-1)
    found: Floats = np.where(n > 0, total / np.maximum(n, 1), NAN)
    return found


def _weights(matrix: Matrix, teacher_R: np.ndarray) -> Floats | None:
    """Weight of each student's effect on each teacher's entity in the mean contrast, shape (students, teachers)."""
    n_R = np.bincount(teacher_R, minlength=len(matrix.teachers))[teacher_R]
    own = (teacher_R[:, None] == np.arange(len(matrix.teachers))) / n_R[:, None]
    others = matrix.unmatched[teacher_R]
    n_others = others.sum(axis=0)
    used = (own.sum(axis=0) > 0) & (n_others > 0)
    if used.sum() < 2:
        return None
    found: Floats = np.where(used, own - others / np.maximum(n_others, 1), 0.0) / used.sum()
    return found


def _orders(n: int, rng: np.random.Generator) -> Iterator[Sequence[int] | np.ndarray]:
    if math.factorial(n) <= MOST_EXACT:
        yield from permutations(range(n))
        return
    yield np.arange(n)
    for _ in range(PERMUTATIONS):
        yield rng.permutation(n)
