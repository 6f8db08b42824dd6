"""Points with intervals in both directions, a regression line with its band, and the correlation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from inoc.plots.style import GREY, minus

Array = np.ndarray


FEWEST_FOR_LINE = 3
"""Points through which a line says something: one through two points fits whatever they are."""


MOST_SPOTS = 31
"""Points of a line and its band that are drawn; more are not seen."""


class Points(NamedTuple):
    """Points of a scatter plot; every array has shape (points,). A point with NaN is not drawn."""

    x: Array
    x_lo: Array
    x_hi: Array
    y: Array
    y_lo: Array
    y_hi: Array
    colours: Sequence[str]
    markers: Sequence[str]
    filled: Array  # False: hollow


class Band(NamedTuple):
    """A regression line and the interval of its mean; every array has shape (grid,)."""

    x: Array
    y: Array
    lo: Array
    hi: Array


def scatter_intervals(axes: Axes, points: Points, *, size: float = 30.0) -> None:
    """Draw points, each with the intervals that are known.

    Args:
        axes: Where.
        points: What.
        size: Area of a marker in square points.
    """
    known = np.isfinite(points.x) & np.isfinite(points.y)
    _whiskers(axes.hlines, known, points.y, points.x_lo, points.x_hi, points.colours)
    _whiskers(axes.vlines, known, points.x, points.y_lo, points.y_hi, points.colours)
    for marker in dict.fromkeys(points.markers):
        own = [int(index) for index in np.flatnonzero(known & np.array([one == marker for one in points.markers]))]
        axes.scatter(
            points.x[own],
            points.y[own],
            s=size,
            marker=marker,
            facecolors=[points.colours[index] if points.filled[index] else "white" for index in own],
            edgecolors=["white" if points.filled[index] else points.colours[index] for index in own],
            linewidths=0.7,
            zorder=4,
        )


def _whiskers(
    draw: Callable[..., object], known: Array, at: Array, lo: Array, hi: Array, colours: Sequence[str]
) -> None:
    own = [int(index) for index in np.flatnonzero(known & np.isfinite(lo) & np.isfinite(hi))]
    if own:
        kept = [colours[index] for index in own]
        draw(at[own], lo[own], hi[own], colors=kept, linewidth=0.8, alpha=0.6, zorder=2)


def regression(
    axes: Axes, band: Band, n: int, *, colour: str = GREY, dashes: Sequence[float] = (), shade: float = 0.15
) -> None:
    """Draw a regression line with its band, if it is one of at least `FEWEST_FOR_LINE` points.

    Args:
        axes: Where.
        band: What.
        n: Points that the line was fitted to.
        colour: Of line and band.
        dashes: On and off lengths; empty for a solid line.
        shade: Opacity of the band.
    """
    if n < FEWEST_FOR_LINE:
        return
    if len(band.x) > MOST_SPOTS:
        chosen = np.linspace(0, len(band.x) - 1, MOST_SPOTS).round().astype(int)
        band = Band(*(side[chosen] for side in band))
    (line,) = axes.plot(band.x, band.y, color=colour, linewidth=1.4, zorder=3)
    if dashes:
        line.set_dashes(list(dashes))
    axes.fill_between(band.x, band.lo, band.hi, color=colour, alpha=shade, linewidth=0, zorder=1)


def statistics_box(axes: Axes, lines: Sequence[str]) -> None:
    """Write statistics above the panel, where no point can be.

    Args:
        axes: Where.
        lines: One entry a line.
    """
    axes.set_title("\n".join(lines), fontsize="medium", linespacing=1.25)


def correlation_text(name: str, value: float, lo: float, hi: float) -> str:
    """`r = 0.91 [0.80, 0.96]`, or that it is not known.

    Args:
        name: Of the statistic.
        value: NaN if it could not be computed.
        lo: Lower bound.
        hi: Upper bound.
    """
    if not np.isfinite(value):
        return f"{name}: not computable"
    if not (np.isfinite(lo) and np.isfinite(hi)):
        return minus(f"{name} = {value:.2f} [no interval]")
    return minus(f"{name} = {short(value)} [{short(lo)}, {short(hi)}]")


def short(value: float) -> str:
    """Two decimals, or none from ten on, where they would say nothing and need room."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
