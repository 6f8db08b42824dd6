"""A figure on disk: SVG, PNG, its data as CSV, its caption. The same figure gives the same bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from inoc.atomic import replacing
from inoc.errors import DataError
from inoc.plots.style import DPI, WIDTH_IN, house_style, settle
from inoc.plots.svg import compact

COLOURS = 256
SUFFIXES = (".svg", ".png", ".csv", ".rst")


class Drawing(NamedTuple):
    """A figure with its data and caption."""

    figure: Figure
    data: pd.DataFrame  # the plotted numbers, with their intervals
    caption: str  # reStructuredText


def save(drawing: Drawing, stem: Path) -> None:
    """Write `<stem>.svg`, `.png` (1600 pixels wide), `.csv` and `.rst`, each whole or not at all.

    Args:
        drawing: What to write.
        stem: Path without a suffix; parent folders are made.

    Raises:
        DataError: If the figure does not have the house's width, or there is no caption.
    """
    width = drawing.figure.get_figwidth()
    if width != WIDTH_IN:
        raise DataError(f"{stem.name}: the figure is {width} inches wide, not {WIDTH_IN}; make it with `new_figure`")
    if not drawing.caption.strip():
        raise DataError(f"{stem.name}: the caption is empty; say what is plotted, n and the interval")
    stem.parent.mkdir(parents=True, exist_ok=True)
    with house_style():
        settle(drawing.figure)
        contents = {
            ".png": _png(drawing.figure, stem.name),
            ".svg": _svg(drawing.figure, stem.name),
        }
    contents[".csv"] = drawing.data.to_csv(index=False, na_rep="NaN", lineterminator="\n").encode()
    contents[".rst"] = (drawing.caption.strip() + "\n").encode()
    for suffix, content in contents.items():
        write_bytes(stem.with_name(stem.name + suffix), content)


def _png(figure: Figure, title: str) -> bytes:
    # Not `savefig`, which would draw everything once more to look for a layout.
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    # A chart has few colours: with a palette of its own the file is a third of the size and as sharp.
    few = picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    notes = PngInfo()
    notes.add_text("Title", title)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", dpi=(DPI, DPI), pnginfo=notes)
    return buffer.getvalue()


def _svg(figure: Figure, title: str) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": "inoc", "Title": title})
    figure.dpi = DPI
    FigureCanvasAgg(figure)
    return compact(buffer.getvalue())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically.

    Args:
        path: Where; the folder exists.
        content: All of it.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)
