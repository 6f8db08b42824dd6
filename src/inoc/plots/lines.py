"""Small panels of lines over training steps, hundreds of them in a second.

All panels of a `LineGrid` share one pair of matplotlib's axes, measured in inches: a pair for each panel, with ticks
and spines of its own, takes far longer to draw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from inoc.plots.style import RC, WIDTH_IN, minus, new_figure

Scale = Literal["linear", "log"]
Array = np.ndarray
Limits = tuple[float, float]
MIN_TICK_GAP = 0.13
LABELS_IN = 0.44  # below a panel: numbers and name of the axis
BOTTOM_IN, RIGHT_IN = 0.06, 0.15
TICK_IN, PAD_IN = 0.05, 0.08
DIGIT_IN, BETWEEN_IN = 0.08, 0.06  # width of a digit, and the least distance between two numbers
BAND_ALPHA, WHISKER_ALPHA = 0.16, 0.6


def zero_position(steps: Array) -> float:
    """Step at whose place step 0 is drawn on a logarithmic axis: half of the first positive one."""
    positive = steps[steps > 0]
    return float(positive.min()) / 2 if positive.size else 0.5


def place_steps(steps: Array, scale: Scale, zero_at: float) -> Array:
    """Steps as positions along the axis; logarithms for a logarithmic one.

    Args:
        steps: Training steps, shape (steps,).
        scale: Of the axis.
        zero_at: From `zero_position`.
    """
    positions = np.asarray(steps, dtype=float)
    return np.log(np.where(positions > 0, positions, zero_at)) if scale == "log" else positions


def tick_steps(steps: Array, scale: Scale) -> list[int]:
    """Steps that get a label.

    Args:
        steps: All steps, shape (steps,).
        scale: A logarithmic axis labels steps that occur: the first, the last, and those between that have room. A
            linear one labels round numbers.
    """
    ordered = sorted({int(step) for step in steps})
    if len(ordered) < 3:
        return ordered
    if scale == "linear":
        round_numbers = MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]).tick_values(ordered[0], ordered[-1])
        return [int(step) for step in round_numbers if ordered[0] <= step <= ordered[-1]]
    spot = place_steps(np.array(ordered), "log", zero_position(np.array(ordered)))
    gap = MIN_TICK_GAP * (spot[-1] - spot[0])
    chosen = [0]
    for index in range(1, len(ordered) - 1):
        if spot[index] - spot[chosen[-1]] >= gap and spot[-1] - spot[index] >= gap:
            chosen.append(index)
    return [ordered[index] for index in [*chosen, len(ordered) - 1]]


class Axis(NamedTuple):
    """Limits, ticks and name that the panels of a grid share in one direction."""

    limits: Limits
    ticks: Array  # positions
    labels: list[str]
    name: str


def step_axis(steps: Array, scale: Scale) -> Axis:
    """The axis of training steps, with a margin of 4 % on either side.

    Args:
        steps: Every step that will be drawn, shape (steps,).
        scale: `log` puts step 0 at a labelled place of its own, left of the first positive step.
    """
    steps = np.asarray(steps, dtype=float)
    name = "training step" if scale == "linear" else "training step (log)"
    if not steps.size:
        return Axis((0.0, 1.0), np.empty(0), [], name)
    zero_at = zero_position(steps)
    positions = place_steps(steps, scale, zero_at)
    margin = 0.04 * float(np.ptp(positions)) or 1.0
    ticks = tick_steps(steps, scale)
    limits = (float(positions.min()) - margin, float(positions.max()) + margin)
    return Axis(limits, place_steps(np.array(ticks), scale, zero_at), [str(tick) for tick in ticks], name)


def score_axis(name: str = "") -> Axis:
    """The axis of judge scores, 0 to 100 points."""
    return Axis((-3.0, 103.0), np.array([0.0, 50.0, 100.0]), ["0", "50", "100"], name)


def value_axis(values: Array, name: str) -> Axis:
    """An axis that holds all of some values, with round numbers as ticks.

    Args:
        values: What will be drawn; NaN is left out.
        name: Of the axis, with its unit.
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    margin = 0.06 * (high - low) or 0.5
    limits = (low - margin, high + margin)
    ticks = np.asarray(MaxNLocator(4).tick_values(*limits))
    ticks = ticks[(ticks >= limits[0]) & (ticks <= limits[1])]
    return Axis(limits, ticks, [minus(f"{tick:.6g}") for tick in ticks], name)


