"""Where a figure's texts are drawn: which leave the canvas, and which touch another text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from inoc.plots.style import house_style

SLACK_PX = 1.0
"""Texts may share a seam of this width: half a pixel of each is air."""


class Box(NamedTuple):
    """One text and its corners in pixels, counter-clockwise, shape (4, 2)."""

    text: str
    corners: np.ndarray


def text_boxes(figure: Figure) -> list[Box]:
    """The box of each text that is drawn on a figure, turned as the text is.

    Args:
        figure: As it would be saved.
    """
    found: list[Box] = []
    with house_style(), _watching(found):
        FigureCanvasAgg(figure).draw()
    return found


@contextmanager
def _watching(found: list[Box]) -> Iterator[None]:
    originals = {kind: kind.draw for kind in (Text, Annotation)}

    def draw(self: Text, renderer: Any, *args: Any, **kwargs: Any) -> None:
        if self.get_visible() and self.get_text().strip() and not isinstance(self, Annotation):
            found.append(_box(self, renderer))
        originals[Text](self, renderer, *args, **kwargs)

    def draw_note(self: Annotation, renderer: Any, *args: Any, **kwargs: Any) -> None:
        if self.get_visible() and self.get_text().strip():
            self.update_positions(renderer)
            found.append(_box(self, renderer))
        originals[Annotation](self, renderer, *args, **kwargs)

    Text.draw, Annotation.draw = draw, draw_note  # type: ignore[method-assign]
    try:
        yield
    finally:
        Text.draw, Annotation.draw = originals[Text], originals[Annotation]  # type: ignore[method-assign]


def _box(text: Text, renderer: Any) -> Box:
    angle = text.get_rotation()
    if angle % 90 == 0:
        (left, bottom), (right, top) = Text.get_window_extent(text, renderer).get_points()
        return Box(text.get_text(), np.array([(left, bottom), (right, bottom), (right, top), (left, top)]))
    around = Text.get_window_extent(text, renderer)
    turn = np.radians(angle)
    # The size of the text before it is turned, from the frame around the turned one.
    cos, sin = abs(np.cos(turn)), abs(np.sin(turn))
    width, height = np.linalg.solve([[cos, sin], [sin, cos]], [around.width, around.height])
    middle = np.array([(around.x0 + around.x1) / 2, (around.y0 + around.y1) / 2])
    half = np.array([(-width, -height), (width, -height), (width, height), (-width, height)]) / 2
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return Box(text.get_text(), middle + half @ rotation.T)


def outside(figure: Figure, boxes: list[Box]) -> list[str]:
    """Texts that leave the canvas, each with the pixels by which it does."""
    width, height = figure.bbox.width, figure.bbox.height
    found = []
    for text, corners in boxes:
        over = max(-corners.min(), corners[:, 0].max() - width, corners[:, 1].max() - height)
        if over > SLACK_PX:
            found.append(f"{text!r} by {over:.0f} px")
    return found


def touching(boxes: list[Box]) -> list[str]:
    """Pairs of texts that overlap."""
    frames = [(*corners.min(axis=0), *corners.max(axis=0)) for _, corners in boxes]
    found = []
    for (one, first), (other, second) in combinations(zip(boxes, frames, strict=True), 2):
        apart = first[0] > second[2] or second[0] > first[2] or first[1] > second[3] or second[1] > first[3]
        if not apart and _shared(one.corners, other.corners) > SLACK_PX:
            found.append(f"{one.text!r} and {other.text!r}")
    return found


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """Least overlap of two rectangles over the directions of their sides, in pixels; negative if they are apart."""
    least = np.inf
    for corners in (one, other):
        for side in (corners[1] - corners[0], corners[2] - corners[1]):
            length = float(np.hypot(*side))
            if length == 0:
                continue
            along = side / length
            first, second = one @ along, other @ along
            least = min(least, min(first.max(), second.max()) - max(first.min(), second.min()))
    return float(least)
