"""Bars with intervals. Categories run down the page: many of them make a figure tall, not its text small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from inoc.plots.style import GREY

Array = np.ndarray
ROW_IN = 0.2
BAR_SHARE = 0.84


class Series(NamedTuple):
    """One bar for each category."""

    label: str
    middle: Array  # shape (categories,); NaN is drawn as a cross at the axis, not as an empty bar
    lo: Array
    hi: Array
    colour: str
    hatch: str = ""
    present: Array | None = None  # categories that have this bar; default: all of them


def height_of(categories: int, series: int) -> float:
    """Height of a panel in inches, so that every bar keeps its thickness.

    Args:
        categories: Number of categories.
        series: Bars per category.
    """
    return 0.35 + categories * max(1, series) * ROW_IN * (1.15 if series > 1 else 1.25)


def grouped_bars(axes: Axes, categories: Sequence[str], series: Sequence[Series]) -> None:
    """Horizontal bars in groups, the first category on top.

    Args:
        axes: Where.
        categories: Their names.
        series: The bars of a group, the first on top.
    """
    rows = np.arange(len(categories), dtype=float)
    present = np.array([np.ones(len(rows), bool) if bars.present is None else bars.present for bars in series])
    in_row = present.sum(axis=0)
    thickness = BAR_SHARE / max(1, int(in_row.max(initial=1)))
    for index, bars in enumerate(series):
        before = present[:index].sum(axis=0)
        spots = rows + (before - (in_row - 1) / 2) * thickness
        _bars(axes, spots, bars, present[index], thickness * 0.92)
    axes.set_yticks(rows, list(categories))
    axes.set_ylim(len(categories) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def horizontal_bars(axes: Axes, categories: Sequence[str], bars: Series, colours: Sequence[str] | None = None) -> None:
    """One horizontal bar for each category, the first on top.

    Args:
        axes: Where.
        categories: Their names.
        bars: The values.
        colours: One for each category; default: the series' colour.
    """
    grouped_bars(axes, categories, [bars])
    for patch, colour in zip(axes.patches, colours or (), strict=False):
        patch.set_facecolor(colour)


def _bars(axes: Axes, spots: Array, bars: Series, present: Array, thickness: float) -> None:
    failed = present & ~np.isfinite(bars.middle)
    known = present & ~failed
    axes.barh(
        spots[present],
        np.where(failed, 0.0, bars.middle)[present],
        height=thickness,
        color=bars.colour,
        alpha=0.85,
        hatch=bars.hatch,
        edgecolor="white",
        linewidth=0,
        label=bars.label or "_",
        zorder=2,
    )
    known &= np.isfinite(bars.lo) & np.isfinite(bars.hi)
    spread = np.vstack([bars.middle - bars.lo, bars.hi - bars.middle])[:, known]
    axes.errorbar(
        bars.middle[known],
        spots[known],
        xerr=np.maximum(spread, 0),
        fmt="none",
        ecolor="black",
        elinewidth=1.0,
        capsize=2,
        zorder=4,
    )
    if failed.any():
        axes.plot(np.zeros(failed.sum()), spots[failed], "x", color=GREY, markersize=6, clip_on=False, zorder=5)


def reference_line(
    axes: Axes,
    value: float,
    lo: float,
    hi: float,
    *,
    colour: str,
    label: str = "",
    dashes: Sequence[float] = (4.0, 2.0),
) -> None:
    """A vertical line with its interval as a band; nothing if the value is NaN.

    Args:
        axes: Where.
        value: Position.
        lo: Lower bound.
        hi: Upper bound.
        colour: Of line and band.
        label: In the legend.
        dashes: On and off lengths.
    """
    if not np.isfinite(value):
        return
    axes.axvline(value, color=colour, linewidth=1.3, dashes=list(dashes), label=label or "_", zorder=3)
    if np.isfinite(lo) and np.isfinite(hi):
        axes.axvspan(lo, hi, color=colour, alpha=0.12, linewidth=0, zorder=1)
