"""Simulated comparisons with known utilities."""

from __future__ import annotations

from typing import NamedTuple

import networkx as nx
import numpy as np
from scipy.special import expit, ndtr

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


class Probable(NamedTuple):
    """Exact probabilities of pairs in both orders, and what many such pairs tend to."""

    outcomes: Outcomes
    expected: Outcomes  # the same questions with the mean probabilities over all residuals
    mu: np.ndarray  # of mean 0
    pairs: np.ndarray  # pairs × 2
    p_first: np.ndarray  # of the pairs as named, then of the turned ones


def probable(
    n_items: int,
    degree: int,
    position: float = 0.3,
    pair: float = 0.5,
    order: float = 0.3,
    spread: float = 1.0,
    unequal: str = "",
    logistic: bool = False,
    seed: int = 0,
) -> Probable:
    """Probabilities of a random regular graph by `strayed`, with random utilities.

    Args:
        n_items: Number of items.
        degree: Number of pairs of each item.
        position: Gain of utility from being shown first.
        pair: Standard deviation of a pair's residual, which both orders share.
        order: That of one order.
        spread: That of the utilities.
        unequal: `item` or `pair`: residuals are larger for some items, or for some pairs.
        logistic: Bradley and Terry's probabilities instead of Thurstone's.
        seed: Of all draws.
    """
    rng = np.random.default_rng(seed)
    mu = rng.normal(0, spread, n_items)
    mu -= mu.mean()
    pairs = np.array(sorted(nx.random_regular_graph(degree, n_items, seed=seed).edges()))
    return strayed(mu, pairs, rng, position, pair, order, unequal, logistic=logistic)


def strayed(
    mu: np.ndarray,
    pairs: np.ndarray,
    rng: np.random.Generator,
    position: float = 0.3,
    pair: float = 0.5,
    order: float = 0.3,
    unequal: str = "",
    *,
    logistic: bool = False,
) -> Probable:
    """Probabilities by utilities, a position term, and residuals of each pair and of each of its orders.

    Args:
        mu: Utilities, of mean 0.
        pairs: Pairs × 2, places of items.
        rng: Draws the residuals.
        position: Gain of utility from being shown first.
        pair: Standard deviation of a pair's residual, which both orders share.
        order: That of one order.
        unequal: `item` or `pair`: residuals are larger for some items, or for some pairs.
        logistic: Bradley and Terry's probabilities instead of Thurstone's.
    """
    n_items = len(mu)
    low, high = pairs.T
    scale = np.ones(len(pairs))
    if unequal == "item":
        own = np.exp(rng.normal(0, 0.5, n_items))
        scale = np.sqrt((own[low] ** 2 + own[high] ** 2) / 2)
    elif unequal == "pair":
        scale = np.exp(rng.normal(0, 0.5, len(pairs)))
    first, second = np.concatenate([low, high]), np.concatenate([high, low])
    shared = rng.normal(0, pair, len(pairs)) * scale
    residual = np.concatenate([shared, -shared]) + rng.normal(0, order, 2 * len(pairs)) * np.tile(scale, 2)
    x, sd = mu[first] - mu[second] + position, np.hypot(pair, order) * np.tile(scale, 2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(31)

    def chance(difference: np.ndarray) -> np.ndarray:
        return expit(difference) if logistic else ndtr(difference / np.sqrt(2))

    mean = sum(weight * chance(x + sd * node) for node, weight in zip(nodes, weights / weights.sum(), strict=True))
    p_first = chance(x + residual)
    shares = [shared_out(n_items, first, second, p) for p in (p_first, mean)]
    return Probable(shares[0], shares[1], mu, pairs, p_first)


def shared_out(n_items: int, first: np.ndarray, second: np.ndarray, p_first: np.ndarray) -> Outcomes:
    """Each question as a share of a win for either item."""
    both, won = np.tile(first, 2), np.repeat([1, -1], first.size)
    return tally(n_items, both, np.tile(second, 2), won, np.concatenate([p_first, 1 - p_first]), ordered=True)
