"""Labels beside points that overlap neither each other nor the points.

A small greedy search: each label tries places on rings around its point and takes the first free one. It is
deterministic, needs no package, and never moves a point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation

Array = np.ndarray
RINGS_PT = (5, 9, 14, 20, 27, 35, 44, 54, 65, 77, 90, 110, 130, 150)
SPOKES = 16
LEADER_FROM_PT = 12
GAP_PT = 1.0


def place_labels(axes: Axes, x: Array, y: Array, labels: Sequence[str], *, marker_pt: float = 6.0) -> list[Annotation]:
    """Write a label beside each point.

    Call it when the axes have their final place: after `figure.draw_without_rendering()`. The labels do not take
    part in the layout.

    Args:
        axes: Where.
        x: Positions in data units, shape (points,); a point with NaN gets no label.
        y: As x.
        labels: One for each point.
        marker_pt: Size of a marker, which labels keep clear of.

    Returns:
        The labels written, in the order of the points that have one.
    """
    known = [index for index in range(len(labels)) if np.isfinite(x[index]) and np.isfinite(y[index])]
    if not known:
        return []
    pixels = axes.transData.transform(np.column_stack([x[known], y[known]]).astype(float))
    per_pt = axes.figure.dpi / 72
    half = marker_pt * per_pt / 2
    taken = np.column_stack([pixels - half, pixels + half])  # x0, y0, x1, y1
    frame = np.array(axes.get_window_extent().extents)
    written = []
    # Points with most neighbours choose first: they have the fewest free places.
    crowd = [int((np.hypot(*(pixels - spot).T) < 40 * per_pt).sum()) for spot in pixels]
    for rank in sorted(range(len(known)), key=lambda rank: (-crowd[rank], rank)):
        index = known[rank]
        offset, box = _first_free(pixels[rank], _extent(axes, labels[index]), taken, frame, per_pt)
        taken = np.vstack([taken, box])
        written.append((index, _write(axes, (float(x[index]), float(y[index])), labels[index], offset)))
    return [note for _, note in sorted(written, key=lambda pair: pair[0])]


def _extent(axes: Axes, label: str) -> tuple[float, float]:
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    probe = axes.text(0, 0, label)
    box = probe.get_window_extent(canvas.get_renderer())
    probe.remove()
    return float(box.width), float(box.height)


def _first_free(
    spot: Array, size: tuple[float, float], taken: Array, frame: Array, per_pt: float
) -> tuple[tuple[float, float], Array]:
    """Offset in points and box in pixels of the first place that is free, or else of the least crowded one."""
    angle = 2 * math.pi * np.arange(SPOKES) / SPOKES + math.pi / 4
    direction = np.column_stack([np.cos(angle), np.sin(angle)])
    # The centre of the label lies so far out that its box touches the ring.
    rings = np.array(RINGS_PT)[:, None, None] * per_pt
    offsets = (direction * (rings + np.array(size) / 2)).reshape(-1, 2)
    half = np.array(size) / 2 + GAP_PT * per_pt
    boxes = np.hstack([spot + offsets - half, spot + offsets + half])
    inside = _overlaps(boxes, frame[None])[:, 0]
    area = 4 * float(half.prod())
    outside = np.where(inside < area - 1e-6, np.maximum(0, area - inside), 0)
    cost = _overlaps(boxes, taken).sum(axis=1) + 10 * outside
    best = int(np.argmax(cost <= 0) if (cost <= 0).any() else cost.argmin())
    dx, dy = offsets[best] / per_pt
    return (float(dx), float(dy)), boxes[best]


def _overlaps(boxes: Array, others: Array) -> Array:
    """Shared areas of boxes (x0, y0, x1, y1), shape (boxes, others)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: Array = np.clip(high - low, 0, None).prod(axis=-1)
    return shared


def _write(axes: Axes, at: tuple[float, float], label: str, offset: tuple[float, float]) -> Annotation:
    far = math.hypot(*offset) > LEADER_FROM_PT + 6
    arrow = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2} if far else None
    note = axes.annotate(
        label,
        at,
        xytext=offset,
        textcoords="offset points",
        ha="center",
        va="center",
        arrowprops=arrow,
        zorder=6,
        annotation_clip=False,
    )
    note.set_in_layout(False)
    return note
