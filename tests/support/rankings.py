"""Simulated rankings with known utilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class PlantedRankings(NamedTuple):
    """Rankings, and what they were drawn from."""

    rankings: np.ndarray  # item numbers, the best first
    mu: np.ndarray  # of mean 0
    groups: np.ndarray  # set of items of each ranking


def ranked(
    n_items: int,
    size: int = 5,
    appearances: int = 10,
    repeats: int = 1,
    spread: float = 1.0,
    *,
    alike: bool = False,
    seed: int = 0,
) -> PlantedRankings:
    """Rankings by Plackett and Luce's model; `alike`: repeats of a group all say the same."""
    rng = np.random.default_rng(seed)
    mu = rng.normal(0, 1, n_items) * spread
    mu -= mu.mean()
    whole = n_items // size * size
    groups = np.concatenate([rng.permutation(n_items)[:whole].reshape(-1, size) for _ in range(appearances)])
    asked = np.repeat(groups, repeats, axis=0)
    noise = np.repeat(rng.gumbel(size=groups.shape), repeats, axis=0) if alike else rng.gumbel(size=asked.shape)
    order = np.argsort(-(mu[asked] + noise), axis=1)
    return PlantedRankings(np.take_along_axis(asked, order, axis=1), mu, np.repeat(np.arange(len(groups)), repeats))
