"""Simulated comparisons with known utilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inoc.stats.utilities.outcomes import Outcomes, tally


class Planted(NamedTuple):
    """Comparisons, and what they were drawn from."""

    outcomes: Outcomes
    mu: np.ndarray  # of mean 0
    sigma: np.ndarray  # of mean ln 0
    first: np.ndarray
    second: np.ndarray
    result: np.ndarray


def planted(
    n_items: int, n_pairs: int, repeats: int = 1, position: float = 0.0, spread: float = 0.0, seed: int = 0
) -> Planted:
    """Comparisons by Thurstone's model of random pairs in random order."""
    rng = np.random.default_rng(seed)
    mu, eta = rng.normal(0, 1, n_items), rng.normal(0, spread, n_items) if spread else np.zeros(n_items)
    mu, sigma = mu - mu.mean(), np.exp(eta - eta.mean())
    first = rng.integers(0, n_items, n_pairs)
    second = (first + rng.integers(1, n_items, n_pairs)) % n_items
    first, second = np.repeat(first, repeats), np.repeat(second, repeats)
    swap = rng.random(first.size) < 0.5
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    x = (mu[first] - mu[second] + position) / np.hypot(sigma[first], sigma[second])
    result = np.where(rng.normal(size=x.size) < x, 1, -1)
    outcomes = tally(n_items, first, second, result, np.ones(first.size), ordered=True)
    return Planted(outcomes, mu, sigma, first, second, result)
