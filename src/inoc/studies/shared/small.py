"""Cuts of a small run that several kinds of study share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, zip_longest

from inoc.config.cuts import Cut
from inoc.config.document import KeyPath
from inoc.config.models import TrainingSpec


def steps_cut(training: TrainingSpec, path: KeyPath, n: int) -> Iterator[Cut]:
    """At most `n` steps of a training, its listed checkpoints among them, and no warm-up of so few.

    Args:
        training: The section.
        path: Where it stands.
        n: The limit.
    """
    if training.steps is not None and training.steps > n:
        yield Cut((*path, "steps"), training.steps, n)
    if not isinstance(training.checkpoints, str):
        # Rows and steps are few, so the listed steps may lie beyond the last.
        yield Cut((*path, "checkpoints"), list(training.checkpoints), "ends")
    yield from warmup_cut(training, path, n)


def warmup_cut(training: TrainingSpec, path: KeyPath, n: int) -> Iterator[Cut]:
    """No warm-up where there may be a single step, which would change nothing; see `steps_cut`."""
    if training.warmup_steps and n < 4 * training.batch_size:
        yield Cut((*path, "warmup_steps"), training.warmup_steps, 0)


def taken_in_turn(groups: Mapping[str, Sequence[str]], n: int, named: Collection[str] = ()) -> set[str]:
    """Keys that are kept: those that are named, one of each group, and further ones in turn, up to `n` in all.

    Args:
        groups: Group → its keys.
        n: The limit; more are kept if there are more groups or names.
        named: Keys that must be kept.
    """
    kept, *later = zip_longest(*groups.values()) if groups else [()]
    found = {*named, *(key for key in kept if key is not None)}
    for key in chain.from_iterable(later):
        if key is not None and len(found) < n:
            found.add(key)
    return found
