"""Many equal panels, placed by arithmetic: finding a layout for dozens of them would take longer than drawing them."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inoc.plots.style import WIDTH_IN, new_figure

LEFT_IN, RIGHT_IN = 0.75, 0.22
BELOW_IN = 0.52  # ticks and label of the x axis
LINE_IN = 0.165


class Grid(NamedTuple):
    """A figure and its panels, row by row."""

    figure: Figure
    panels: list[Axes]


def panel_grid(
    n: int,
    columns: int,
    *,
    plot_in: float = 1.6,
    title_lines: int = 1,
    legend_lines: int = 1,
    share_y: bool = True,
    gap_in: float = 0.17,
    left_in: float = LEFT_IN,
    below_in: float = 0.0,
    names_in: float = 0.0,
) -> Grid:
    """A figure of `n` panels.

    Args:
        n: Panels; the last row may be shorter.
        columns: Panels in a row.
        plot_in: Height of a panel's frame in inches.
        title_lines: Lines of text above each panel.
        legend_lines: Lines kept free for a legend above all of them.
        share_y: Whether panels have one y axis, with its numbers at the left only.
        gap_in: Between neighbours.
        left_in: Kept for the numbers and names at the left.
        below_in: Kept free below the last row.
        names_in: Kept free below each row for the names of its x axis, beside the room for numbers.
    """
    rows = -(-n // columns)
    title_in = 0.12 + LINE_IN * title_lines
    top_in = 0.12 + 0.2 * legend_lines
    height = top_in + rows * (title_in + plot_in + BELOW_IN + names_in) + below_in
    figure = new_figure(height)
    height = figure.get_figheight()
    figure.set_layout_engine("none")
    width_in = (WIDTH_IN - left_in - RIGHT_IN - gap_in * (columns - 1)) / columns
    panels: list[Axes] = []
    for index in range(n):
        down, across = divmod(index, columns)
        left = left_in + across * (width_in + gap_in)
        top = height - top_in - down * (title_in + plot_in + BELOW_IN + names_in) - title_in
        place = (left / WIDTH_IN, (top - plot_in) / height, width_in / WIDTH_IN, plot_in / height)
        axes = figure.add_axes(place, sharey=panels[0] if share_y and panels else None)
        axes.tick_params(labelleft=across == 0 or not share_y)
        panels.append(axes)
    return Grid(figure, panels)
