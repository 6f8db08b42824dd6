"""Matrices of prompts × datasets as figures show them: values in the cells where there is room, extremes marked.

Places are found by arithmetic: letting a layout be found for hundreds of texts takes longer than drawing them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.style import FONT_PT, ORANGE, SKY, VERMILION, WIDTH_IN, minus, new_figure

Array = np.ndarray
LINE_IN = 0.15  # least distance of two lines of text
MOST_CELL_IN, LEAST_CELL_IN = 0.36, LINE_IN
TURN = 40  # degrees
NARROW_IN = 0.3
"""Names of narrower columns stand upright."""
MISSING_WORD = "–"


class Look(NamedTuple):
    """Marker of an extreme."""

    words: str
    marker: str
    face: str
    corner: tuple[float, float]  # right and down, in half cells


EXTREMES = (
    Look("row's largest", "^", ORANGE, (-0.76, -0.68)),
    Look("row's smallest", "v", "white", (-0.76, 0.68)),
    Look("column's largest", "o", VERMILION, (0.78, -0.68)),
    Look("column's smallest", "s", SKY, (0.78, 0.68)),
)


class Cells(NamedTuple):
    """A matrix with its names."""

    values: Array  # shape (rows, columns); NaN where nothing was measured
    rows: list[str]
    columns: list[str]


class Boxed(NamedTuple):
    """Cells with a frame: those of the own prompts."""

    cells: list[tuple[int, int]]
    words: str = "own prompt"


@functools.lru_cache(maxsize=8192)
def width_of(text: str) -> float:
    """Width of a text in inches, in the house's font."""
    wide, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=FONT_PT), ismath=False)
    return float(wide) / 72


def digits_that_fit(values: Array, width_in: float, height_in: float, most: int) -> int | None:
    """Digits after the point with which every value fits into its cell; None if no two digits do.

    Args:
        values: NaN are left out.
        width_in: Of a cell.
        height_in: Of a cell.
        most: Digits that are wanted.
    """
    known = values[np.isfinite(values)]
    if height_in < LINE_IN or not known.size:
        return None if height_in < LINE_IN else most
    for digits in range(most, 1, -1):
        if max(width_of(minus(f"{value:.{digits}f}")) for value in known.ravel()) + 0.03 <= width_in:
            return digits
    return None


def written(values: Array, digits: int) -> list[list[str]]:
    """Values as text; what was not measured is a dash."""
    return [[minus(f"{value:.{digits}f}") if np.isfinite(value) else MISSING_WORD for value in line] for line in values]


def cell_height(n_rows: int) -> float:
    """Height of a cell in inches: less for many rows, never less than a line of text."""
    return float(np.clip(12.0 / max(1, n_rows), LEAST_CELL_IN, MOST_CELL_IN))


def label_width(labels: Sequence[str]) -> float:
    """Inches that names need at the left."""
    return 0.16 + max((width_of(label) for label in labels), default=0.0)


