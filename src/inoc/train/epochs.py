"""Steps and checkpoints of trainings that are counted in epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inoc.config.models import TrainingSpec
from inoc.errors import ConfigError


class Epochs(NamedTuple):
    """A training of whole epochs."""

    steps: int
    save_at: tuple[int, ...]  # the steps at which the adapter is saved
    epoch_of: dict[int, int]  # step → epoch that ends there; 0 before the first step


def steps_per_epoch(rows: int, training: TrainingSpec) -> int:
    """Optimiser steps that pass over a dataset once: ceil(ceil(rows / micro-batch) / accumulation).

    This is how the trainer counts: the last micro-batch may be smaller, and the last step of an epoch may have fewer
    micro-batches. Since the micro-batch divides the batch, it is ceil(rows / batch), and a micro-batch that is halved
    to fit a GPU moves no step.

    Args:
        rows: Examples of the dataset, at least one.
        training: For the batch.

    Raises:
        ConfigError: If there is no row.
    """
    if rows < 1:
        raise ConfigError(f"a dataset of {rows} rows cannot be trained on; accepted: at least 1")
    return -(-rows // training.batch_size)


def epoch_plan(rows: int, training: TrainingSpec, epochs: int, save: Sequence[int] | None = None) -> Epochs:
    """Steps of a training of whole epochs, and where its adapter is saved.

    Args:
        rows: Examples of the dataset.
        training: For the batch.
        epochs: Passes over the dataset, at least 1.
        save: Epochs after which the adapter is saved, 0 for the untrained one; None: after each epoch. The last one is
            always saved.

    Raises:
        ConfigError: If there is no row or no epoch, or an epoch to save is not one of them.
    """
    if epochs < 1:
        raise ConfigError(f"epochs = {epochs}; accepted: at least 1")
    chosen = sorted({*(range(1, epochs + 1) if save is None else save), epochs})
    outside = [epoch for epoch in chosen if not 0 <= epoch <= epochs]
    if outside:
        raise ConfigError(f"epochs to save are {outside}, of a training of {epochs}; accepted: 0 to {epochs}")
    per_epoch = steps_per_epoch(rows, training)
    epoch_of = {epoch * per_epoch: epoch for epoch in chosen}
    return Epochs(epochs * per_epoch, tuple(epoch_of), epoch_of)
