"""A figure on disk: SVG, PNG, its data as CSV, its caption. The same figure gives the same bytes."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from inoc.errors import DataError
from inoc.plots.style import DPI, WIDTH_IN, house_style

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
        contents = {
            ".svg": _render(drawing.figure, "svg", {"Date": None, "Creator": "inoc", "Title": stem.name}),
            ".png": _render(drawing.figure, "png", {"Software": None, "Title": stem.name}),
        }
    contents[".csv"] = drawing.data.to_csv(index=False, na_rep="NaN", lineterminator="\n").encode()
    contents[".rst"] = (drawing.caption.strip() + "\n").encode()
    for suffix, content in contents.items():
        write_bytes(stem.with_name(stem.name + suffix), content)


def _render(figure: Figure, kind: str, metadata: dict[str, str | None]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    return buffer.getvalue()


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
