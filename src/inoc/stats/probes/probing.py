"""One probe on one set of activations: its splits, held-out predictions and all of their measures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import expit

from inoc.stats.means import NAN, Floats
from inoc.stats.probes import logistic, ridge
from inoc.stats.probes.baselines import origin_means, shuffled
from inoc.stats.probes.folds import (
    Indices,
    Split,
    codes,
    fold_numbers,
    held_out_splits,
    parts,
    train_k_splits,
    within_splits,
)
from inoc.stats.probes.logistic import Observed
from inoc.stats.probes.metrics import Measure, Outcomes, Rows, class_measures, regression_measures
from inoc.stats.probes.ridge import Held

Method = Literal["ridge", "logistic", "pairs"]
ALL = "all"
"""Fold of measures over the held-out rows of all splits."""
MIN_ROWS = 8  # rows to train on, below which a split is left out
_OF_SHUFFLES = ("r2", "r", "r_within")
_SCORES = ("r", "r_within", "r_between")  # of scores, which have no scale of their own


@dataclass(frozen=True)
class Settings:
    """Settings of a probe.

    Attributes:
        method: Kind of regression.
        penalties: Multiples of the number of dimensions.
        outer: Number of outer folds.
        inner: Number of inner folds.
        protocols: Which splits.
        train_origins: For `train_k`: number of origins to train on.
        max_splits: For `train_k`: maximum number of splits.
        seed: Seed of folds and shuffles.
        permutations: Number of shuffled labels, for the tests within folds and on held-out origins.
        resamples: Number of resamples of the intervals.
        confidence: Of the intervals.
        threads: Number of splits that are computed at the same time.
    """

    method: Method = "ridge"
    penalties: Sequence[float] = (1.0,)
    outer: int = 5
    inner: int = 5
    protocols: Sequence[str] = ("within",)
    train_origins: int = 2
    max_splits: int = 20
    seed: int = 0
    permutations: int = 0
    resamples: int = 1000
    confidence: float = 0.95
    threads: int = 1


@dataclass(frozen=True)
class Labels:
    """Labels of a probe, a row per task.

    Attributes:
        y: Labels, finite: a mean rating, a utility, or 0 and 1.
        weights: Weights of rows, above 0.
        origins: Origin of each row.
        groups: Group of each row.
        refused: 1 if the task was refused, 0 if not, NaN if that is not known.
        outcomes: For pairs: the choices.
    """

    y: Floats
    weights: Floats
    origins: Sequence[str]
    groups: Indices
    refused: Floats = field(default_factory=lambda: np.empty(0))
    outcomes: Observed | None = None


class Found(NamedTuple):
    """One measure."""

    protocol: str
    fold: str
    metric: str
    measure: Measure


class Predicted(NamedTuple):
    """Held-out predictions of one split."""

    protocol: str
    fold: str
    rows: Indices
    values: Floats  # in units of the label, probabilities of a class, or scores of pairs


class Probed(NamedTuple):
    """A probe's held-out measures and predictions, with those of shuffled labels."""

    found: list[Found]
    predicted: list[Predicted]
    shuffled: list[Found]  # means over shuffles, with the bounds between which they are


def splits_of(labels: Labels, settings: Settings) -> dict[str, list[Split]]:
    """Splits of each protocol, without those that have too few rows to train on or a label that does not vary there."""
    made = {
        "within": lambda: within_splits(labels.groups, settings.outer, settings.seed),
        "held_out_origin": lambda: held_out_splits(labels.origins, labels.groups),
        "train_k": lambda: train_k_splits(
            labels.origins, labels.groups, settings.train_origins, settings.max_splits, settings.seed
        ),
    }
    return {
        protocol: [split for split in made[protocol]() if _usable(split, labels, settings)]
        for protocol in settings.protocols
    }


def _usable(split: Split, labels: Labels, settings: Settings) -> bool:
    own = labels.y[split.train]
    if len(np.unique(labels.groups[split.train])) < 2 or not len(split.test):
        return False
    if settings.method == "pairs":
        outcomes = labels.outcomes
        return outcomes is not None and len(outcomes.among(split.train, len(labels.y)).a) > 0
    return len(own) >= MIN_ROWS and bool(np.ptp(own) > 0)


