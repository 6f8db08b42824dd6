"""Labels beside points that overlap neither each other nor the points.

A small greedy search: each label tries places on rings around its point and takes the first free one. It is
deterministic, needs no package, and never moves a point.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

Array = np.ndarray
RINGS_PT = (5, 9, 14, 20, 27, 35, 44, 54, 65, 77, 90, 110, 130, 150)
SPOKES = 16
LEADER_FROM_PT = 18
GAP_PT = 1.0


def place_labels(
    axes: Axes,
    x: Array,
    y: Array,
    labels: Sequence[str],
    *,
    marker_pt: float = 6.0,
    farthest_pt: float = math.inf,
) -> list[Annotation]:
    """Write a label beside each point.

    Call it when the axes have their final place: after `style.settle`. The labels do not take part in the layout.

    Args:
        axes: Where.
        x: Positions in data units, shape (points,); a point with NaN gets no label.
        y: As x.
        labels: One for each point.
        marker_pt: Size of a marker, which labels keep clear of.
        farthest_pt: A label that finds no free place within this distance is left out. Without a limit it is
            written where it overlaps least.

    Returns:
        The labels written, in the order of the points that have one.
    """
    known = [index for index in range(len(labels)) if np.isfinite(x[index]) and np.isfinite(y[index])]
    if not known:
        return []
    # Matplotlib fits limits to what was drawn only when they are asked for.
    axes.get_xlim(), axes.get_ylim()
    pixels = axes.transData.transform(np.column_stack([x[known], y[known]]).astype(float))
    per_pt = axes.figure.dpi / 72
    half = marker_pt * per_pt / 2
    taken = np.empty((2 * len(known), 4))  # left, bottom, right, top
    taken[: len(known)] = np.hstack([pixels - half, pixels + half])
    n_taken = len(known)
    frame = np.array(axes.get_window_extent().extents)
    rings = [ring for ring in RINGS_PT if ring <= farthest_pt]
    written: dict[int, Annotation] = {}
    leaders = []
    # Points with most neighbours choose first: they have the fewest free places.
    crowd = (np.hypot(*(pixels[:, None] - pixels[None]).T) < 40 * per_pt).sum(axis=0)
    for rank in sorted(range(len(known)), key=lambda rank: (-crowd[rank], rank)):
        index = known[rank]
        size = _extent(labels[index], float(axes.figure.dpi), *_font())
        offset, box, cost = _first_free(pixels[rank], size, taken[:n_taken], frame, rings, per_pt)
        if cost > 0 and math.isfinite(farthest_pt):
            continue
        taken[n_taken] = box
        n_taken += 1
        written[index] = _write(axes, (float(x[index]), float(y[index])), labels[index], tuple(offset / per_pt))
        if np.hypot(*offset) > LEADER_FROM_PT * per_pt:
            leaders.append([pixels[rank], _edge(pixels[rank], offset, box)])
    if leaders:
        axes.add_artist(_leaders(axes, leaders))
    return [written[index] for index in sorted(written)]


def _leaders(axes: Axes, ends: Sequence[Sequence[Array]]) -> Line2D:
    """All lines as one with gaps, which also axes in space can draw. As an artist it does not move the limits."""
    spots = axes.transData.inverted().transform(np.array(ends).reshape(-1, 2)).reshape(-1, 2, 2)
    broken = np.concatenate([spots, np.full((len(spots), 1, 2), np.nan)], axis=1).reshape(-1, 2)
    lines = Line2D(*broken.T, color="#999999", linewidth=0.6, marker="", zorder=3.5, clip_on=False)
    lines.set_in_layout(False)
    return lines


def _font() -> tuple[float, str]:
    return float(mpl.rcParams["font.size"]), str(mpl.rcParams["font.family"])


@functools.lru_cache(maxsize=4096)
def _extent(label: str, dpi: float, font_pt: float, family: str) -> tuple[float, float]:
    """Width and height in pixels; the font is that of the settings, and here only to tell the answers apart."""
    del font_pt, family
    figure = Figure(dpi=dpi)
    box = figure.text(0, 0, label).get_window_extent(FigureCanvasAgg(figure).get_renderer())
    return float(box.width), float(box.height)


def _first_free(
    spot: Array, size: tuple[float, float], taken: Array, frame: Array, rings: Sequence[float], per_pt: float
) -> tuple[Array, Array, float]:
    """Offset of the first free place, its box, and what it costs: 0, or how much the least bad place overlaps."""
    angles = 2 * np.pi * np.arange(SPOKES) / SPOKES + np.pi / 4
    spokes = np.column_stack([np.cos(angles), np.sin(angles)])
    # The centre of the label lies so far out that its box touches the ring.
    reach = np.array(rings)[:, None] * per_pt + np.array(size) / 2
    offsets = (reach[:, None, :] * spokes[None]).reshape(-1, 2)
    half = np.array(size) / 2 + GAP_PT * per_pt
    boxes = np.hstack([spot + offsets - half, spot + offsets + half])
    area = float(np.prod(2 * half))
    outside = area - _overlap(boxes, frame[None])[:, 0]
    # The layout is the same but for rounding, which must not decide between two places.
    cost = np.round(_overlap(boxes, taken).sum(axis=1) + 10 * np.maximum(outside, 0), 2)
    free = np.flatnonzero(cost <= 0)
    best = int(free[0]) if free.size else int(np.argmin(cost))
    return offsets[best], boxes[best], float(cost[best])


def _overlap(boxes: Array, others: Array) -> Array:
    """Area that each box shares with each other one, shape (boxes, others)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: Array = np.maximum(high - low, 0).prod(axis=2)
    return shared


def _edge(spot: Array, offset: Array, box: Array) -> Array:
    """Point at which the line from a point to the centre of its label meets the label's box."""
    half = (box[2:] - box[:2]) / 2
    inside = float(np.min(half / np.maximum(np.abs(offset), 1e-9)))
    edge: Array = spot + offset * (1 - min(1.0, inside))
    return edge


def _write(axes: Axes, at: tuple[float, float], label: str, offset: tuple[float, ...]) -> Annotation:
    note = axes.annotate(
        label,
        at,
        xytext=(float(offset[0]), float(offset[1])),
        textcoords="offset points",
        ha="center",
        va="center",
        zorder=6,
        annotation_clip=False,
        parse_math=False,
    )
    note.set_in_layout(False)
    return note
