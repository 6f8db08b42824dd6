"""Concept vectors and the direction of refusal: what is completed and read for them, and the activations of each.

A concept is completed under two system turns. Its completions are read twice: with the system turn in the context, and
without it, so that what is left is in the completion and not in the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from inoc.config.models import SystemTurn
from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.stats.means import Floats
from inoc.studies.preferences.inside import Readout
from inoc.studies.preferences.reading import prompt_id, read_folders
from inoc.studies.preferences.roles import inside_model, read_completer, role
from inoc.studies.preferences.study import NONE, Study
from inoc.studies.preferences.tasks import Task
from inoc.studies.shared.directions import SIDES, PairActivations, PartActivations
from inoc.vectors.sites import in_order, site_at

CONTEXTS = {True: "with", False: "without"}
"""Whether the system turn is in the context of what is read → its name in ids and tables."""
REFUSAL = "refusal"
REFUSAL_READOUT: Readout = "prompt_last"


class Places(NamedTuple):
    """Where the completions of concepts are read."""

    sites: list[str]
    readouts: list[Readout]


def concept_tasks(study: Study, key: str, tasks: Sequence[Task]) -> list[Task]:
    """Tasks that are completed for a concept, drawn with its seed, in the order of the study.

    Raises:
        DataError: If fewer than two are left.
    """
    spec = study.concepts[key].tasks
    known = [task for task in tasks if not spec.origins or task.origin in spec.origins]
    if len(known) < 2:
        raise DataError(f"concepts.{key}.tasks: {len(known)} tasks are left; at least 2 are needed. Name other origins")
    if spec.n is None or spec.n >= len(known):
        return known
    kept = np.random.default_rng(spec.seed).permutation(len(known))[: spec.n]
    return [known[at] for at in sorted(kept.tolist())]


def concept_turn(study: Study, key: str, side: str) -> SystemTurn:
    """The system turn of a side of a concept; the model's own if its text is empty."""
    text = getattr(study.concepts[key], side)
    return SystemTurn(kind="text", text=text) if text else role(study, inside_model(study)).system


def completed_id(key: str, side: str, task: str) -> str:
    """Id of a task under a side of a concept."""
    return f"{key}|{side}|{task}"


def read_id(key: str, side: str, context: str, task: str) -> str:
    """Id of a completion that is read with or without its system turn."""
    return f"{key}|{side}|{context}|{task}"


def contrast_places(study: Study, layers: int) -> Places:
    """Sites and read-outs of concepts, with those of the steering.

    Args:
        study: The study.
        layers: Number of blocks of the model.

    Raises:
        ConfigError: If the model has no such site.
    """
    places: list[float | str] = [place for one in study.concepts.values() for place in one.sites]
    readouts: list[Readout] = [readout for one in study.concepts.values() for readout in one.readouts]
    if study.steering is not None:
        places.append(study.steering.site)
    return Places(in_order(site_at(place, layers) for place in places), list(dict.fromkeys(readouts)))


class Refused(NamedTuple):
    """Activations of tasks, by whether their completion refuses them."""

    refused: Floats  # tasks × width
    answered: Floats
    tasks: tuple[list[str], list[str]]  # of both


class Contrasts:
    """Activations for concepts and refusal.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        tasks: Its tasks.
    """

    def __init__(self, study: Study, paths: Paths, shards: Shards, tasks: Sequence[Task]) -> None:
        self.study, self.tasks = study, tasks
        n = shards.get("read", 1)
        self.read = PartActivations([paths.part("read", "contrasts", shard) for shard in range(n)])
        self.prompts = PartActivations(read_folders(paths, "prompts", n))
        self._where = paths, shards

    def concept(self, key: str, context: str, readout: str, site: str) -> PairActivations:
        """The activations of a concept's tasks under both turns.

        Raises:
            DataError: If they were not read.
        """
        known = self.read.rows(site, readout)
        tasks = [task.id for task in concept_tasks(self.study, key, self.tasks)]
        ids = {side: [read_id(key, side, context, task) for task in tasks] for side in SIDES}
        missing = [one for own in ids.values() for one in own if one not in known]
        if missing:
            msg = f"concepts.{key}: {missing[0]!r} was not read at {site}. Run: inoc read {self.study.name} contrasts"
            raise DataError(msg)
        positive, negative = (np.stack([known[one] for one in ids[side]]) for side in SIDES)
        return PairActivations(positive, negative, tasks)

    def refusal(self, site: str) -> Refused | None:
        """Activations of refused and of answered tasks; a task is refused if most of its completions are.

        Returns:
            None if there are no two tasks of either sort, so that there is no direction.

        Raises:
            DataError: If they were not read.
        """
        known = self.prompts.rows(site, REFUSAL_READOUT)
        sides: tuple[list[str], list[str]] = ([], [])
        for task, share in self.refused().items():
            if prompt_id(task) in known and share == share:
                sides[0 if share > 0.5 else 1].append(task)
        if min(len(one) for one in sides) < 2:
            return None
        refused, answered = (np.stack([known[prompt_id(task)] for task in own]) for own in sides)
        return Refused(refused, answered, sides)

    def refused(self) -> dict[str, float]:
        """Task → share of its completions, outside all contexts, that refuse it; NaN if that is not known."""
        from inoc.studies.preferences.measure import completion_rows

        paths, shards = self._where
        rows = completion_rows(self.study, paths, shards, {task.id: task.origin for task in self.tasks})
        own = rows[(rows["completer"] == read_completer(self.study)) & (rows["context"] == NONE)]
        means = own.groupby("task")["refused"].mean()
        return {str(task): float(value) for task, value in means.items()}


def concept_contexts(study: Study, key: str) -> Iterator[str]:
    """Names of the contexts in which a concept's completions are read, that of its vector first."""
    for kept in study.concepts[key].keep_prompt:
        yield CONTEXTS[kept]