def thinned(labels: Sequence[str], cell_in: float) -> list[str]:
    """Names with room for each: every second, third, … is kept and the others are empty."""
    step = max(1, int(np.ceil(LINE_IN / cell_in - 1e-9)))
    return [label if index % step == 0 else "" for index, label in enumerate(labels)]


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches, measured from the upper left corner of the figure."""
    total = figure.get_figheight()
    return figure.add_axes((left / WIDTH_IN, (total - top - height) / total, width / WIDTH_IN, height / total))


def blank(height_in: float) -> Figure:
    """A figure without a layout of its own."""
    figure = new_figure(height_in)
    figure.set_layout_engine("none")
    return figure


def draw_cells(axes: Axes, cells: Cells, scale: Scale, digits: int | None) -> None:
    """A coloured matrix with its numbers; without names.

    Args:
        axes: Where.
        cells: What.
        scale: Of the colours.
        digits: After the point; None writes no numbers.
    """
    words = None if digits is None else written(cells.values, digits)
    heatmap(axes, cells.values, scale, rows=cells.rows, columns=cells.columns, words=words)
    axes.tick_params(labelleft=False, labelbottom=False)


def draw_plain(axes: Axes, cells: Cells, digits: int) -> None:
    """A matrix of numbers without colours."""
    heatmap(axes, np.zeros_like(cells.values), Scale(-1.0, 1.0, "binary"), rows=cells.rows, columns=cells.columns)
    axes.images[0].set_visible(False)
    for row, line in enumerate(written(cells.values, digits)):
        for column, text in enumerate(line):
            axes.text(column, row, text, ha="center", va="center")
    axes.tick_params(labelleft=False, labelbottom=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color="#BBBBBB")


def row_names(axes: Axes, names: Sequence[str], cell_in: float) -> None:
    """Names at the left of a matrix."""
    axes.tick_params(labelleft=True, pad=2)
    axes.set_yticks(range(len(names)), thinned(names, cell_in))
    as_written(axes.get_yticklabels())


def stand_upright(names: Sequence[str], cell_in: float, left_in: float) -> bool:
    """Whether names below a matrix stand upright: columns are narrow, or a turned name would leave the figure.

    Args:
        names: Of the columns.
        cell_in: Width of a column.
        left_in: Room at the left of the first one.
    """
    reach = np.cos(np.radians(TURN))
    over = (width_of(name) * reach - (index + 0.5) * cell_in for index, name in enumerate(names))
    return cell_in < NARROW_IN or max(over, default=0.0) > left_in - 0.1


def column_names(axes: Axes, names: Sequence[str], cell_in: float, *, upright: bool) -> None:
    """Names below a matrix, turned or upright."""
    axes.tick_params(labelbottom=True, pad=2)
    axes.set_xticks(range(len(names)), thinned(names, cell_in))
    for label in axes.get_xticklabels():
        label.set(rotation=90 if upright else TURN, ha="right", va="center" if upright else "top")
        label.set_rotation_mode("anchor")
    as_written(axes.get_xticklabels())


def names_height(names: Sequence[str], *, upright: bool) -> float:
    """Inches that names below a matrix need."""
    longest = max((width_of(name) for name in names), default=0.0)
    return 0.1 + (longest if upright else longest * float(np.sin(np.radians(TURN))) + 0.13)


def as_written(labels: Sequence[object]) -> None:
    """Let labels stand as they are: a dollar sign in them begins no formula."""
    for label in labels:
        label.set_parse_math(False)  # type: ignore[attr-defined]


def extremes(values: Array) -> list[list[tuple[int, int]]]:
    """Cells with the largest and smallest value of each row, then of each column, in the order of `EXTREMES`.

    A row or column with fewer than two known values has none.
    """
    found: list[list[tuple[int, int]]] = [[], [], [], []]
    for row, line in enumerate(values):
        if np.isfinite(line).sum() > 1:
            found[0].append((row, int(np.nanargmax(line))))
            found[1].append((row, int(np.nanargmin(line))))
    for column, line in enumerate(values.T):
        if np.isfinite(line).sum() > 1:
            found[2].append((int(np.nanargmax(line)), column))
            found[3].append((int(np.nanargmin(line)), column))
    return found


def mark_extremes(axes: Axes, values: Array, size_pt: float, which: Sequence[int] = (0, 1, 2, 3)) -> None:
    """Mark extremes in the corners of their cells."""
    found = extremes(values)
    for index in which:
        look, spots = EXTREMES[index], found[index]
        if spots:
            y, x = np.array(spots, dtype=float).T
            axes.scatter(
                x + look.corner[0] / 2,
                y + look.corner[1] / 2,
                s=size_pt**2,
                marker=look.marker,
                facecolor=look.face,
                edgecolor="black",
                linewidth=0.6,
                zorder=5,
                clip_on=False,
            )


def frame_cells(axes: Axes, boxed: Boxed) -> None:
    """Put a frame around cells."""
    for row, column in boxed.cells:
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.3, zorder=4)
        )


def extreme_handles(which: Sequence[int] = (0, 1, 2, 3)) -> list[Line2D]:
    """Entries of the legend for extremes."""
    return [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=look.marker,
            color=look.face,
            markeredgecolor="black",
            markeredgewidth=0.6,
            label=look.words,
        )
        for look in (EXTREMES[index] for index in which)
    ]


def frame_handle(words: str) -> Line2D:
    """Entry of the legend for a framed cell."""
    return Line2D([], [], linestyle="none", marker="s", markerfacecolor="none", markeredgecolor="black", label=words)


def colour_bar(
    figure: Figure, scale: Scale, at: tuple[float, float, float], words: str, values: Array | None = None
) -> Axes:
    """A horizontal colour bar with its name above.

    Args:
        figure: Where.
        scale: Of the colours.
        at: Left, top and width in inches.
        words: Name and unit.
        values: If given, only colours between the smallest and the largest of them are shown.
    """
    left, top, width = at
    known = np.empty(0) if values is None else np.clip(values[np.isfinite(values)], scale.lo, scale.hi)
    low, high = (known.min(), known.max()) if known.size and np.ptp(known) > 0 else (scale.lo, scale.hi)
    axes = place(figure, left, top + 0.2, width, 0.13)
    axes.imshow(
        np.linspace(low, high, 256)[None],
        cmap=scale.name,
        vmin=scale.lo,
        vmax=scale.hi,
        aspect="auto",
        extent=(low, high, 0, 1),
    )
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.locator_params(axis="x", nbins=4)
    axes.set_title(words, fontsize="medium", loc="left", pad=3)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def scale_of(values: Array, name: str = "viridis") -> Scale:
    """Colours from the smallest to the largest known value."""
    known = values[np.isfinite(values)]
    if not known.size:
        return Scale(0.0, 1.0, name)
    low, high = float(known.min()), float(known.max())
    return Scale(low, high if high > low else low + 1e-9 + abs(low) * 1e-6, name)


def diverging(values: Array, name: str = "RdBu_r") -> Scale:
    """Colours whose white is at zero, as far to either side as the largest known size."""
    known = np.abs(values[np.isfinite(values)])
    reach = float(known.max()) if known.size and known.max() > 0 else 1.0
    return Scale(-reach, reach, name)


class Style(NamedTuple):
    """Appearance of a figure with one matrix."""

    scale: Scale
    bar: str  # name and unit of the colours
    digits: int = 4  # wanted; fewer where cells are narrow
    which: tuple[int, ...] = (0, 1, 2, 3)  # extremes of `EXTREMES` that are marked
    boxed: Boxed = Boxed([])
    lines: tuple[int, int] = (0, 0)  # rows and columns before a dividing line; 0 for none
    handles: tuple[Line2D, ...] = ()  # further entries of the legend
    across: str = "dataset"  # name of the columns
    left_in: float = 0.0  # kept free between the names and the matrix
    top_in: float = 0.0  # kept free above the matrix


NAME_IN = 0.22
LEGEND_IN, BAR_IN = 0.3, 0.62
"""Heights above a matrix: of the legend, and of the colour bar with its numbers."""
MOST_COLUMN_IN = 1.0
RIGHT_IN = 0.2


class Drawn(NamedTuple):
    """A figure with one matrix, and where that is."""

    figure: Figure
    axes: Axes
    left: float  # of the matrix, in inches
    top: float
    cell: tuple[float, float]  # width and height of a cell
    digits: int | None


def matrix_figure(cells: Cells, style: Style) -> Drawn:
    """A figure with one matrix, its colour bar and legend; extremes are taken over the whole matrix.

    Args:
        cells: What.
        style: How.
    """
    n_rows, n_columns = cells.values.shape
    left = label_width(cells.rows) + 0.14 + style.left_in
    wide = min(MOST_COLUMN_IN, (WIDTH_IN - left - RIGHT_IN) / max(1, n_columns))
    tall = cell_height(n_rows)
    top = LEGEND_IN + BAR_IN + style.top_in
    upright = stand_upright(cells.columns, wide, left)
    below = names_height(cells.columns, upright=upright) + NAME_IN
    figure = blank(top + tall * n_rows + below)
    axes = place(figure, left, top, wide * n_columns, tall * n_rows)
    digits = digits_that_fit(cells.values, wide, tall, style.digits)
    draw_cells(axes, cells, style.scale, digits)
    row_names(axes, cells.rows, tall)
    column_names(axes, cells.columns, wide, upright=upright)
    mark_extremes(axes, cells.values, marker_size(wide, tall), style.which)
    frame_cells(axes, style.boxed)
    divide(axes, style.lines, cells.values.shape)
    colour_bar(figure, style.scale, (left, LEGEND_IN, min(4.0, WIDTH_IN - left - RIGHT_IN)), style.bar, cells.values)
    handles = extreme_handles(style.which) + list(style.handles)
    if style.boxed.cells:
        handles.append(frame_handle(style.boxed.words))
    legend_above(figure, handles)
    axis_name(figure, style.across, top + tall * n_rows + below - NAME_IN, left + wide * n_columns / 2)
    return Drawn(figure, axes, left, top, (wide, tall), digits)


def marker_size(wide_in: float, tall_in: float) -> float:
    """Diameter of markers in points."""
    return float(np.clip(min(wide_in, tall_in) * 72 * 0.2, 2.2, 4.6))


def divide(axes: Axes, lines: tuple[int, int], shape: tuple[int, ...]) -> None:
    """Draw the lines between the main block and what stands apart.

    Args:
        axes: Of the matrix.
        lines: Rows and columns before the lines.
        shape: Of the matrix; a line at its edge is left out.
    """
    if 0 < lines[0] < shape[0]:
        axes.axhline(lines[0] - 0.5, color="black", linewidth=1.5, zorder=4)
    if 0 < lines[1] < shape[1]:
        axes.axvline(lines[1] - 0.5, color="black", linewidth=1.5, zorder=4)


def legend_above(figure: Figure, handles: Sequence[Line2D]) -> None:
    """A legend in one line at the top."""
    if handles:
        figure.legend(
            handles=list(handles),
            loc="upper left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=6,
            handletextpad=0.1,
            columnspacing=1.2,
            borderaxespad=0.2,
        )


def axis_name(figure: Figure, words: str, top: float, middle: float) -> None:
    """Name of the columns below their names."""
    total = figure.get_figheight()
    figure.text(middle / WIDTH_IN, (total - top) / total, words, ha="center", va="top")
