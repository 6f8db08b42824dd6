"""The penalised likelihood of a model of comparisons, with its gradient and its second derivatives.

With x = mu_winner - mu_loser + position × order, the probability of an outcome is

- `case_v` (Thurstone 1927, Case V): Phi(x / sqrt(2))
- `item_variances` (Thurstone, Case III): Phi(x / sqrt(sigma_winner² + sigma_loser²))
- `bradley_terry` (Bradley and Terry 1952): 1 / (1 + exp(-x))
- `davidson` (Davidson 1970): exp(x/2) / D for a win and nu / D for a tie, D = exp(x/2) + exp(-x/2) + nu

The objective is the negative log-likelihood in nats + ridge × sum of mu² + penalty × sum of (ln sigma)².
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.special import erfcx, expit, log_ndtr, ndtr

from inoc.stats.means import Floats
from inoc.stats.utilities.outcomes import Ints, Outcomes

Model = Literal["item_variances", "case_v", "bradley_terry", "davidson"]
MODELS: tuple[Model, ...] = ("item_variances", "case_v", "bradley_terry", "davidson")
LOG_ROOT_TAU = 0.5 * np.log(2 * np.pi)
TINY = 1e-100


@dataclass(frozen=True)
class Problem:
    """The function to minimise. Parameters: mu (n), ln sigma (n), positions and ln nu, where the model has them."""

    outcomes: Outcomes
    model: Model
    positioned: bool  # with position terms, in units of utility
    ridge: float  # on mu²; places each component at mean 0, and keeps those that always win finite
    penalty: float  # on (ln sigma)²; places the scale at a mean ln sigma of 0
    clip: float = 0.0  # probabilities of Thurstone's models are at least this far from 0 and 1
    group: Ints | None = None  # position term of each outcome, from 0; None: one term for all
    n_groups: int = 1  # number of position terms

    @property
    def n(self) -> int:
        """Number of items."""
        return self.outcomes.n_items

    @property
    def varied(self) -> bool:
        """Whether each item has a variance of its own."""
        return self.model == "item_variances"

    @property
    def positions_at(self) -> range:
        """Indices of the position terms; empty without them."""
        first = self.n * (1 + self.varied)
        return range(first, first + (self.n_groups if self.positioned else 0))

    @property
    def nu_at(self) -> int | None:
        """Index of ln nu."""
        return self.positions_at.stop if self.model == "davidson" else None

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.positions_at.stop + (self.model == "davidson")

    @property
    def position_ridge(self) -> float:
        """Penalty on the square of each of several position terms, so that one without comparisons is 0."""
        return 0.0 if self.group is None else self.ridge

    def order_in(self, number: int) -> Floats:
        """The order of the outcomes that a position term belongs to; 0 for the others."""
        order = self.outcomes.order
        return order if self.group is None else np.where(self.group == number, order, 0.0)

    @cached_property
    def layout(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Where the outcomes of each winner begin, and the losers."""
        starts = np.searchsorted(self.outcomes.winner, np.arange(self.n + 1))
        return starts.astype(np.int32), self.outcomes.loser.astype(np.int32)

    def objective(self, at: Floats) -> float:
        """The penalised negative log-likelihood, in nats."""
        return self.loss(at) + self.penalties(at)

    def penalties(self, at: Floats) -> float:
        """The penalties' part of the objective."""
        squares = self.ridge * float(at[: self.n] @ at[: self.n])
        terms = at[self.positions_at.start : self.positions_at.stop]
        squares += self.position_ridge * float(terms @ terms)
        if self.varied:
            etas = at[self.n : 2 * self.n]
            squares += self.penalty * float(etas @ etas)
        return squares

    def loss(self, at: Floats) -> float:
        """The negative log-likelihood, in nats."""
        return float(self.outcomes.weight @ self.losses(at))

    def losses(self, at: Floats) -> Floats:
        """The negative log-probability of each outcome, in nats."""
        x = self.difference(at)
        if self.model == "bradley_terry":
            return np.logaddexp(0, -x)
        if self.model == "davidson":
            nu = at[-1]
            top = np.logaddexp(np.logaddexp(x / 2, -x / 2), nu)
            return np.asarray(top - np.where(self.outcomes.tie, nu, x / 2))
        return np.asarray(-self.clipped(log_ndtr(x / self.spread(at))))

    def clipped(self, log_p: Floats) -> Floats:
        """Log-probabilities after clipping."""
        return np.clip(log_p, np.log(self.clip), np.log1p(-self.clip)) if self.clip else log_p

    def difference(self, at: Floats) -> Floats:
        """The difference x of each outcome."""
        x = at[self.outcomes.winner] - at[self.outcomes.loser]
        if self.positioned:
            terms = at[self.positions_at.start : self.positions_at.stop]
            x = x + (terms[0] if self.group is None else terms[self.group]) * self.outcomes.order
        return np.asarray(x)

    def spread(self, at: Floats) -> Floats:
        """Standard deviation of the difference of each outcome."""
        if not self.varied:
            return np.full(self.outcomes.winner.size, np.sqrt(2.0))
        variance = np.exp(2 * at[self.n : 2 * self.n])
        return np.asarray(np.sqrt(variance[self.outcomes.winner] + variance[self.outcomes.loser]))

    def curvature(self, at: Floats) -> Curvature:
        """Value, gradient and second derivatives; not finite at steps too long to be taken."""
        with np.errstate(over="ignore", invalid="ignore"):
            return Curvature(self, at)


