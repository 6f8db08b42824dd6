"""House style: one width, one palette that colour-blind readers can tell apart, no text under 9 points.

Figures are 10 inches wide and are saved with 160 dots per inch, hence 1600 pixels. What is long makes a figure
taller; it never makes its text smaller.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from inoc.plots.glyphs import MAIN, families
from inoc.plots.ticks import thin_ticks

WIDTH_IN: Final = 10.0
DPI: Final = 160
FONT_PT: Final = 9.0

# Okabe and Ito's palette.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY: Final = "#767676"
PALETTE: Final = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)

PREFIX_COLOURS: Final = {"none": BLACK, "fixed": BLUE, "mix": ORANGE}
PREFIX_HATCHES: Final = {"none": "", "fixed": "", "mix": "////"}
PREFIX_DASHES: Final = {"none": (1.0, 1.2), "fixed": (), "mix": (5.0, 2.0)}
PREFIX_MARKERS: Final = {"none": "D", "fixed": "o", "mix": "s"}
FURTHER_POOLS: Final = (
    (GREEN, "....", (3.0, 1.0, 1.0, 1.0), "^"),
    (PURPLE, "xxxx", (7.0, 1.5), "v"),
    (VERMILION, "\\\\\\\\", (1.5, 1.5), "P"),
)
"""Colour, hatch, dashes and marker of the kinds of prefix beside these."""
FAMILY_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")


class Look(NamedTuple):
    """Appearance of one kind of prefix in bars, lines and points."""

    colour: str
    hatch: str
    dashes: tuple[float, ...]
    marker: str


def looks_of(pools: Sequence[str]) -> dict[str, Look]:
    """Kind of prefix → its look: `none`, `fixed`, `mix`, and further pools in their order.

    Args:
        pools: Keys of the further pools.
    """
    own = {
        kind: Look(PREFIX_COLOURS[kind], PREFIX_HATCHES[kind], PREFIX_DASHES[kind], PREFIX_MARKERS[kind])
        for kind in PREFIX_COLOURS
    }
    further = {pool: Look(*FURTHER_POOLS[index % len(FURTHER_POOLS)]) for index, pool in enumerate(pools)}
    return own | further


RC: Final[dict[str, Any]] = {
    "font.family": MAIN,
    "text.parse_math": False,  # a dollar sign in a label is one
    "font.size": FONT_PT,
    "axes.titlesize": FONT_PT + 1,
    "axes.labelsize": FONT_PT,
    "xtick.labelsize": FONT_PT,
    "ytick.labelsize": FONT_PT,
    "legend.fontsize": FONT_PT,
    "figure.titlesize": FONT_PT + 2,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "axes.titlelocation": "left",
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.05,
    # Text as text: it can be searched and read aloud, and a figure is a third of the size of one with outlines.
    "svg.fonttype": "none",
    # Without a salt, matplotlib draws the ids of an SVG at random.
    "svg.hashsalt": "inoc",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw, and save, inside this.

    Matplotlib warns of a character without a font each time it is measured. That is silent here; `glyphs.lacking` says
    which these are.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ ", UserWarning)
        mpl.rcdefaults()
        for name, value in RC.items():
            mpl.rcParams[name] = value
        mpl.rcParams["font.family"] = list(families())
        yield


def new_figure(height_in: float) -> Figure:
    """An empty figure of the house's width, which arranges its axes by itself.

    Args:
        height_in: Inches.
    """
    figure = Figure(figsize=(WIDTH_IN, max(2.0, height_in)), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def settle(figure: Figure) -> None:
    """Find the places of a figure's axes, once and for all: it is most of the time of drawing. Thin crowded numbers.

    Args:
        figure: With everything that takes part in the layout. What is put on it afterwards finds axes that stay.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    thin_ticks(figure)
    if engine is not None:
        # The solver's last bits differ from run to run, and names in an SVG are made from all bits.
        for axes in figure.get_axes():
            left, bottom, width, height = (round(float(side), 6) for side in axes.get_position(original=True).bounds)
            axes.set_position((left, bottom, width, height))


def split(figure: Figure, above_in: float, below_in: float) -> tuple[SubFigure, SubFigure]:
    """An upper and a lower part of a figure.

    Args:
        figure: Empty.
        above_in: Height of the upper part, in inches.
        below_in: Height of the lower part.
    """
    grid = figure.add_gridspec(2, 1, height_ratios=[above_in, below_in])
    return figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, in order; after seven they repeat, so let the marker differ as well."""
    return {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(names)}


def markers_of(names: Sequence[str]) -> dict[str, str]:
    """A marker for each name, in order.

    The eighth name starts again at the second marker, so that names that share a colour do not share a marker.
    """
    n = len(FAMILY_MARKERS)
    return {name: FAMILY_MARKERS[(index + index // n) % n] for index, name in enumerate(names)}


def minus(text: str) -> str:
    """Numbers with a true minus sign, and without a negative zero."""
    return re.sub(r"-(?=[\d.])", "−", re.sub(r"(?<![\d.])[-+](0(?:\.0+)?)(?![\d.])", r"\1", text))
