"""Minimisation by Newton's method in a trust region.

Each step solves for the Newton direction by conjugate gradients (Steihaug 1983), scaled by the diagonal of the second
derivatives. Directions of negative curvature, which item variances have, are followed to the edge of the region.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inoc.stats.means import Floats
from inoc.stats.utilities.problem import Curvature, Problem

MAX_STEPS = 500
MAX_INNER = 250


class Minimum(NamedTuple):
    """Where a minimisation ended."""

    at: Floats
    value: float
    gradient_norm: float  # Euclidean
    converged: bool  # the gradient is as small as was asked for


def minimise(problem: Problem, start: Floats, tolerance: float = 1e-8) -> Minimum:
    """The nearest minimum of a problem.

    Args:
        problem: What is minimised.
        start: Parameters to start from.
        tolerance: Largest entry of the gradient, divided by the number of comparisons per item, that counts as zero.
    """
    small = tolerance * max(1.0, problem.outcomes.total / problem.n)
    here, radius = problem.curvature(start), 10.0 * np.sqrt(problem.size)
    for _ in range(MAX_STEPS):
        largest = float(np.abs(here.gradient).max())
        if largest <= small:
            break
        step, foreseen = _step(here, radius, small)
        there = problem.curvature(here.at + step)
        gain = here.value - there.value
        noise = 1e-13 * (1 + abs(here.value))
        length = float(np.sqrt(step @ (step * _scale(here))))
        share = gain / foreseen if foreseen > noise else 1.0
        if foreseen <= noise and np.abs(there.gradient).max() >= largest:
            break  # rounding errors are larger than what could still be gained
        if share < 0.25 or not np.isfinite(there.value):
            radius = 0.25 * length
        elif share > 0.75 and length > 0.8 * radius:
            radius *= 3
        if np.isfinite(there.value) and share > 1e-4:
            here = there
        if radius < 1e-14:
            break
    largest = float(np.abs(here.gradient).max())
    norm = float(np.linalg.norm(here.gradient))
    return Minimum(
        here.at, here.value, norm, largest <= max(small, 1e-6 * max(1.0, problem.outcomes.total / problem.n))
    )


def _scale(here: Curvature) -> Floats:
    return np.asarray(np.maximum(here.diagonal, 1e-3 * here.diagonal.max()))


def _step(here: Curvature, radius: float, small: float) -> tuple[Floats, float]:
    """The step and the decrease that the second-order model foresees.

    Lengths are measured after scaling to a diagonal of 1. No gradient needs to become smaller than `small`.
    """
    scale = _scale(here)
    p, residual = np.zeros_like(here.at), -here.gradient
    z = residual / scale
    d, rho = z.copy(), float(residual @ z)
    h_p = np.zeros_like(p)
    goal = max(min(0.1, rho**0.25) ** 2 * rho, small**2 / float(scale.max()))
    for _ in range(MAX_INNER):
        h_d = here.times(d)
        bend = float(d @ h_d)
        alpha = rho / bend if bend > 0 else np.inf
        trial = p + alpha * d if bend > 0 else p
        if bend <= 0 or trial @ (trial * scale) >= radius**2:
            t = _to_edge(p, d, scale, radius)
            p, h_p = p + t * d, h_p + t * h_d
            break
        p, h_p = trial, h_p + alpha * h_d
        residual = residual - alpha * h_d
        z = residual / scale
        new = float(residual @ z)
        if new <= goal:
            break
        d, rho = z + (new / rho) * d, new
    return p, -float(here.gradient @ p + 0.5 * p @ h_p)


def _to_edge(p: Floats, d: Floats, scale: Floats, radius: float) -> float:
    """The distance along d from p to the edge of the region."""
    a, b, c = float(d @ (d * scale)), float(p @ (d * scale)), float(p @ (p * scale)) - radius**2
    return float((-b + np.sqrt(b * b - a * c)) / a)