def probe(x_ND: Floats, labels: Labels, settings: Settings, reference: dict[str, list[Floats]] | None = None) -> Probed:
    """All held-out measures of a probe.

    Args:
        x_ND: Activations, or the features of a baseline; finite.
        labels: What is predicted.
        settings: How.
        reference: Protocol → predictions by means of origins for each split, from `origin_reference`.
    """
    splits = splits_of(labels, settings)
    found: list[Found] = []
    predicted: list[Predicted] = []
    null: list[Found] = []
    origins = codes(labels.origins)
    for protocol, own in splits.items():
        if not own:
            continue
        permuted = _permutations(protocol, labels, settings, origins)
        alike = _held_alike(x_ND, labels, settings, own, permuted) if len(permuted) else []
        same = settings.method == "ridge" and np.ptp(labels.weights) == 0
        held = alike if alike and same else _held(x_ND, labels, settings, own)
        given = [one.predicted[:, 0] for one in held]
        others = (reference or {}).get(protocol)
        found += _measured(protocol, held, given, labels, settings, origins, others)
        found += [
            Found(protocol, one.split.name, "penalty", Measure(float(one.penalties[0]), NAN, NAN, len(one.split.train)))
            for one in held
        ]
        if alike:
            tests, spreads = _against_shuffled(protocol, alike, labels, settings, origins, permuted)
            found += tests
            null += spreads
        predicted += [Predicted(protocol, one.split.name, one.split.test, _in_units(one, settings)) for one in held]
    return Probed(found, predicted, null)


def _in_units(held: Held, settings: Settings) -> Floats:
    if settings.method == "logistic":
        chance: Floats = expit(held.predicted[:, 0] + held.predicted[:, 1])
        return chance
    return held.predicted[:, 0]


def _inner(labels: Labels, settings: Settings, rows: Indices) -> list[Indices]:
    return parts(fold_numbers(labels.groups[rows], settings.inner, settings.seed + 1))


def _held(x_ND: Floats, labels: Labels, settings: Settings, splits: Sequence[Split]) -> list[Held]:
    def inner(rows: Indices) -> list[Indices]:
        return _inner(labels, settings, rows)

    if settings.method == "ridge":
        y = labels.y[:, None]
        return ridge.nested(x_ND, y, labels.weights, splits, inner, settings.penalties, settings.threads)
    outcomes = outcomes_of(labels)
    return logistic.nested(x_ND, outcomes, splits, inner, settings.penalties, settings.threads)


def _held_alike(
    x_ND: Floats, labels: Labels, settings: Settings, splits: Sequence[Split], permuted: Indices
) -> list[Held]:
    """Predictions by ridge regression of the labels and of their shuffles, all labels counting the same.

    It stands in for logistic probes, which cannot be fitted to all shuffles at once: a test asks whether activations
    say anything about the labels, whatever the probe.

    With weights, a shuffle would give weights to labels that they do not belong to, and labels with large errors would
    be fitted as if they were certain: R² of shuffles would be too low, and p too small.
    """

    def inner(rows: Indices) -> list[Indices]:
        return _inner(labels, settings, rows)

    y = np.column_stack([labels.y, *(labels.y[order] for order in permuted)])
    return ridge.nested(x_ND, y, np.ones(len(y)), splits, inner, settings.penalties, settings.threads)


def outcomes_of(labels: Labels) -> Observed:
    """The choices of pairs, or the classes of rows."""
    return labels.outcomes if labels.outcomes is not None else logistic.of_classes(labels.y, labels.weights)


def origin_reference(labels: Labels, settings: Settings) -> dict[str, list[Floats]]:
    """Protocol → predictions of each split by the means of origins in its training rows."""
    origins = codes(labels.origins)
    return {
        protocol: [origin_means(labels.y[:, None], labels.weights, origins, split)[:, 0] for split in own]
        for protocol, own in splits_of(labels, settings).items()
    }