class Curvature:
    """The objective around a point."""

    def __init__(self, problem: Problem, at: Floats) -> None:
        self.problem, self.at = problem, at
        weight, x = problem.outcomes.weight, problem.difference(at)
        self.tilt = self.twist = np.zeros(0)  # with ln nu: slope, and slope of the slope in x
        if problem.model in ("item_variances", "case_v"):
            self._normal(weight, x, problem.spread(at))
        elif problem.model == "bradley_terry":
            losing = expit(-x)
            self.value = float(weight @ np.logaddexp(0, -x))
            self.slope, self.bend = -weight * losing, weight * losing * (1 - losing)
        else:
            self._tied(weight, x)
        self.value += problem.penalties(at)

    def _normal(self, weight: Floats, x: Floats, spread: Floats) -> None:
        z = x / spread
        p = ndtr(z)
        log_p = np.log(np.maximum(p, TINY))
        mills = np.exp(-0.5 * z * z - LOG_ROOT_TAU) / np.maximum(p, TINY)
        if (far := p < TINY).any():  # where Phi itself is too small to divide by
            log_p[far] = log_ndtr(z[far])
            mills[far] = np.sqrt(2 / np.pi) / erfcx(-z[far] / np.sqrt(2))
        if self.problem.clip:
            clipped = self.problem.clipped(log_p)
            weight = np.where(clipped == log_p, weight, 0.0)
            self.value = -float(self.problem.outcomes.weight @ clipped)
        else:
            self.value = -float(weight @ log_p)
        first, second = -weight * mills, weight * mills * (z + mills)
        self.slope, self.bend = first / spread, second / spread**2
        if not self.problem.varied:
            return
        variance = np.exp(2 * self.at[self.problem.n : 2 * self.problem.n])
        share_w = variance[self.problem.outcomes.winner] / spread**2
        share_l = 1 - share_w
        self.eta_w, self.eta_l = -first * z * share_w, -first * z * share_l
        cross = -(second * z + first) / spread
        self.cross_w, self.cross_l = cross * share_w, cross * share_l
        both, pull = second * z * z, first * z
        self.bend_ww = (both + pull) * share_w**2 - 2 * pull * share_w * share_l
        self.bend_ll = (both + pull) * share_l**2 - 2 * pull * share_w * share_l
        self.bend_wl = (both + 3 * pull) * share_w * share_l

    def _tied(self, weight: Floats, x: Floats) -> None:
        nu, tie = self.at[-1], self.problem.outcomes.tie
        top = np.logaddexp(np.logaddexp(x / 2, -x / 2), nu)
        won, lost, tied = np.exp(x / 2 - top), np.exp(-x / 2 - top), np.exp(nu - top)
        self.value = float(weight @ (top - np.where(tie, nu, x / 2)))
        self.slope = weight * ((won - lost) / 2 - np.where(tie, 0.0, 0.5))
        self.bend = weight * ((won + lost) / 4 - (won - lost) ** 2 / 4)
        self.tilt = weight * (tied - tie)
        self.twist = -weight * tied * (won - lost) / 2
        self.bend_nu = float(weight @ (tied * (1 - tied)))

    def _to_items(self, of_winner: Floats, of_loser: Floats) -> Floats:
        o, n = self.problem.outcomes, self.problem.n
        return np.asarray(np.bincount(o.winner, of_winner, n) + np.bincount(o.loser, of_loser, n))

    @cached_property
    def gradient(self) -> Floats:
        """First derivatives of the objective."""
        problem, n = self.problem, self.problem.n
        found = np.empty(problem.size)
        found[:n] = self._to_items(self.slope, -self.slope) + 2 * problem.ridge * self.at[:n]
        if problem.varied:
            found[n : 2 * n] = self._to_items(self.eta_w, self.eta_l) + 2 * problem.penalty * self.at[n : 2 * n]
        for number, at in enumerate(problem.positions_at):
            found[at] = self.slope @ problem.order_in(number) + 2 * problem.position_ridge * self.at[at]
        if problem.nu_at is not None:
            found[problem.nu_at] = self.tilt.sum()
        return found

    @cached_property
    def diagonal(self) -> Floats:
        """Second derivatives, each by one parameter."""
        problem, n = self.problem, self.problem.n
        found = np.empty(problem.size)
        found[:n] = self._to_items(self.bend, self.bend) + 2 * problem.ridge
        if problem.varied:
            found[n : 2 * n] = self._to_items(self.bend_ww, self.bend_ll) + 2 * problem.penalty
        for number, at in enumerate(problem.positions_at):
            found[at] = self.bend @ problem.order_in(number) ** 2 + 2 * problem.position_ridge
        if problem.nu_at is not None:
            found[problem.nu_at] = self.bend_nu
        return found

    def times(self, v: Floats) -> Floats:
        """The matrix of second derivatives times a vector."""
        n, mu, bend = self.problem.n, v[: self.problem.n], self._bend_link
        found = self.diagonal * v
        found[:n] -= bend @ mu + bend.T @ mu
        if self.problem.varied:
            eta, (link_w, link_l, both) = v[n : 2 * n], self._varied_links
            found[:n] += self._cross_diagonal * eta + link_l @ eta - link_w.T @ eta
            found[n : 2 * n] += self._cross_diagonal * mu + link_l.T @ mu - link_w @ mu + both @ eta + both.T @ eta
        for at, column in self._columns:
            found += column * v[at]
            found[at] += column @ v
        return found

    @cached_property
    def _bend_link(self) -> csr_matrix:
        return self._link(self.bend)

    @cached_property
    def _varied_links(self) -> tuple[csr_matrix, csr_matrix, csr_matrix]:
        return self._link(self.cross_w), self._link(self.cross_l), self._link(self.bend_wl)

    @cached_property
    def _cross_diagonal(self) -> Floats:
        return self._to_items(self.cross_w, -self.cross_l)

    def _link(self, values: Floats) -> csr_matrix:
        """A matrix of winners × losers; outcomes come sorted by winner, so that this is but a change of form."""
        indptr, columns = self.problem.layout
        return csr_matrix((values, columns, indptr), shape=(self.problem.n, self.problem.n))

    @cached_property
    def _columns(self) -> list[tuple[int, Floats]]:
        """Index and second derivatives with all others of positions and ln nu, each pair of these once."""
        problem = self.problem
        orders = {at: problem.order_in(number) for number, at in enumerate(problem.positions_at)}
        found = [(at, self._column(self.bend * order, order)) for at, order in orders.items()]
        if problem.nu_at is not None:
            column = self._column(self.twist, problem.outcomes.order)
            for at, order in orders.items():
                column[at] = self.twist @ order
            found.append((problem.nu_at, column))
        return found

    def _column(self, values: Floats, order: Floats) -> Floats:
        """Second derivatives by one parameter and each of the items'."""
        problem, n = self.problem, self.problem.n
        column = np.zeros(problem.size)
        column[:n] = self._to_items(values, -values)
        if problem.varied:
            column[n : 2 * n] = self._to_items(self.cross_w * order, self.cross_l * order)
        return column

    def dense(self) -> Floats:
        """The matrix of second derivatives, parameters × parameters."""
        problem, n = self.problem, self.problem.n
        found = np.zeros((problem.size, problem.size))
        found[:n, :n] = self._block(self.bend, self.bend, -self.bend, -self.bend)
        if problem.varied:
            cross = self._block(self.cross_w, -self.cross_l, self.cross_l, -self.cross_w)
            found[:n, n : 2 * n], found[n : 2 * n, :n] = cross, cross.T
            found[n : 2 * n, n : 2 * n] = self._block(self.bend_ww, self.bend_ll, self.bend_wl, self.bend_wl)
            found[np.arange(n, 2 * n), np.arange(n, 2 * n)] += 2 * problem.penalty
        found[np.arange(n), np.arange(n)] += 2 * problem.ridge
        for at in range(problem.positions_at.start, problem.size):
            column = self.times(np.eye(1, problem.size, at)[0])
            found[at], found[:, at] = column, column
        return found

    def _block(self, ww: Floats, ll: Floats, wl: Floats, lw: Floats) -> Floats:
        """A block of items × items from its four entries per outcome."""
        o, n = self.problem.outcomes, self.problem.n
        rows = np.concatenate([o.winner, o.loser, o.winner, o.loser])
        columns = np.concatenate([o.winner, o.loser, o.loser, o.winner])
        return np.asarray(coo_matrix((np.concatenate([ww, ll, wl, lw]), (rows, columns)), shape=(n, n)).toarray())
