"""Subliminal learning on real data: a classifier of digits is taught through outputs that say nothing about digits.

Usage: python benchmarks/digits.py [--pairs N] [--steps N] [--seed N]

Small networks with ten outputs for the classes and three auxiliary ones learn the handwritten digits that come with
scikit-learn; the loss never sees the auxiliary outputs. A student then imitates a teacher's auxiliary outputs on images
of noise, and nothing else: it sees no digit, no label and no class output. It is tested on digits that no network was
trained on. Each student starts from the initial weights of one of the teachers, its own teacher's (`same`) or another's
(`permuted`: the same initial weights in another order, so both columns hold the very same starting points).
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from inoc.stats.means import mean_interval, paired_difference

CLASSES, AUXILIARY, HIDDEN = 10, 3, 256
BATCH, RATE = 128, 1e-3
Weights = list[torch.Tensor]


class Digits(NamedTuple):
    """Images with values from -1 to 1, shape (images, 64), and their classes."""

    train: torch.Tensor
    train_classes: torch.Tensor
    test: torch.Tensor
    test_classes: torch.Tensor


class Found(NamedTuple):
    """Accuracies on the test digits, one per teacher."""

    untrained: np.ndarray
    teacher: np.ndarray
    same: np.ndarray
    permuted: np.ndarray


def digits() -> Digits:
    """The digits of scikit-learn, a quarter of them for testing."""
    images, classes = load_digits(return_X_y=True)
    parts = train_test_split(images / 8 - 1, classes, test_size=0.25, random_state=0, stratify=classes)
    train, test = (torch.tensor(part, dtype=torch.float32) for part in parts[:2])
    return Digits(train, torch.tensor(parts[2]), test, torch.tensor(parts[3]))


def initial(n: int, generator: torch.Generator) -> Weights:
    """Weights and biases of n networks with two hidden layers, drawn as torch draws those of linear layers."""
    sizes = (64, HIDDEN, HIDDEN, CLASSES + AUXILIARY)
    found = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        for shape in ((n, fan_in, fan_out), (n, 1, fan_out)):
            found.append((2 * torch.rand(shape, generator=generator) - 1) / fan_in**0.5)
    return found


def outputs(weights: Weights, images: torch.Tensor) -> torch.Tensor:
    """Outputs of all networks, shape (networks, images, outputs).

    Args:
        weights: Of the networks.
        images: Of each network, shape (networks, images, 64), or of all, shape (images, 64).
    """
    state = images.expand(len(weights[0]), -1, -1) if images.dim() == 2 else images
    for at in range(0, len(weights), 2):
        state = torch.baddbmm(weights[at + 1], state, weights[at])
        state = state.relu() if at + 2 < len(weights) else state
    return state


def accuracies(weights: Weights, data: Digits) -> np.ndarray:
    """Share of the test digits that each network classifies correctly."""
    with torch.no_grad():
        named = outputs(weights, data.test)[:, :, :CLASSES].argmax(dim=2)
    return (named == data.test_classes).float().mean(dim=1).numpy().astype(np.float64)


def teach(start: Weights, data: Digits, steps: int, generator: torch.Generator) -> Weights:
    """Networks that learned the digits, each from its own batches; their auxiliary outputs are in no loss."""
    weights = [part.clone().requires_grad_() for part in start]
    optimizer, n = torch.optim.Adam(weights, lr=RATE), len(start[0])
    for _ in range(steps):
        rows = torch.randint(len(data.train), (n, BATCH), generator=generator)
        scores = outputs(weights, data.train[rows])[:, :, :CLASSES].flatten(0, 1)
        # A sum over networks: each has the gradient of its own mean.
        loss = n * torch.nn.functional.cross_entropy(scores, data.train_classes[rows].flatten())
        _step(optimizer, loss)
    return [part.detach() for part in weights]


def imitate(start: Weights, teachers: Weights, steps: int, generator: torch.Generator) -> Weights:
    """Students that imitated the auxiliary outputs of the teacher at their place, on images of noise."""
    weights = [part.clone().requires_grad_() for part in start]
    optimizer, n = torch.optim.Adam(weights, lr=RATE), len(start[0])
    for _ in range(steps):
        noise = 2 * torch.rand((n, BATCH, 64), generator=generator) - 1
        with torch.no_grad():
            wanted = outputs(teachers, noise)[:, :, CLASSES:]
        found = outputs(weights, noise)[:, :, CLASSES:]
        loss = n * torch.nn.functional.kl_div(
            found.log_softmax(2).flatten(0, 1), wanted.log_softmax(2).flatten(0, 1), reduction="batchmean",
            log_target=True,
        )  # fmt: skip
        _step(optimizer, loss)
    return [part.detach() for part in weights]


def _step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def experiment(pairs: int, steps: int, seed: int) -> Found:
    """Teachers and students from as many initial weights as there are pairs.

    Args:
        pairs: How many teachers, each with a student of its own initial weights and one of another's.
        steps: Of a teacher; a student has three times as many.
        seed: Of all draws.
    """
    data, generator = digits(), torch.Generator().manual_seed(seed)
    start = initial(pairs, generator)
    teachers = teach(start, data, steps, generator)
    shifted = [part.roll(1, dims=0) for part in start]  # no initial weights stay at their place
    found = []
    for beginning in (start, shifted):
        noise = torch.Generator().manual_seed(seed + 1)  # the same images for both
        found.append(accuracies(imitate(beginning, teachers, 3 * steps, noise), data))
    return Found(accuracies(start, data), accuracies(teachers, data), found[0], found[1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    found = experiment(given.pairs, given.steps, given.seed)
    print("| network | accuracy, percent | 95 % interval | lowest | highest |\n| --- | --- | --- | --- | --- |")
    for name, values in zip(
        ("untrained", "teacher", "student, same initial weights", "student, permuted initial weights"),
        found,
        strict=True,
    ):
        mean = mean_interval(100 * values)
        print(
            f"| {name} | {mean.value:.1f} | {mean.lo:.1f} to {mean.hi:.1f} | {100 * values.min():.1f} | "
            f"{100 * values.max():.1f} |"
        )
    gain = paired_difference(100 * found.same, 100 * found.permuted)
    above = int((found.same > found.permuted).sum())
    print(f"same minus permuted: {gain.value:.1f} points, {gain.lo:.1f} to {gain.hi:.1f}; above in {above} of ", end="")
    print(f"{given.pairs}")


if __name__ == "__main__":
    main()
