"""Points in a plane or in space, coloured by a number on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from inoc.plots.style import GREY

Array = np.ndarray
SHADES = "cividis"
MIDDLE_SHARE = (0.02, 0.98)


def shared_scale(values: Array) -> Normalize:
    """A scale for several panels, from the 2 % to the 98 % quantile, so that one outlier does not take it all.

    Args:
        values: All of them; NaN are left out. Without any, or with one value alone, the scale is made up.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return Normalize(0.0, 1.0, clip=True)
    lo, hi = (float(bound) for bound in np.quantile(known, MIDDLE_SHARE))
    return Normalize(lo, hi if hi > lo else lo + 1.0, clip=True)


def coloured_points(
    axes: Axes, spots: Sequence[Array], values: Array, markers: Sequence[str], scale: Normalize, *, size: float = 42.0
) -> None:
    """Draw points; one without a value is a grey ×.

    Args:
        axes: Where; with three axes for three arrays of spots.
        spots: x and y, or x, y and z, each of shape (points,). A point with NaN is not drawn.
        values: What colours them, shape (points,).
        markers: One for each point.
        scale: Of the colours.
        size: Area of a marker in square points.
    """
    draw: Any = axes.scatter
    there = np.isfinite(np.column_stack(spots)).all(axis=1)
    more: dict[str, Any] = {"depthshade": False} if len(spots) == 3 else {}
    gone = np.flatnonzero(there & ~np.isfinite(values))
    if gone.size:
        draw(*(spot[gone] for spot in spots), s=size * 0.7, marker="x", color=GREY, linewidths=1.1, zorder=3, **more)
    shades = colormaps[SHADES]
    for marker in dict.fromkeys(markers):
        own = np.flatnonzero(there & np.isfinite(values) & np.array([one == marker for one in markers]))
        if own.size:
            faces = shades(scale(values[own]))
            draw(
                *(spot[own] for spot in spots),
                s=size,
                marker=marker,
                facecolors=faces,
                edgecolors="black",
                linewidths=0.6,
                zorder=4,
                **more,
            )
