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
from matplotlib.transforms import Bbox

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
    taken = [Bbox([(px - half, py - half), (px + half, py + half)]) for px, py in pixels]
    frame = axes.get_window_extent()
    written = []
    # Points with most neighbours choose first: they have the fewest free places.
    crowd = [int((np.hypot(*(pixels - spot).T) < 40 * per_pt).sum()) for spot in pixels]
    for rank in sorted(range(len(known)), key=lambda rank: (-crowd[rank], rank)):
        index = known[rank]
        width, height = _extent(axes, labels[index])
        offset, box = _first_free(pixels[rank], (width, height), taken, frame, per_pt)
        taken.append(box)
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
    spot: Array, size: tuple[float, float], taken: Sequence[Bbox], frame: Bbox, per_pt: float
) -> tuple[tuple[float, float], Bbox]:
    best: tuple[float, tuple[float, float], Bbox] | None = None
    for ring in RINGS_PT:
        for spoke in range(SPOKES):
            angle = 2 * math.pi * spoke / SPOKES + math.pi / 4
            direction = (math.cos(angle), math.sin(angle))
            # The centre of the label lies so far out that its box touches the ring.
            dx = direction[0] * (ring * per_pt + size[0] / 2)
            dy = direction[1] * (ring * per_pt + size[1] / 2)
            box = _box(spot[0] + dx, spot[1] + dy, size, GAP_PT * per_pt)
            cost = sum(_overlap(box, other) for other in taken) + 10 * _outside(box, frame)
            if cost <= 0:
                return (dx / per_pt, dy / per_pt), box
            if best is None or cost < best[0]:
                best = (cost, (dx / per_pt, dy / per_pt), box)
    assert best is not None
    return best[1], best[2]


def _box(x: float, y: float, size: tuple[float, float], gap: float) -> Bbox:
    width, height = size[0] / 2 + gap, size[1] / 2 + gap
    return Bbox([(x - width, y - height), (x + width, y + height)])


def _overlap(one: Bbox, other: Bbox) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return float(width * height) if width > 0 and height > 0 else 0.0


def _outside(box: Bbox, frame: Bbox) -> float:
    inside = _overlap(box, frame)
    return max(0.0, float(box.width * box.height) - inside) if inside < box.width * box.height - 1e-6 else 0.0


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
