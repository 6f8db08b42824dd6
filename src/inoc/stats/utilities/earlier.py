"""The fit of an earlier study of preferences: an item fixed at 0, bounds, clipped probabilities, and L-BFGS-B."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from inoc.stats.means import Floats
from inoc.stats.utilities.newton import Minimum
from inoc.stats.utilities.problem import Problem

MU_BOUND = 10.0
LOG_SIGMA_BOUND = 2.0
CLIP = 1e-10
LOOSE = {"gtol": 1.0, "ftol": 1e-8}
"""The earlier study's own tolerances, at which it stopped long before its minimum."""
TIGHT = {"gtol": 1e-7, "ftol": 1e-16}


def minimise_bounded(problem: Problem, start: Floats, anchor: int, tolerances: dict[str, float]) -> Minimum:
    """A minimum with the utility of one item fixed at 0, mu within ±10 and ln sigma within ±2.

    Args:
        problem: What is minimised.
        start: Parameters to start from.
        anchor: The item that is fixed.
        tolerances: `gtol` and `ftol` of scipy's L-BFGS-B.
    """
    free = np.delete(np.arange(problem.size), anchor)
    bound = np.full(problem.size, np.inf)
    bound[: problem.n] = MU_BOUND
    if problem.varied:
        bound[problem.n : 2 * problem.n] = LOG_SIGMA_BOUND

    def value_and_gradient(values: Floats) -> tuple[float, Floats]:
        here = problem.curvature(_whole(values, free, problem.size))
        return here.value, here.gradient[free]

    found = minimize(
        value_and_gradient,
        start[free],
        jac=True,
        method="L-BFGS-B",
        bounds=np.column_stack([-bound[free], bound[free]]),
        options={"maxiter": max(2000, 50 * free.size), "maxfun": 50 * max(2000, 50 * free.size), **tolerances},
    )
    at = _whole(found.x, free, problem.size)
    gradient = problem.curvature(at).gradient[free]
    inside = np.abs(found.x) < bound[free]
    largest = float(np.abs(gradient[inside]).max(initial=0.0))
    norm = float(np.linalg.norm(gradient))
    return Minimum(at, float(found.fun), norm, largest <= 1e-4 * max(1.0, problem.outcomes.total / problem.n))


def _whole(values: Floats, free: np.ndarray, size: int) -> Floats:
    at = np.zeros(size)
    at[free] = values
    return at
