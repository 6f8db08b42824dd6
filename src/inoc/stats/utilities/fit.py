"""Fits of utilities: settings, starts and the identified location."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar

from inoc.stats.means import Floats
from inoc.stats.utilities.earlier import CLIP, LOOSE, TIGHT, minimise_bounded
from inoc.stats.utilities.newton import Minimum, minimise
from inoc.stats.utilities.outcomes import Ints, Outcomes, component_of
from inoc.stats.utilities.problem import Model, Problem
from inoc.stats.utilities.reduced import minimise_reduced

RIDGE = 1e-3
"""Penalty on mu² where none is asked for: too small to move an item that has both won and lost."""
DEFAULT_PENALTY: dict[Model, float] = {
    "item_variances": 1.0,
    "case_v": RIDGE,
    "bradley_terry": RIDGE,
    "davidson": RIDGE,
}
ROUGH = 1e-3
"""Tolerance of a fit that is but a start."""
FIRM = 0.1
"""Penalty on mu² of the fit from which a fit with reduced bias starts."""
MANY_ITEMS = 1000
"""Up to this number several starts are tried."""


@dataclass(frozen=True)
class Settings:
    """The settings of a fit."""

    model: Model = "item_variances"
    positioned: bool = True  # with a position term; without effect where no order is known
    origins: tuple[int, ...] | None = None  # origin of each item, from 0: a position term for each pair of origins
    penalty: float | None = None  # on (ln sigma)² of item variances, on mu² of the other models; None: the default
    starts: int | None = None  # None: 5 with item variances and up to 1000 items, else 1; the others have one minimum
    seed: int = 0
    bias: Literal["kept", "reduced"] = "kept"  # reduced: for few drawn answers; without effect with item variances
    earlier: Literal["", "loose", "tight"] = ""  # the earlier study's objective and optimiser, with these tolerances
    anchor: int = 0  # item at 0 in the earlier study's fit

    @property
    def strength(self) -> float:
        """The penalty that is used."""
        return DEFAULT_PENALTY[self.model] if self.penalty is None else self.penalty

    def n_starts(self, n_items: int) -> int:
        """Number of starts that are tried."""
        if self.model != "item_variances":
            return 1
        if self.starts is not None:
            return self.starts
        return 1 if self.earlier or n_items > MANY_ITEMS else 5


@dataclass(frozen=True)
class Fit:
    """A fitted model."""

    problem: Problem
    at: Floats  # parameters, as `Problem` orders them
    value: float  # objective, nats
    gradient_norm: float
    converged: bool
    values: tuple[float, ...]  # objective reached from each start

    @property
    def mu(self) -> Floats:
        """Utilities; of mean 0 in each component, except in the earlier study's fit."""
        return self.at[: self.problem.n]

    @property
    def sigma(self) -> Floats:
        """Standard deviations of the utilities between comparisons; 1 with Case V, NaN in logistic models."""
        if self.problem.varied:
            return np.exp(self.at[self.problem.n : 2 * self.problem.n])
        return np.full(self.problem.n, 1.0 if self.problem.model == "case_v" else np.nan)

    @property
    def positions(self) -> Floats:
        """The gain of utility from being shown first: one entry per term, none without."""
        return self.at[self.problem.positions_at.start : self.problem.positions_at.stop]

    @property
    def position(self) -> float:
        """The gain of utility from being shown first; NaN without such a term, or with several."""
        return float(self.positions[0]) if self.positions.size == 1 else float("nan")

    @property
    def loss(self) -> float:
        """Negative log-likelihood without penalties, nats."""
        return self.problem.loss(self.at)


def problem_of(outcomes: Outcomes, settings: Settings) -> Problem:
    """The objective that settings ask for."""
    used = outcomes if settings.model == "davidson" else outcomes.without_ties()
    positioned = settings.positioned and bool(np.any(used.order != 0))
    varied = settings.model == "item_variances"
    ridge = 0.0 if settings.earlier else RIDGE
    group, n_groups = None, 1
    if positioned and settings.origins is not None:
        group, n_groups = origin_pairs(used, np.asarray(settings.origins, dtype=np.int64))
    return Problem(
        used,
        settings.model,
        positioned,
        ridge if varied else settings.strength,
        settings.strength if varied else 0.0,
        CLIP if settings.earlier else 0.0,
        group,
        n_groups,
    )