def by_origin(labels: Labels, settings: Settings, reference: dict[str, list[Floats]]) -> list[Found]:
    """Measures of the predictions by means of origins."""
    origins = codes(labels.origins)
    found = []
    for protocol, own in splits_of(labels, settings).items():
        held = [
            Held(split, values[:, None], np.empty(0)) for split, values in zip(own, reference[protocol], strict=True)
        ]
        given = [one.predicted[:, 0] for one in held]
        found += _numbers(protocol, held, given, labels, settings, origins, None)
    return found


def _measured(
    protocol: str,
    held: Sequence[Held],
    given: Sequence[Floats],
    labels: Labels,
    settings: Settings,
    origins: Indices,
    reference: Sequence[Floats] | None,
) -> list[Found]:
    if settings.method == "ridge":
        return _numbers(protocol, held, given, labels, settings, origins, reference)
    if settings.method == "logistic":
        chances = [_in_units(one, settings) for one in held]
        found = _numbers(protocol, held, chances, labels, settings, origins, reference)
        return found + _classes(protocol, held, labels, settings)
    scores = _numbers(protocol, held, given, labels, settings, origins, None)
    return [one for one in scores if one.metric in _SCORES] + _choices(protocol, held, labels, settings)


def _numbers(
    protocol: str,
    held: Sequence[Held],
    given: Sequence[Floats],
    labels: Labels,
    settings: Settings,
    origins: Indices,
    reference: Sequence[Floats] | None,
) -> list[Found]:
    """Measures of each split, of all together, and of refused and answered tasks apart; none without a split."""
    if not held:
        return []
    rows = [one.split.test for one in held]
    names = [one.split.name for one in held]
    found = []
    whole = (ALL, np.concatenate(rows), np.concatenate(given), np.concatenate(reference) if reference else None)
    each = [
        (name, own, values, reference[at] if reference else None)
        for at, (name, own, values) in enumerate(zip(names, rows, given, strict=True))
    ]
    for fold, own, values, other in [whole, *each, *_by_refusal(protocol, whole, labels)]:
        if not len(own):
            continue
        # Rows of other origins are another population: a resample of all together draws whole origins.
        groups = origins[own] if fold == ALL and protocol != "within" else labels.groups[own]
        asked = Rows(labels.y[own], values, _dense(origins[own]), _dense(groups), other)
        measures = regression_measures(asked, settings.resamples, settings.seed, settings.confidence)
        found += [Found(protocol, fold, name, one) for name, one in measures.items()]
    return found


Part = tuple[str, Indices, Floats, Floats | None]


def _by_refusal(protocol: str, whole: Part, labels: Labels) -> Iterator[Part]:
    _, rows, values, other = whole
    if protocol != "within" or not len(labels.refused):
        return
    for name, flag in (("refused", 1.0), ("answered", 0.0)):
        own = labels.refused[rows] == flag
        if own.any() and not own.all():
            yield name, rows[own], values[own], other[own] if other is not None else None


def _dense(numbers: Indices) -> Indices:
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


def _classes(protocol: str, held: Sequence[Held], labels: Labels, settings: Settings) -> list[Found]:
    each = [(one.split.name, one.split.test, one.predicted.sum(axis=1)) for one in held]
    whole = (ALL, np.concatenate([rows for _, rows, _ in each]), np.concatenate([logits for *_, logits in each]))
    found = []
    for fold, rows, logits in [whole, *each]:
        asked = Outcomes(labels.y[rows], logits, np.ones(len(rows)), _dense(labels.groups[rows]))
        measures = class_measures(asked, settings.resamples, settings.seed, settings.confidence)
        found += [Found(protocol, fold, name, one) for name, one in measures.items()]
    return found


class _Choices(NamedTuple):
    """Held-out pairs of one split, or of all."""

    fold: str
    share: Floats
    logits: Floats
    weight: Floats
    groups: Indices  # of the first of both tasks


