"""Activations and features of the tasks that a probe is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inoc.errors import DataError
from inoc.probe.plan import Target
from inoc.read.step import load_activations
from inoc.stats.means import Floats
from inoc.stats.probes.baselines import in_blocks, length_features, origin_features, word_features
from inoc.stats.probes.folds import Indices, merged
from inoc.stats.probes.labels import precision_weights
from inoc.stats.probes.logistic import Observed
from inoc.stats.probes.probing import Labels

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Cases:
    """The tasks of a probe that have a label, and activations if there are any.

    Attributes:
        target: The probe.
        rows: Their places among its tasks.
        labels: Their labels.
        se: Standard errors of the labels.
    """

    target: Target
    rows: Indices
    labels: Labels
    se: Floats

    @property
    def tasks(self) -> list[str]:
        """Ids of the tasks."""
        return [self.target.tasks[row] for row in self.rows]

    @property
    def texts(self) -> list[str]:
        """Their texts."""
        return [self.target.texts[row] for row in self.rows]


def finite(x_ND: Floats) -> Flags:
    """Whether each row is finite."""
    return np.asarray(np.isfinite(x_ND).all(axis=1), dtype=np.bool_)


def cases_of(target: Target, known: Flags) -> Cases:
    """The tasks with a label among those that are known otherwise.

    Args:
        target: The probe.
        known: Whether each task has activations, or features.
    """
    labelled = np.isfinite(target.y) & known
    if target.pairs is not None:
        compared = np.zeros(len(labelled), dtype=bool)
        compared[np.concatenate([target.pairs.a, target.pairs.b])] = True
        labelled &= compared
    rows = [int(row) for row in np.flatnonzero(labelled)]
    y, se = target.y[rows], target.se[rows]
    groups = merged([target.groups[row] for row in rows], [target.texts[row] for row in rows])
    weights = precision_weights(y, se) if target.weighted else np.ones(len(y))
    places = np.array(rows, dtype=np.int64)
    outcomes: Observed | None = None if target.pairs is None else target.pairs.among(places, len(target.y))
    origins = [target.origins[row] for row in rows]
    return Cases(target, places, Labels(y, weights, origins, groups, target.refused[rows], outcomes), se)


def activations(target: Target, site: str, readout: str) -> Floats:
    """Activations of each task, the mean over its chats, shape (tasks, width); NaN where a read-out has no token.

    Raises:
        DataError: If a chat was not read.
    """
    place: dict[str, int] = {}
    parts = []
    for folder in target.folders:
        ids, values = load_activations(folder, site, readout)
        place |= {one: at + len(place) for at, one in enumerate(ids)}
        parts.append(values)
    every = np.concatenate(parts)
    absent = [chat for chats in target.chats for chat in chats if chat not in place]
    if absent:
        raise DataError(f"probe {target.name}: chat {absent[0]!r} was not read. Run the stage `read` again")
    return np.array([every[[place[chat] for chat in chats]].mean(axis=0, dtype=np.float64) for chats in target.chats])


def features(cases: Cases, baselines: Sequence[str], embedded: Floats | None) -> Iterator[tuple[str, Floats]]:
    """Baselines that are features of a task, each with a row per case; those that say nothing here are left out.

    Args:
        cases: The tasks.
        baselines: Names of baselines.
        embedded: Sentence embeddings of all tasks of the probe.
    """
    made: dict[str, Callable[[], Floats]] = {
        "origin": lambda: origin_features(cases.labels.origins),
        "length": lambda: length_features(cases.texts),
        "refused": lambda: cases.labels.refused[:, None],
        "embedding": lambda: np.empty((0, 0)) if embedded is None else embedded[cases.rows],
        "words": lambda: word_features(cases.texts),
    }
    for name, make in made.items():
        if name in baselines:
            found = make()
            if found.size and np.isfinite(found).all():
                yield name, found


def with_shuffled_labels(cases: Cases, seed: int) -> Cases:
    """The same tasks with the labels of groups, or the outcomes of pairs, in random order."""
    labels = cases.labels
    order = in_blocks(labels.groups, np.random.default_rng(seed))
    outcomes = labels.outcomes
    if outcomes is not None:
        shares = np.random.default_rng(seed).permutation(len(outcomes.a))
        outcomes = outcomes._replace(share=outcomes.share[shares])
    return replace(cases, labels=replace(labels, y=labels.y[order], outcomes=outcomes), se=cases.se[order])
