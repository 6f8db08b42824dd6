"""In which order sizes of a micro-batch, with activations kept or recomputed, are tried in memory: fastest first."""

from __future__ import annotations

from typing import NamedTuple

from inoc.config.models import TrainingSpec

OVERHEAD = 1_300
"""Tokens that take as long as what a forward and backward pass takes whatever its size.

With it, t / (t + OVERHEAD) is proportional, within a sixth, to the tokens per second that were measured on an H100 with
7.6 billion weights (`benchmarks/README.md`, 32 examples a step): 6,670 with t = 800, 16,700 with 3,376, 18,000 with
6,752. Larger models need fewer tokens to fill a GPU.
"""
RECOMPUTED = 1.5
"""How much longer a pass takes that recomputes activations: a second forward pass, beside one forward and one backward.

The backward pass takes no longer than the forward one, since the weights are frozen and get no gradients.
"""


class Trial(NamedTuple):
    """Fields of `TrainingSpec` that are tried together."""

    micro_batch_size: int
    gradient_checkpointing: bool


def trials(spec: TrainingSpec, tokens: float, processes: int) -> list[Trial]:
    """Trials that the settings allow, the shortest expected step first; of equally long ones, that of the larger size.

    Sizes are at most `micro_batch_size`, and those with which all processes together make up the batch. The first trial
    is of the largest, and keeps activations unless the settings say that they are recomputed.

    Args:
        spec: Settings; `gradient_checkpointing` may be undecided.
        tokens: Mean tokens of an example.
        processes: Number of processes that train together.
    """
    sizes = [size for size in range(spec.micro_batch_size, 0, -1) if spec.batch_size % (size * processes) == 0]
    ways = (False, True) if spec.gradient_checkpointing is None else (spec.gradient_checkpointing,)
    return sorted((Trial(size, way) for size in sizes for way in ways), key=lambda one: relative_time(one, tokens))


def relative_time(trial: Trial, tokens: float) -> float:
    """Expected time of a step as a multiple of that of one token of each example, for comparison only.

    Args:
        trial: Settings.
        tokens: Mean tokens of an example.
    """
    each = tokens + OVERHEAD / trial.micro_batch_size
    return RECOMPUTED * each if trial.gradient_checkpointing else each
