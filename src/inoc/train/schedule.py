"""Steps at which an adapter is saved, and those of a warm-up."""

from __future__ import annotations

from collections.abc import Sequence

from inoc.config.models import Schedule, TrainingSpec
from inoc.errors import ConfigError

NOT_OF_A_RUN = ("learning_rate", "seeds", "epochs", "steps", "checkpoints", "resume_every")
"""Fields of a `training` section without a say in what a run ends with, or replaced by the run's own values."""


def checkpoint_steps(schedule: Schedule | Sequence[int], total: int) -> list[int]:
    """Steps at which the adapter is saved, ascending, always with the last one.

    Args:
        schedule: `ends` is {0, total}. `dense` is 0, then every 5 to 50, every 10 to 100, every 20 to 240, then 250.
            `powers_of_two` is 0, 1, 2, 4, … . A list is taken as it is.
        total: The last step.

    Raises:
        ConfigError: If a listed step is past the last one.
    """
    match schedule:
        case "ends":
            steps = [0]
        case "dense":
            steps = [0, *range(5, 51, 5), *range(60, 101, 10), *range(120, 241, 20), 250]
        case "powers_of_two":
            steps = [0, *(2**power for power in range(total.bit_length()))]
        case _:
            steps = [int(step) for step in schedule]
            past = [step for step in steps if step > total]
            if past:
                msg = f"checkpoints {past} are past the last step {total}; accepted: 0 to {total}"
                raise ConfigError(msg)
    return sorted({step for step in steps if step <= total} | {total})


def warmup_of(training: TrainingSpec, steps: int) -> int:
    """Number of steps of the warm-up that a training has.

    The learning rate of a warm-up's first step is 0. A training of one step, which the file of a study cannot always
    tell, would learn nothing, so it has none.

    Args:
        training: The training.
        steps: Number of its optimiser steps.
    """
    return training.warmup_steps if steps > 1 else 0
