"""Tick labels that do not overlap."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

GAP_PT = 4.0
"""Least distance between two numbers of an x axis; those of a y axis may be half as far apart."""


def thin_ticks(figure: Figure) -> None:
    """Leave out numbers of axes that would touch their neighbours: every second one, until the others have room.

    Args:
        figure: Whose axes have their final place.
    """
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for axes in _all_axes(figure):
        if axes.get_visible() and axes.axison and axes.name == "rectilinear":
            _thin(axes.xaxis, renderer, figure.dpi / 72 * GAP_PT, 0)
            _thin(axes.yaxis, renderer, figure.dpi / 72 * GAP_PT / 2, 1)


def _all_axes(figure: Any) -> list[Axes]:
    return [*figure.axes, *(axes for part in figure.subfigs for axes in _all_axes(part) if axes not in figure.axes)]


def _thin(axis: Axis, renderer: RendererAgg, gap_px: float, direction: int) -> None:
    low, high = sorted(axis.get_view_interval())
    reach = 1e-9 * (high - low)
    ticks = [
        (float(tick.get_loc()), tick.label1)
        for tick in axis._update_ticks()  # type: ignore[attr-defined]
        if low - reach <= tick.get_loc() <= high + reach
    ]
    if sum(label.get_visible() and bool(label.get_text()) for _, label in ticks) < 2:
        return
    # The boxes of turned names overlap where the names do not; who turns them sees to their room.
    if any(label.get_rotation() % 90 for _, label in ticks):
        return
    places = [place for place, _ in ticks]
    texts = [label.get_text() for _, label in ticks]
    frames = [label.get_window_extent(renderer).get_points()[:, direction] for _, label in ticks]
    step = 1
    while step < len(frames) and _touch(frames[::step], gap_px):
        step += 1
    if step > 1:
        axis.set_major_locator(FixedLocator(places[::step]))
        axis.set_major_formatter(FixedFormatter(texts[::step]))


def _touch(frames: list[Any], gap_px: float) -> bool:
    ordered = sorted((float(frame[0]), float(frame[1])) for frame in frames)
    return any(right[0] - left[1] < gap_px for left, right in pairwise(ordered))