def _choices(protocol: str, held: Sequence[Held], labels: Labels, settings: Settings) -> list[Found]:
    """Measures of the pairs of which both tasks are held out together."""
    outcomes = outcomes_of(labels)
    each = []
    for one in held:
        rows = one.split.test
        own = outcomes.among(rows, len(labels.y))
        if len(own.a):
            scores, intercepts = one.predicted.T
            logits = scores[own.a] - scores[own.b] + intercepts[own.a]
            each.append(_Choices(one.split.name, own.share, logits, own.weight, labels.groups[rows[own.a]]))
    if not each:
        return []
    whole = _Choices(ALL, *(np.concatenate(column) for column in list(zip(*each, strict=True))[1:]))
    found = []
    for fold, share, logits, weight, groups in [whole, *each]:
        asked = Outcomes(share, logits, weight, _dense(groups))
        measures = class_measures(asked, settings.resamples, settings.seed, settings.confidence)
        found += [Found(protocol, fold, name, measures[name]) for name in ("accuracy", "log_loss")]
    return found


def _permutations(protocol: str, labels: Labels, settings: Settings, origins: Indices) -> Indices:
    """Shuffles of all labels, and then as many within origins if there are several.

    For held-out origins there are only those within them: means of origins may differ, whatever activations say.
    """
    groups, times, seed = labels.groups, settings.permutations, settings.seed
    several = origins.max(initial=0) > 0
    parts = []
    if protocol == "within":
        parts.append(shuffled(groups, None, times, seed + 2))
    if protocol in ("within", "held_out_origin") and several:
        parts.append(shuffled(groups, origins, times, seed + 3))
    return np.concatenate(parts) if parts else np.empty((0, len(groups)), dtype=np.int64)


def _against_shuffled(
    protocol: str, held: Sequence[Held], labels: Labels, settings: Settings, origins: Indices, permuted: Indices
) -> tuple[list[Found], list[Found]]:
    """Tests against shuffled labels: of R² against all shuffled, of r within origins against those within origins.

    Returns:
        The tests, and where measures of a ridge probe are with labels that were shuffled over all tasks.
    """
    y = np.column_stack([labels.y, *(labels.y[order] for order in permuted)])
    rows = np.concatenate([one.split.test for one in held])
    predicted = np.concatenate([one.predicted for one in held])
    one_group, places = np.zeros(len(rows), dtype=np.int64), _dense(origins[rows])

    def measures(column: int) -> dict[str, float]:
        asked = Rows(y[rows, column], predicted[:, column], places, one_group)
        return {name: one.value for name, one in regression_measures(asked, 0, 0, settings.confidence).items()}

    n, free = len(rows), settings.permutations if protocol == "within" else 0
    itself, null = measures(0), [measures(1 + at) for at in range(len(permuted))]
    tested = []
    if free:
        p = _p(itself["r2"], [one["r2"] for one in null[:free]])
        tested.append(Found(protocol, ALL, "p", Measure(p, NAN, NAN, n)))
    if len(null) > free:
        p = _p(itself["r_within"], [one["r_within"] for one in null[free:]])
        tested.append(Found(protocol, ALL, "p_within", Measure(p, NAN, NAN, n)))
    if not free or settings.method != "ridge":
        return tested, []
    spreads = {name: _spread([one[name] for one in null[:free]], settings.confidence, n) for name in _OF_SHUFFLES}
    return tested, [Found(protocol, ALL, name, one) for name, one in spreads.items()]


def _p(value: float, null: Sequence[float]) -> float:
    """Share of the null that is at least as high, the value itself counted; NaN where the measure is not defined."""
    known = np.asarray([one for one in null if np.isfinite(one)])
    return float((1 + (known >= value).sum()) / (1 + len(known))) if np.isfinite(value) and len(known) else NAN


def _spread(values: Sequence[float], confidence: float, n: int) -> Measure:
    known = np.asarray([one for one in values if np.isfinite(one)])
    if not len(known):
        return Measure(NAN, NAN, NAN, n)
    lo, hi = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Measure(float(known.mean()), float(lo), float(hi), n)