class Layout(NamedTuple):
    """Layout of panels."""

    columns: int
    plot_in: float  # height of a panel's frame
    left_in: float = 0.75  # for the numbers and names at the left
    gap_in: float = 0.2  # between neighbours
    above_in: float = 0.12  # above each row
    heading_in: float = 0.0  # above the first row of a block
    top_in: float = 0.2  # above everything, for a legend
    block: int = 6  # rows after which the step axis is labelled again: in a tall figure the end is out of sight


class Mark(NamedTuple):
    """Appearance of a line."""

    colour: str
    dashes: tuple[float, ...] = ()  # on and off lengths in line widths; empty for a solid line
    marker: str = ""  # of the points; empty for none
    width: float = RC["lines.linewidth"]
    band: bool = True  # whether the interval is a band too, not whiskers alone


class LineGrid:
    """Equal panels of lines, row by row, whose axes are shared.

    Args:
        n: Panels; the last row may be shorter.
        layout: Where they go.
        x: Axis of all panels; its numbers stand below the last row of each block.
        y: Axis of all panels; its numbers stand at the left of each row.
    """

    def __init__(self, n: int, layout: Layout, x: Axis, y: Axis) -> None:
        self.layout, self.x, self.y, self.n = layout, x, y, n
        self.rows = -(-n // layout.columns)
        above = [layout.above_in + (layout.heading_in if row % layout.block == 0 else 0.0) for row in range(self.rows)]
        below = [LABELS_IN if self._ends_block(row) else 0.0 for row in range(self.rows)]
        self._tops = layout.top_in + np.cumsum(above) + np.concatenate([[0.0], np.cumsum(below)[:-1]])
        self._tops += layout.plot_in * np.arange(self.rows)
        height = float(layout.top_in + sum(above) + sum(below) + layout.plot_in * self.rows + BOTTOM_IN)
        self.figure: Figure = new_figure(height)
        self.figure.set_layout_engine("none")
        self.height = self.figure.get_figheight()
        across = WIDTH_IN - layout.left_in - RIGHT_IN - layout.gap_in * (layout.columns - 1)
        self.width = across / layout.columns
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set(xlim=(0, WIDTH_IN), ylim=(0, self.height))
        self._bands: dict[str, list[Array]] = defaultdict(list)
        self._whiskers: dict[str, list[Array]] = defaultdict(list)
        self._lines: dict[Mark, list[Array]] = defaultdict(list)
        self._points: dict[Mark, list[Array]] = defaultdict(list)

    def _ends_block(self, row: int) -> bool:
        return (row + 1) % self.layout.block == 0 or row == self.rows - 1

    def begins_block(self, panel: int) -> bool:
        """Whether a panel is in the first row of a block."""
        return panel // self.layout.columns % self.layout.block == 0

    def corner(self, panel: int) -> tuple[float, float]:
        """Left and lower edge of a panel's frame, in inches."""
        row, column = divmod(panel, self.layout.columns)
        left = self.layout.left_in + column * (self.width + self.layout.gap_in)
        return left, self.height - float(self._tops[row]) - self.layout.plot_in

    def place(self, panel: int, x: Array, y: Array) -> Array:
        """Positions of a panel's points on the figure, in inches, shape (points, 2); clipped at the limits."""
        corner = self.corner(panel)
        across = corner[0] + self.width * _share(x, self.x.limits)
        up = corner[1] + self.layout.plot_in * _share(y, self.y.limits)
        return np.column_stack([across, up])

    def line(
        self, panel: int, x: Array, middle: Array, mark: Mark, lo: Array | None = None, hi: Array | None = None
    ) -> None:
        """Draw a line, with its interval as a band and as whiskers, so that a lone point shows its interval too.

        Args:
            panel: Which.
            x: Positions along the axis, shape (points,).
            middle: Values; NaN leaves a gap.
            mark: How.
            lo: Lower bounds; NaN for an interval that is not known. None for no intervals.
            hi: Upper bounds.
        """
        path = self.place(panel, x, middle)
        known = np.isfinite(middle)
        self._lines[mark] += [path[part] for part in _stretches(known)]
        if mark.marker:
            self._points[mark].append(path[known])
        if lo is None or hi is None:
            return
        low, high = self.place(panel, x, lo), self.place(panel, x, hi)
        bounded = np.isfinite(lo) & np.isfinite(hi)
        if mark.band:
            self._bands[mark.colour] += [np.concatenate([low[part], high[part][::-1]]) for part in _stretches(bounded)]
        whiskers = np.stack([low, high], axis=1)[known & bounded]
        self._whiskers[mark.colour] += list(whiskers)

    def heading(self, panel: int, text: str) -> None:
        """Write above a panel."""
        left, bottom = self.corner(panel)
        self.axes.text(left, bottom + self.layout.plot_in + 0.06, text, ha="left", va="bottom")

    def row_name(self, panel: int, text: str) -> None:
        """Write along the left of a row, beside its numbers."""
        _, bottom = self.corner(panel)
        middle = bottom + self.layout.plot_in / 2
        self.axes.text(
            0.06, middle, text, rotation=90, ha="left", va="center", rotation_mode="default", multialignment="center"
        )

    def finish(self) -> Figure:
        """Put everything on the figure."""
        self._frames()
        for colour, bands in self._bands.items():
            self.axes.add_collection(
                PolyCollection(bands, facecolors=colour, alpha=BAND_ALPHA, linewidths=0, zorder=2), autolim=False
            )
        for colour, whiskers in self._whiskers.items():
            self._segments(whiskers, colour, 1.0, 3, alpha=WHISKER_ALPHA)
        for mark, lines in self._lines.items():
            self._segments(lines, mark.colour, mark.width, 4, linestyle=(0, mark.dashes) if mark.dashes else "solid")
        for mark, points in self._points.items():
            spots = np.concatenate(points)
            self.axes.plot(*spots.T, linestyle="none", color=mark.colour, marker=mark.marker, zorder=5)
        return self.figure

    def _segments(self, lines: Sequence[Array], colour: str, width: float, order: int, **kind: Any) -> None:
        collection = LineCollection(lines, colors=colour, linewidths=width, zorder=order, **kind)
        self.axes.add_collection(collection, autolim=False)

    def _frames(self) -> None:
        grid, spines = [], []
        for panel in range(self.n):
            left, bottom = self.corner(panel)
            right, top = left + self.width, bottom + self.layout.plot_in
            spines.append(np.array([(left, top), (left, bottom), (right, bottom)]))
            along, up = self._tick_spots(panel)
            for x, _ in along:
                grid.append(np.array([(x, bottom), (x, top)]))
                spines.append(np.array([(x, bottom), (x, bottom - TICK_IN)]))
            for x, y in up:
                grid.append(np.array([(left, y), (right, y)]))
                spines.append(np.array([(x, y), (x - TICK_IN, y)]))
            self._numbers(panel, along, up)
        self._segments(grid, RC["grid.color"], RC["grid.linewidth"], 1)
        self._segments(spines, "black", RC["axes.linewidth"], 6)

    def _tick_spots(self, panel: int) -> tuple[Array, Array]:
        """Positions of the ticks of both axes on a panel's frame, in inches, shapes (ticks, 2)."""
        along = self.place(panel, self.x.ticks, np.full(len(self.x.ticks), self.y.limits[0]))
        return along, self.place(panel, np.full(len(self.y.ticks), self.x.limits[0]), self.y.ticks)

    def _numbers(self, panel: int, along: Array, up: Array) -> None:
        row, column = divmod(panel, self.layout.columns)
        left, bottom = self.corner(panel)
        if self._ends_block(row) or panel + self.layout.columns >= self.n:
            for index in _with_room(along[:, 0], self.x.labels):
                x, y = along[index]
                self.axes.text(x, y - PAD_IN, self.x.labels[index], ha="center", va="top")
            self.axes.text(left + self.width / 2, bottom - PAD_IN - 0.17, self.x.name, ha="center", va="top")
        if column == 0:
            for (x, y), label in zip(up, self.y.labels, strict=True):
                self.axes.text(x - PAD_IN, y, label, ha="right", va="center_baseline")
            if self.y.name:
                self.row_name(panel, self.y.name)


def _with_room(places: Array, labels: Sequence[str]) -> list[int]:
    """Which labels are written so that none touches another: the last one, then from the first those with room.

    Args:
        places: Their middles in inches, ascending, shape (labels,).
        labels: What they say.
    """
    if not labels:
        return []
    half = np.array([len(label) * DIGIT_IN / 2 for label in labels])
    last = len(labels) - 1
    chosen: list[int] = []
    for index in range(last):
        before = chosen[-1] if chosen else None
        clear = before is None or places[index] - places[before] > half[index] + half[before] + BETWEEN_IN
        if clear and places[last] - places[index] > half[index] + half[last] + BETWEEN_IN:
            chosen.append(index)
    return [*chosen, last]


def _share(values: Array, limits: Limits) -> Array:
    """Position as a share of the way from one limit to the other; NaN stays NaN."""
    low, high = limits
    return np.clip((np.asarray(values, dtype=float) - low) / (high - low), 0.0, 1.0)


def _stretches(known: Array) -> Iterator[slice]:
    """Slices of neighbours that are all known."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(known, dtype=int), [0]])))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield slice(first, end)
