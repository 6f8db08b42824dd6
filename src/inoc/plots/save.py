"""A figure on disk: SVG, PNG, its data as CSV, its caption. The same figure gives the same bytes."""

from __future__ import annotations

import io
import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from inoc.errors import DataError
from inoc.plots.style import DPI, WIDTH_IN, house_style, settle

SUFFIXES = (".svg", ".png", ".csv", ".rst")


class Drawing(NamedTuple):
    """A figure, what it shows, and what that is."""

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
    buffer = io.BytesIO()
    # Not `savefig`, which would draw everything once more to look for a layout.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None, "Title": title})
    return buffer.getvalue()


def _svg(figure: Figure, title: str) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": "inoc", "Title": title})
    figure.dpi = DPI
    FigureCanvasAgg(figure)
    return numbered_clips(buffer.getvalue())


def numbered_clips(svg: bytes) -> bytes:
    """An SVG whose clipping frames are numbered in order.

    Matplotlib names them by a digest of all bits of their place, the last of which differ from run to run.
    """
    found = dict.fromkeys(re.findall(rb"(?<=[#\"])p[0-9a-f]{10}(?=[)\"])", svg))
    numbers = {name: b"clip%d" % number for number, name in enumerate(found)}
    return re.sub(rb"(?<=[#\"])p[0-9a-f]{10}(?=[)\"])", lambda match: numbers[match[0]], svg)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically.

    Args:
        path: Where; the folder exists.
        content: All of it.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
