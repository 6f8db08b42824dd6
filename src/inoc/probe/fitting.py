"""Rows of the tables of one probe: its measures, predictions, and the fit to all tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from inoc.probe.files import vector_name
from inoc.probe.inputs import Cases, cases_of, features, finite, with_shuffled_labels
from inoc.probe.plan import Target
from inoc.stats.means import Floats
from inoc.stats.probes import logistic, ridge
from inoc.stats.probes.baselines import random_like
from inoc.stats.probes.cosines import Refits, refitted, refitted_logistic
from inoc.stats.probes.folds import Indices, codes, fold_numbers, parts
from inoc.stats.probes.labels import ceiling
from inoc.stats.probes.probing import ALL, Found, Probed, by_origin, origin_reference, outcomes_of, probe, splits_of
from inoc.vectors.make import mean_norm
from inoc.vectors.vector import Vector

Row = dict[str, object]
MIN_TASKS = 10
MAX_SLOW_REFITS = 50  # of probes that are fitted by iteration


@dataclass
class Made:
    """Rows of the tables, and the vectors."""

    probes: list[Row] = field(default_factory=list)
    predictions: list[Row] = field(default_factory=list)
    fits: list[Row] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)


def enough(cases: Cases) -> str:
    """Reason why these cases cannot be probed; empty if they can."""
    y = cases.labels.y
    if len(y) < MIN_TASKS:
        return f"{len(y)} tasks have a label and activations; at least {MIN_TASKS} are needed"
    if cases.target.pairs is None and np.ptp(y) == 0:
        return "the label is the same for all tasks"
    if len(np.unique(cases.labels.groups)) < 2:
        return "all tasks are in one group, which cannot be split"
    return ""


def baseline_rows(target: Target, embedded: Floats | None) -> Iterator[Row]:
    """Measures of the baselines that need no activations, and the ceiling of the labels."""
    cases = cases_of(target, np.ones(len(target.tasks), dtype=bool))
    if enough(cases):
        return
    labels, settings = cases.labels, replace(target.settings, permutations=0)
    reference = origin_reference(labels, settings)
    for name, values in features(cases, target.baselines, embedded):
        if name == "origin" and settings.method == "ridge":
            found = by_origin(labels, settings, reference)
        else:
            found = probe(values, labels, settings, reference).found
        yield from _rows(target, "", "", found, name)
    if settings.method == "ridge":
        bounds = ceiling(labels.y, cases.se, labels.groups, settings.resamples, settings.seed, settings.confidence)
        yield from _rows(target, "", "", [Found("", ALL, name, one) for name, one in bounds.items()], "")


def site_rows(made: Made, target: Target, x_ND: Floats, site: str, readout: str, model: str) -> str:
    """Add everything about a probe at one site and read-out.

    Args:
        made: What is added to.
        target: The probe.
        x_ND: Activations of its tasks; NaN where there are none.
        site: Name of the site.
        readout: Name of the read-out.
        model: Digest of the model's weights.

    Returns:
        Reason why it cannot be fitted; empty if it was.
    """
    cases = cases_of(target, finite(x_ND))
    if why := enough(cases):
        return why
    own, labels, settings = x_ND[cases.rows], cases.labels, target.settings
    reference = origin_reference(labels, settings)
    found = probe(own, labels, settings, reference)
    made.probes += _rows(target, site, readout, found.found, "")
    made.predictions += _predictions(cases, site, readout, found, reference)
    without = replace(settings, permutations=0)
    if "shuffled" in target.baselines:
        null = found.shuffled
        if not null:
            null = probe(own, with_shuffled_labels(cases, settings.seed).labels, without, None).found
        made.probes += _rows(target, site, readout, null, "shuffled")
    if "random" in target.baselines:
        other = probe(random_like(own, settings.seed), labels, without, reference).found
        made.probes += _rows(target, site, readout, other, "random")
    penalties = settings.penalties
    penalty = _fit(made, cases, own, (site, readout, model), penalties, shuffled=False)
    # With the same penalty, so that its direction is not that of next to nothing.
    _fit(made, with_shuffled_labels(cases, settings.seed), own, (site, readout, model), [penalty], shuffled=True)
    return ""


def _rows(target: Target, site: str, readout: str, found: Iterable[Found], baseline: str) -> list[Row]:
    where = {"probe": target.name, "target": target.target, "site": site, "readout": readout, "baseline": baseline}
    return [
        {**where, "protocol": one.protocol, "fold": one.fold, "metric": one.metric, **one.measure._asdict()}
        for one in found
    ]


def _predictions(
    cases: Cases, site: str, readout: str, found: Probed, reference: dict[str, list[Floats]]
) -> Iterator[Row]:
    labels, tasks = cases.labels, cases.tasks
    names = {
        protocol: [split.name for split in own] for protocol, own in splits_of(labels, cases.target.settings).items()
    }
    for one in found.predicted:
        means = reference[one.protocol][names[one.protocol].index(one.fold)]
        for row, value, mean in zip(one.rows, one.values, means, strict=True):
            yield {
                "probe": cases.target.name,
                "site": site,
                "readout": readout,
                "protocol": one.protocol,
                "fold": one.fold,
                "task": tasks[row],
                "origin": labels.origins[row],
                "refused": labels.refused[row],
                "measured": labels.y[row],
                "se": cases.se[row],
                "predicted": value,
                "by_origin": mean,
            }


def _fit(
    made: Made, cases: Cases, x_ND: Floats, where: tuple[str, str, str], penalties: Sequence[float], *, shuffled: bool
) -> float:
    """Fit all cases and add the vector; returns the penalty."""
    site, readout, model = where
    coefficients, intercept, penalty = whole_fit(cases, x_ND, penalties)
    name = vector_name(cases.target.name, site, readout, shuffled=shuffled)
    norm, method = mean_norm(x_ND), cases.target.settings.method
    vector = Vector(name, coefficients.astype(np.float32), site, model, "base", readout, norm, method)
    made.vectors.append(vector)
    made.fits.append(
        {
            "vector": name,
            "probe": cases.target.name,
            "site": site,
            "readout": readout,
            "shuffled": shuffled,
            "intercept": intercept,
            "penalty": penalty,
            "norm": vector.norm,
            "activation_norm": norm,
            "n": len(x_ND),
        }
    )
    return penalty


def whole_fit(cases: Cases, x_ND: Floats, penalties: Sequence[float]) -> tuple[Floats, float, float]:
    """Coefficients of the activations as they are, intercept and penalty of a fit to all cases."""
    settings, labels = cases.target.settings, cases.labels
    folds = parts(fold_numbers(labels.groups, settings.inner, settings.seed))
    if settings.method == "ridge":
        found = ridge.fit(x_ND, labels.y[:, None], labels.weights, folds, penalties)
        return found.coefficients[:, 0], float(found.intercepts[0]), float(found.penalties[0])
    fitted = logistic.fit(x_ND, outcomes_of(labels), folds, penalties)
    return fitted.coefficients, fitted.intercept, fitted.penalty


def refits_of(
    cases: Cases, x_ND: Floats, group_of: dict[str, int], counts: Indices, penalty: float, seed: int
) -> Refits:
    """Refits of a probe on the resamples that all probes share.

    Args:
        cases: Its tasks.
        x_ND: Their activations.
        group_of: Task → group, a column of `counts`.
        counts: How often each group is in each resample.
        penalty: As it was chosen for all tasks.
        seed: Seed of the shuffles.
    """
    groups = np.array([group_of[task] for task in cases.tasks], dtype=np.int64)
    if cases.target.settings.method == "ridge":
        return refitted(x_ND, cases.labels.y, cases.labels.weights, groups, counts, penalty, seed)
    outcomes = outcomes_of(cases.labels)
    return refitted_logistic(x_ND, outcomes, groups, counts[:MAX_SLOW_REFITS], penalty, seed)


def of_origin(cases: Cases, origin: str) -> tuple[Cases, Indices]:
    """The cases of one origin, with their places among all."""
    rows = np.flatnonzero(np.asarray(cases.labels.origins) == origin).astype(np.int64)
    labels = cases.labels
    outcomes = labels.outcomes.among(rows, len(labels.y)) if labels.outcomes is not None else None
    own = replace(
        labels,
        y=labels.y[rows],
        weights=labels.weights[rows],
        origins=[origin] * len(rows),
        groups=codes([str(group) for group in labels.groups[rows]]),
        refused=labels.refused[rows],
        outcomes=outcomes,
    )
    return replace(cases, rows=cases.rows[rows], labels=own, se=cases.se[rows]), rows
