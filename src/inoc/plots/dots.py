"""Dots with intervals beside names that run down the page."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inoc.plots.style import GREY

Array = np.ndarray
ROW_IN = 0.22
_NOTED: MutableMapping[Axes, str] = WeakKeyDictionary()


def dot_intervals(
    axes: Axes,
    spots: Array,
    middle: Array,
    lo: Array,
    hi: Array,
    *,
    colours: Sequence[str],
    marker: str = "o",
    filled: Array | None = None,
    label: str = "",
) -> None:
    """Draw dots with horizontal bars; a value that is not known is a cross at the axis.

    Args:
        axes: Where.
        spots: Heights, shape (dots,).
        middle: Values; NaN if not measured.
        lo: Lower bounds; NaN if not known.
        hi: Upper bounds.
        colours: One for each dot.
        marker: Of the dots.
        filled: Which dots are not hollow; default: all.
        label: In the legend.
    """
    known = np.isfinite(middle)
    solid = np.ones(len(spots), bool) if filled is None else np.asarray(filled, dtype=bool)
    shades = np.array(list(colours), dtype=object)
    sure = known & np.isfinite(lo) & np.isfinite(hi)
    if sure.any():
        axes.hlines(spots[sure], lo[sure], hi[sure], colors=list(shades[sure]), linewidth=1.2, zorder=2)
    for own, face in ((known & solid, list(shades[known & solid])), (known & ~solid, "white")):
        if own.any():
            edges = list(shades[own])
            axes.scatter(middle[own], spots[own], s=30, c=face, marker=marker, edgecolors=edges, zorder=4)
    if (~known).any():
        axes.plot(np.zeros((~known).sum()), spots[~known], "x", color=GREY, markersize=6, zorder=5)
    if label:
        axes.scatter([], [], s=30, c=[colours[0]] if len(colours) else [GREY], marker=marker, label=label)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names of rows 0, 1, … down the page.

    Args:
        axes: Where.
        names: The first on top.
    """
    axes.set_yticks(np.arange(len(names), dtype=float), list(names))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def note(axes: Axes, text: str) -> None:
    """Say in an empty panel why it is empty.

    Args:
        axes: Where.
        text: The reason.
    """
    _NOTED[axes] = text
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY, wrap=True)


def nothing_shown(figure: Figure) -> str:
    """The reason why a figure shows nothing: what `note` says in every panel of it. Empty if a panel shows something.

    Args:
        figure: With all its panels.
    """
    panels = [axes for axes in figure.axes if axes.get_visible()]
    said = dict.fromkeys(_NOTED.get(axes, "") for axes in panels)
    return "" if "" in said else "; ".join(said)
