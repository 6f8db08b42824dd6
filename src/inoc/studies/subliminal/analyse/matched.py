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
from inoc.stats.equivalence import equivalence
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
        ("null_bound", NUMBER),  # a contrast as near to 0 as this counts as none; unit of the contrast
        ("null_lo", NUMBER),  # interval of level 1 − 2 α, with α one less the confidence
        ("null_hi", NUMBER),
        ("null_p", NUMBER),  # larger p of two one-sided tests: at most α if that interval is inside the bounds
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
        owned, entities = owned_keys(study, group)
        if not owned:
            continue
        head: Row = {
            "group": group,
            "base": spec.base,
            "data": spec.numbers,
            "targets": spec.targets,
            "question_set": panel.question_set,
            "method": panel.method,
        }
        for scale in scales_of(panel):
            rows += _of_group(study, panel, owned, entities, {**head, "scale": scale})
    return rows


def owned_keys(study: Study, group: str) -> tuple[list[Key], list[str]]:
    """Students of a group whose teacher has a measured entity, and these entities; none for fewer than two entities."""
    if study.students[group].split is not None:
        return [], []
    measured = measured_entities(study)
    keys = [key for key in keys_of(study) if key.group == group and study.teachers[key.teacher].entity in measured]
    entities = [str(study.teachers[key.teacher].entity) for key in keys]
    return (keys, entities) if len(set(entities)) > 1 else ([], [])


def scales_of(panel: Panel) -> tuple[str, ...]:
    """Scales of the contrasts of a method: sampled shares of 0 have no logarithm."""
    return ("difference", "log_ratio") if panel.method == "choose" else ("difference",)


def student_matrix(study: Study, panel: Panel, group: str, scale: str, epoch: int | None) -> Matrix | None:
    """Effects of a group's students, after an epoch or each after its best one; None if some were not asked.

    Args:
        study: The study.
        panel: Its answers.
        group: Key of the group.
        scale: `difference` or `log_ratio`.
        epoch: None for the best epoch of each.
    """
    keys, entities = owned_keys(study, group)
    transform, base = transform_of(scale), study.students[group].base

    def pick(key: Key, entity: str) -> Floats | None:
        at = panel.best_epoch(key, entity) if epoch is None else epoch
        found = panel.values(key, entity, at) if at is not None else None
        untrained = panel.untrained.get((base, entity))
        return None if found is None or untrained is None else transform(found, untrained)

    return matrix_of(keys, entities, pick) if keys else None


def last_matrix(study: Study, panel: Panel, group: str, scale: str) -> tuple[list[Key], Matrix, int] | None:
    """The students of a group after its last epoch: their keys, their effects, and the epoch; None if not asked."""
    keys, entities = owned_keys(study, group)
    epochs = panel.epochs(keys[0], entities[0]) if keys else []
    matrix = student_matrix(study, panel, group, scale, epochs[-1]) if epochs else None
    return None if matrix is None else (keys, matrix, epochs[-1])


def _of_group(study: Study, panel: Panel, keys: list[Key], entities: list[str], head: Row) -> Iterator[Row]:
    epochs, scale = panel.epochs(keys[0], entities[0]), str(head["scale"])
    negligible = study.preference.negligible
    bound = negligible.log_ratio if scale == "log_ratio" else negligible.difference
    for epoch in [*epochs, None]:
        matrix = student_matrix(study, panel, keys[0].group, scale, epoch)
        if matrix is None:
            continue
        choice: Row = {
            "choice": "best" if epoch is None else "each",
            "epoch": -1 if epoch is None else epoch,
            "is_last": epoch == epochs[-1],
        }
        shared = {**head, **choice, "null_bound": bound}
        yield from contrast_rows(matrix, shared, study.statistics.confidence, study.statistics.seed)


def transform_of(scale: str) -> Callable[[Floats, Floats], Floats]:
    """The effect of a scale: shares of a subject, and of the untrained model, to their difference or log-ratio."""
    return _log_ratio if scale == "log_ratio" else _difference


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
        head: Columns that all rows share; `null_bound` is the bound of the tests of equivalence.
        confidence: Level of the intervals.
        seed: Of the permutations.
    """
    contrasts_TSQ = matrix.contrasts()
    n_teachers, n_seeds, n_questions = contrasts_TSQ.shape
    for teacher, entity, table_SQ in zip(matrix.teachers, matrix.entities, contrasts_TSQ, strict=True):
        found = {**_cells(table_SQ, confidence), **_null(table_SQ, head, confidence)}
        yield {**head, "teacher": teacher, "entity": entity, **found, "n_teachers": 1}
    whole = contrasts_TSQ.reshape(n_teachers * n_seeds, n_questions)
    found = {**_cells(whole, confidence), **_null(whole, head, confidence)}
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


def _null(table_SQ: Floats, head: Row, confidence: float) -> Row:
    found = equivalence(table_SQ, float(str(head["null_bound"])), 1 - confidence)
    return {"null_lo": found.lo, "null_hi": found.hi, "null_p": found.p}


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
