"""A curve through a cloud of points, with the interval of its mean: a line, or a logistic with free asymptotes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, fdtrc

from inoc.stats.bootstrap import percentile_bounds
from inoc.stats.correlation import Band, fit_line
from inoc.stats.means import NAN, Floats, check_paired

RESAMPLES = 200
"""Resamples behind a band: its bounds are 5 values from either end, which is as much as a drawing shows."""

Ends = tuple[float, float]
SUPPRESSION_ENDS: Ends = (-20.0, 120.0)
"""Where the two ends of a logistic through suppressions may lie, in points."""
DIFFERENCE_ENDS: Ends = (-120.0, 120.0)
"""The same for differences of suppressions, which may have either sign."""

FLATTEST, STEEPEST = 4.0, 160.0  # a, over a range of x of 1: nearly straight; a step
FEWEST = 6


class Curve(NamedTuple):
    """A fitted curve on a grid, and its goodness of fit."""

    kind: str  # linear or logistic
    x: Floats  # shape (grid,); empty if nothing could be fitted
    band: Band  # shape (grid,) each; the interval is NaN where it is not known
    parameters: dict[str, float]  # slope and intercept; or a, b, c, d of `logistic`, a not negative
    r2: float  # 1 − SSE / SST, in the sample; NaN if y does not vary
    f: float  # against the mean: ((SST − SSE) / (k − 1)) / (SSE / (n − k)) with k parameters
    p: float  # of that, as if points were independent; never 0
    n: int  # points
    n_nan: int  # points left out because a coordinate is NaN
    note: str  # reason why it is not the requested curve; empty if it is


def linear_curve(x: Floats, y: Floats, confidence: float = 0.95, n_grid: int = 60) -> Curve:
    """Least squares, with the pointwise interval of the mean, ŷ ± t(n − 2) · s · √(1/n + (x − x̄)² / Sxx).

    Args:
        x: Positions, shape (points,); a pair with a NaN is left out.
        y: Values.
        confidence: Level of the interval.
        n_grid: Points of the drawn curve, over the range of x.
    """
    line = fit_line(x, y)
    known = np.isfinite(x) & np.isfinite(y)
    if not np.isfinite(line.slope):
        return _nothing("linear", line.n, line.n_nan, "a line needs two different positions")
    grid = np.linspace(x[known].min(), x[known].max(), n_grid)
    fitted = line.intercept + line.slope * x[known]
    found = {"slope": line.slope, "intercept": line.intercept}
    return Curve("linear", grid, line.band(grid, confidence), found, *_fit(y[known], fitted, 2), line.n, line.n_nan, "")


def logistic_curve(
    x: Floats,
    y: Floats,
    groups: Sequence[str] | None = None,
    *,
    ends: Ends = SUPPRESSION_ENDS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
    n_grid: int = 60,
) -> Curve:
    """Least squares of the logistic c + (d − c) / (1 + e^−(ax + b)), its ends bounded, with a bootstrap band.

    For any a and b the best c and d are known in closed form. So the search goes over shapes (a, b) on a lattice that
    covers the data, which cannot end in a local minimum, and from the best one `scipy.optimize` descends.
    Resamples choose from that lattice and a finer one around the fit, all at once, which takes milliseconds where a
    descent for each takes seconds.

    Args:
        x: Positions, shape (points,); a pair with a NaN is left out.
        y: Values, in the unit of the ends.
        groups: The group of each point; whole groups are drawn anew. By default every point is its own.
        ends: Smallest and largest value of c and of d.
        resamples: Draws behind the band.
        seed: Of the draws.
        confidence: Level of the band.
        n_grid: Points of the drawn curve, over the range of x.

    Returns:
        The logistic; or the line, with `note` saying why.
    """
    check_paired(x, y)
    known = np.isfinite(x) & np.isfinite(y)
    names = np.array([str(i) for i in range(x.size)] if groups is None else list(groups))[known]
    x, y, n_nan = x[known], y[known], int((~known).sum())
    if why := _unfit(x, names):
        return linear_curve(x, y, confidence, n_grid)._replace(note=f"a line instead of a logistic: {why}", n_nan=n_nan)
    centre, width = float(x.mean()), float(x.std())
    z = (x - centre) / width
    lattice = _lattice(z)
    whole = _best_shape(_at(lattice, z), y, np.ones((1, x.size)), ends)
    a, b, c, d = _descend(z, y, lattice[whole.place[0]], whole, ends)
    grid = np.linspace(x.min(), x.max(), n_grid)
    grid_z = (grid - centre) / width
    lattice = np.concatenate([lattice, _finer(z, a, b)])
    drawn = _best_shape(_at(lattice, z), y, _draws(names, resamples, seed), ends)
    curves = drawn.left[:, None] + (drawn.right - drawn.left)[:, None] * _at(lattice[drawn.place], grid_z)
    bounds = np.array([percentile_bounds(column, confidence) for column in curves.T])
    band = Band(logistic(grid_z, a, b, c, d), bounds[:, 0], bounds[:, 1])
    found = {"a": a / width, "b": b - a * centre / width, "c": c, "d": d}
    return Curve("logistic", grid, band, found, *_fit(y, logistic(z, a, b, c, d), 4), x.size, n_nan, "")


def logistic(x: Floats, a: float, b: float, c: float, d: float) -> Floats:
    """c + (d − c) / (1 + e^−(ax + b))."""
    values: Floats = c + (d - c) * expit(a * x + b)
    return values


def _nothing(kind: str, n: int, n_nan: int, why: str) -> Curve:
    empty = np.zeros(0)
    return Curve(kind, empty, Band(empty, empty, empty), {}, NAN, NAN, NAN, n, n_nan, why)


def _fit(y: Floats, fitted: Floats, k: int) -> tuple[float, float, float]:
    """R², F and p against the mean."""
    n = y.size
    sse, sst = float(((y - fitted) ** 2).sum()), float(((y - y.mean()) ** 2).sum())
    if not sst > 1e-24 * max(1.0, float((y**2).sum())):
        return NAN, NAN, NAN
    r2 = 1 - sse / sst
    if n <= k:
        return r2, NAN, NAN
    if not sse > 1e-24 * sst:
        return r2, float("inf"), sys.float_info.min
    f = max(0.0, ((sst - sse) / (k - 1)) / (sse / (n - k)))
    return r2, f, max(float(fdtrc(k - 1, n - k, f)), sys.float_info.min)


def _unfit(x: Floats, names: np.ndarray) -> str:
    n, different = len(set(names)), len(np.unique(x))
    if n < FEWEST:
        return f"four parameters need {FEWEST} prompts, and there are {n}"
    if different < 4:
        return f"four parameters need four different positions, and there are {different}"
    return ""


def _lattice(z: Floats) -> Floats:
    """Shapes (a, b) for standardised positions, shape (shapes, 2).

    Turning points lie between the points and a little beyond; from nearly straight over the whole range to a step.
    """
    span = float(np.ptp(z))
    slopes = np.geomspace(FLATTEST, STEEPEST, 10) / span
    return _shapes(slopes, np.linspace(z.min() - 0.25 * span, z.max() + 0.25 * span, 28))


def _finer(z: Floats, a: float, b: float) -> Floats:
    """Shapes around a fitted one, where most resamples have theirs."""
    span = float(np.ptp(z))
    slopes = np.geomspace(a / 3, min(3 * a, STEEPEST / span), 12)
    return _shapes(slopes, -b / a + np.linspace(-0.1, 0.1, 20) * span)


def _at(shapes: Floats, z: Floats) -> Floats:
    """1 / (1 + e^−(az + b)), shape (shapes, positions)."""
    values: Floats = expit(shapes[:, :1] * z + shapes[:, 1:])
    return values


def _shapes(slopes: Floats, turns: Floats) -> Floats:
    slope, turn = (part.ravel() for part in np.meshgrid(slopes, turns, indexing="ij"))
    return np.column_stack([slope, -slope * turn])


class _Best(NamedTuple):
    """The best shape of each resample, with its ends."""

    place: np.ndarray  # of the shape, shape (resamples,)
    left: Floats
    right: Floats


def _best_shape(shapes: Floats, y: Floats, weights_BP: Floats, ends: Ends) -> _Best:
    """Weighted least squares over all shapes, for every resample.

    With u = 1 − s and v = s of a shape, the curve is left · u + right · v. Its error is a quadratic in the two ends;
    where the unbounded minimum is out of bounds, the bounded one lies on one of four edges.
    """
    u, v = 1 - shapes.T, shapes.T
    uu, uv, vv = weights_BP @ u**2, weights_BP @ (u * v), weights_BP @ v**2
    uy, vy = (weights_BP * y) @ u, (weights_BP * y) @ v

    def error(left: Floats, right: Floats) -> Floats:
        found: Floats = left**2 * uu + right**2 * vv + 2 * (left * right * uv - left * uy - right * vy)
        return found

    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = uu * vv - uv**2
        candidates = [((vv * uy - uv * vy) / determinant, (uu * vy - uv * uy) / determinant)]
        for end in ends:
            fixed = np.full_like(uu, end)
            candidates.append((fixed, np.clip((vy - uv * fixed) / vv, *ends)))
            candidates.append((np.clip((uy - uv * fixed) / uu, *ends), fixed))
    left_CBS, right_CBS = (np.stack(part) for part in zip(*candidates, strict=True))
    inside = _within(left_CBS, ends) & _within(right_CBS, ends)
    inside[0] &= determinant > 1e-9 * uu * vv
    errors = np.where(inside, error(np.where(inside, left_CBS, 0), np.where(inside, right_CBS, 0)), np.inf)
    which = errors.min(axis=0).argmin(axis=1)
    rows = np.arange(len(weights_BP))
    edge = errors[:, rows, which].argmin(axis=0)
    return _Best(which, left_CBS[edge, rows, which], right_CBS[edge, rows, which])


def _within(values: Floats, bounds: Ends) -> np.ndarray:
    inside: np.ndarray = np.isfinite(values) & (values >= bounds[0]) & (values <= bounds[1])
    return inside


def _descend(z: Floats, y: Floats, shape: Floats, best: _Best, ends: Ends) -> tuple[float, float, float, float]:
    """The logistic's a, b, c, d from the best shape of the lattice."""
    from scipy.optimize import least_squares

    span = float(np.ptp(z))
    farthest = STEEPEST / span * float(np.abs(z).max() + span)
    bounds = ([0.1 / span, -farthest, ends[0], ends[0]], [STEEPEST / span, farthest, ends[1], ends[1]])
    start = np.clip([*shape, best.left[0], best.right[0]], *bounds)
    found = least_squares(lambda p: logistic(z, *p) - y, start, lambda p: _jacobian(z, *p), bounds, x_scale="jac")
    a, b, c, d = (float(part) for part in found.x)
    return a, b, c, d


def _jacobian(z: Floats, a: float, b: float, c: float, d: float) -> Floats:
    s = expit(a * z + b)
    steep = (d - c) * s * (1 - s)
    return np.column_stack([steep * z, steep, 1 - s, s])


def _draws(names: np.ndarray, resamples: int, seed: int) -> Floats:
    """Number of times that each point is drawn when whole groups are, shape (resamples, points)."""
    _, index = np.unique(names, return_inverse=True)
    n = int(index.max()) + 1
    draws = np.random.default_rng([seed, 4, n]).multinomial(n, np.full(n, 1 / n), size=resamples)
    weights: Floats = draws[:, index].astype(np.float64)
    return weights