def origin_pairs(outcomes: Outcomes, origins: Ints) -> tuple[Ints, int]:
    """The pair of origins of each outcome, as `origin_pair_names` numbers them, and the number of all such pairs.

    Args:
        outcomes: The comparisons.
        origins: Origin of each item, from 0.
    """
    count = int(origins.max()) + 1
    one, other = origins[outcomes.winner], origins[outcomes.loser]
    low, high = np.minimum(one, other), np.maximum(one, other)
    return np.asarray(high * (high + 1) // 2 + low), count * (count + 1) // 2


def origin_pair_names(names: Sequence[str]) -> list[tuple[str, str]]:
    """The origins of each position term."""
    return [(names[low], names[high]) for high in range(len(names)) for low in range(high + 1)]


def fit(outcomes: Outcomes, settings: Settings, start: Floats | None = None) -> Fit:
    """The best of the minima that several starts lead to.

    Components are fitted apart, in that no utility depends on comparisons outside its component; they share the
    position term.

    Args:
        outcomes: The comparisons; ties are used by `davidson` alone.
        settings: The model and its penalties.
        start: Where to start instead, with one start.
    """
    problem = problem_of(outcomes, settings)
    starts = [start] if start is not None else _starts(problem, settings)
    found = [_minimise(problem, one, settings) for one in starts]
    best = min(found, key=lambda one: one.value)
    if not settings.earlier:
        best = _centred(problem, best)
    return Fit(problem, best.at, best.value, best.gradient_norm, best.converged, tuple(one.value for one in found))


def _minimise(problem: Problem, start: Floats, settings: Settings) -> Minimum:
    if settings.earlier:
        return minimise_bounded(problem, start, settings.anchor, LOOSE if settings.earlier == "loose" else TIGHT)
    if settings.bias == "reduced" and not problem.varied:
        return minimise_reduced(problem, start)
    return minimise(problem, start)


def _starts(problem: Problem, settings: Settings) -> list[Floats]:
    """The utilities of Case V first (in the earlier study's fit, equal items), and then random ones."""
    rng = np.random.default_rng(settings.seed)
    starts = [np.zeros(problem.size)]
    if settings.bias == "reduced" and not problem.varied:
        return [minimise(replace(problem, ridge=max(problem.ridge, FIRM)), starts[0], ROUGH).at]
    if problem.varied and not settings.earlier:
        simple = replace(problem, model="case_v", penalty=0.0)
        near = minimise(simple, np.zeros(simple.size), ROUGH).at
        starts = [np.concatenate([near[: problem.n], np.zeros(problem.n), near[problem.n :]])]
    for _ in range(settings.n_starts(problem.n) - 1):
        start = np.zeros(problem.size)
        start[: problem.n] = rng.normal(0, 1, problem.n)
        start[problem.n : 2 * problem.n] = rng.normal(0, 0.5, problem.n)
        starts.append(start)
    return starts


def _centred(problem: Problem, found: Minimum) -> Minimum:
    """The same fit with every component's mean utility at 0."""
    component = component_of(problem.outcomes)
    mu = found.at[: problem.n]
    means = np.bincount(component, mu) / np.bincount(component)
    at = found.at.copy()
    at[: problem.n] = mu - means[component]
    return found._replace(at=at, value=problem.objective(at))


def held(outcomes: Outcomes, settings: Settings, mu: Floats, sigma: Floats) -> Fit:
    """Utilities of another fit on these comparisons: its objective, and the position term that fits best.

    Args:
        outcomes: The comparisons.
        settings: The model and its penalties.
        mu: Utilities, one per item.
        sigma: Standard deviations, one per item.
    """
    problem = problem_of(outcomes, settings)
    parts = [mu, np.log(sigma)] if problem.varied else [mu]
    at = np.concatenate([*parts, np.zeros(problem.size - sum(part.size for part in parts))])
    gradient = replace(problem, positioned=False).curvature(np.concatenate(parts)).gradient
    norm = float(np.linalg.norm(np.delete(gradient, settings.anchor) if settings.earlier else gradient))
    value = problem.objective(at)
    for place in problem.positions_at:

        def with_position(position: float, place: int = place) -> float:
            return problem.objective(np.concatenate([at[:place], [position], at[place + 1 :]]))

        at[place] = minimize_scalar(with_position, bracket=(-0.5, 0.5), options={"xtol": 1e-10}).x
    return Fit(problem, at, value, norm, True, (value,))
