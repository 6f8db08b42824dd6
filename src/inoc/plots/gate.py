"""The gate of one prompt: trained without and with it × asked without and with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from inoc.plots.style import GREY, minus


class GateCell(NamedTuple):
    """A mean score in points, with its interval; NaN if it could not be measured."""

    mean: float
    lo: float
    hi: float


def gate_panel(axes: Axes, cells: dict[tuple[str, str], GateCell], title: str) -> None:
    """Four coloured cells with their numbers.

    Args:
        axes: Where.
        cells: (trained, asked) → cell; each is `without` or `with`. Colours span 0 to 100 points.
        title: Above the cells.
    """
    shades = colormaps["cividis"]
    for row, trained in enumerate(("without", "with")):
        for column, asked in enumerate(("without", "with")):
            cell = cells[trained, asked]
            known = bool(np.isfinite(cell.mean))
            face = shades(float(np.clip(cell.mean / 100, 0, 1))) if known else "#F2F2F2"
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=face, edgecolor="white", linewidth=2))
            ink = "black" if not known or cell.mean > 55 else "white"
            axes.text(
                column + 0.5,
                row + 0.5,
                cell_text(cell),
                ha="center",
                va="center",
                color=ink if known else GREY,
            )
    axes.set_xlim(0, 2)
    axes.set_ylim(2, 0)
    axes.set_xticks([0.5, 1.5], ["without", "with"])
    axes.set_yticks([0.5, 1.5], ["without", "with"])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(title, fontsize="medium")


def cell_text(cell: GateCell) -> str:
    """`12 [8, 16]`, or `failed`."""
    if not np.isfinite(cell.mean):
        return "failed"
    if not (np.isfinite(cell.lo) and np.isfinite(cell.hi)):
        return minus(f"{cell.mean:.0f}")
    return minus(f"{cell.mean:.0f} [{cell.lo:.0f}, {cell.hi:.0f}]")
