"""Matrices as coloured cells, with their numbers where there is room for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

Array = np.ndarray
UNKNOWN = "#D0D0D0"


class Scale(NamedTuple):
    """Diverging colour scale whose midpoint is white."""

    lo: float
    hi: float
    name: str = "PuOr"


def heatmap(
    axes: Axes,
    values: Array,
    scale: Scale,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    words: Sequence[Sequence[str]] | None = None,
) -> AxesImage:
    """Draw a matrix; a cell that is NaN is grey.

    Args:
        axes: Where.
        values: Shape (rows, columns).
        scale: Of the colours.
        rows: Their names, the first on top.
        columns: Their names.
        words: What stands in each cell, as shape (rows, columns); nothing by default.
    """
    shades = colormaps[scale.name].with_extremes(bad=UNKNOWN)
    image = axes.imshow(
        np.ma.masked_invalid(values),
        cmap=shades,
        vmin=scale.lo,
        vmax=scale.hi,
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for row, line in enumerate(words or ()):
        for column, text in enumerate(line):
            ink = "white" if _is_dark(values[row, column], scale) else "black"
            axes.text(column, row, text, ha="center", va="center", color=ink)
    return image


def _is_dark(value: float, scale: Scale) -> bool:
    if not np.isfinite(value):
        return False
    share = (value - scale.lo) / (scale.hi - scale.lo)
    red, green, blue, _ = colormaps[scale.name](float(np.clip(share, 0, 1)))
    return bool(0.299 * red + 0.587 * green + 0.114 * blue < 0.5)
