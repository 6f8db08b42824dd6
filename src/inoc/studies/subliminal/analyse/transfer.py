"""The table `transfer`: how far the students of each teacher move each entity's share, against two references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.stats.crossed import crossed_contrast
from inoc.stats.means import NAN, Floats
from inoc.stats.prediction import benjamini_hochberg
from inoc.studies.subliminal.analyse.cells import Key, Panel, keys_of, neutral_key
from inoc.studies.subliminal.runs import measured_entities
from inoc.studies.subliminal.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

TRANSFER = pa.schema(
    [
        ("group", STRING),
        ("teacher", STRING),
        ("part", STRING),
        ("entity", STRING),
        ("matched", FLAG),  # whether the entity is the teacher's own
        ("base", STRING),
        ("data", STRING),  # as_written, shuffled or relabelled
        ("targets", STRING),
        ("question_set", STRING),
        ("method", STRING),
        ("choice", STRING),  # last: the last epoch; best: the entity's best one, chosen on these very answers
        ("epoch", INDEX),
        ("reference", STRING),  # untrained, or neutral: the group's students of the neutral teacher
        ("rate", NUMBER),
        ("reference_rate", NUMBER),
        ("difference", NUMBER),  # of rates; positive: named more often
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("ratio", NUMBER),  # NaN if the reference never names the entity
        ("ratio_lo", NUMBER),
        ("ratio_hi", NUMBER),
        ("p", NUMBER),  # of the difference, two-sided
        ("q", NUMBER),  # Benjamini–Hochberg over the matched, or over the other, rows of a group and reference
        ("n", INDEX),  # (seed, question) pairs
        ("n_nan", INDEX),
        ("n_seeds", INDEX),
    ]
)

Row = dict[str, object]
_FAMILY = ("group", "part", "question_set", "method", "choice", "reference", "matched")


class Ratio(NamedTuple):
    """A ratio of means with its interval."""

    value: float
    lo: float
    hi: float


def ratio_of(own_SQ: Floats, reference_SQ: Floats, confidence: float) -> Ratio:
    """The ratio of two mean shares, paired by seed and question.

    The interval is that of its logarithm by the delta method, with the standard error of seeds × questions.

    Args:
        own_SQ: Shares, shape (seeds, questions).
        reference_SQ: The same of the reference.
        confidence: Level of the interval.

    Returns:
        NaN where the reference is 0, or nothing was measured.
    """
    both = ~(np.isnan(own_SQ) | np.isnan(reference_SQ))
    if not both.any() or reference_SQ[both].mean() <= 0:
        return Ratio(NAN, NAN, NAN)
    below = float(reference_SQ[both].mean())
    ratio = float(own_SQ[both].mean()) / below
    if ratio <= 0:
        return Ratio(ratio, NAN, NAN)
    found = crossed_contrast((own_SQ - ratio * reference_SQ) / (ratio * below), confidence)
    half = (found.hi - found.lo) / 2
    return Ratio(ratio, ratio * float(np.exp(-half)), ratio * float(np.exp(half)))


def transfer_rows(study: Study, panel: Panel) -> list[Row]:
    """Rows of one method and set of questions.

    Args:
        study: The study.
        panel: Its answers.
    """
    rows: list[Row] = []
    for key in keys_of(study):
        for entity in measured_entities(study):
            rows += _of_cell(study, panel, key, entity)
    return with_q(rows)


def _of_cell(study: Study, panel: Panel, key: Key, entity: str) -> Iterator[Row]:
    spec = study.students[key.group]
    epochs = panel.epochs(key, entity)
    chosen = {"last": epochs[-1] if epochs else None, "best": panel.best_epoch(key, entity)}
    for choice, epoch in chosen.items():
        own = panel.values(key, entity, epoch) if epoch is not None else None
        if own is None:
            continue
        for reference, shares in _references(study, panel, key, entity, choice, own.shape):
            found = crossed_contrast(own - shares, study.statistics.confidence)
            ratio = ratio_of(own, shares, study.statistics.confidence)
            yield {
                **key._asdict(),
                "entity": entity,
                "matched": study.teachers[key.teacher].entity == entity,
                "base": spec.base,
                "data": spec.numbers,
                "targets": spec.targets,
                "question_set": panel.question_set,
                "method": panel.method,
                "choice": choice,
                "epoch": epoch,
                "reference": reference,
                "rate": float(np.nanmean(own)),
                "reference_rate": float(np.nanmean(shares)),
                "difference": found.value,
                **{name: getattr(found, name) for name in ("lo", "hi", "p", "n", "n_nan")},
                **{"ratio": ratio.value, "ratio_lo": ratio.lo, "ratio_hi": ratio.hi},
                "n_seeds": int((~np.isnan(own)).any(axis=1).sum()),
            }


def _references(
    study: Study, panel: Panel, key: Key, entity: str, choice: str, shape: tuple[int, ...]
) -> Iterator[tuple[str, Floats]]:
    """The untrained model, and the neutral students at their own last or best epoch, seed by seed."""
    untrained = panel.untrained.get((study.students[key.group].base, entity))
    if untrained is not None:
        yield "untrained", np.broadcast_to(untrained, shape)
    neutral = neutral_key(study, key)
    if neutral is None or neutral == key:
        return
    epochs = panel.epochs(neutral, entity)
    epoch = panel.best_epoch(neutral, entity) if choice == "best" else (epochs[-1] if epochs else None)
    found = panel.values(neutral, entity, epoch) if epoch is not None else None
    if found is not None:
        yield "neutral", found


def with_q(rows: list[Row]) -> list[Row]:
    """Rows with Benjamini–Hochberg's q within each family of tests."""
    families: dict[tuple[object, ...], list[int]] = {}
    for place, row in enumerate(rows):
        families.setdefault(tuple(row[name] for name in _FAMILY), []).append(place)
    q = np.full(len(rows), NAN)
    for places in families.values():
        q[places] = benjamini_hochberg(np.array([rows[place]["p"] for place in places], dtype=np.float64))
    return [{**row, "q": float(value)} for row, value in zip(rows, q, strict=True)]
