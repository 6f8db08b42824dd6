"""Figures of the site: the drawings, and the values that they show with the rows behind each."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from inoc.figures.listing import empty_figures
from inoc.view.data import Written, column_array

if TYPE_CHECKING:
    from inoc.digest import Json
    from inoc.jobs.paths import Paths
    from inoc.report.contents import Contents, ListedFigure

MOST_POINTS = 20_000
"""Of one figure's values; the table beside the figure in the results has all."""
MOST_SVG_BYTES = 3_000_000
"""Of one drawing; a larger one is shown as its PNG."""


def write_figures(contents: Contents, paths: Paths, data: Written) -> list[Json]:
    """Write the figures that were drawn, and describe them for the page."""
    return [_write_figure(figure, paths, data) for figure in shown_figures(contents, paths)]


def shown_figures(contents: Contents, paths: Paths) -> list[ListedFigure]:
    """The figures that were drawn and show something."""
    empty = empty_figures(paths)
    return [one for one in contents["figures"] if one.name not in empty and _drawing(paths, one.name).exists()]


def captions(contents: Contents, paths: Paths) -> dict[str, str]:
    """Figure → its caption in Markdown."""
    found = {}
    for figure in shown_figures(contents, paths):
        caption = paths.stage("figures") / f"{figure.name}.rst"
        if caption.exists():
            found[figure.name] = caption.read_text(encoding="utf-8").strip()
    return found


def _drawing(paths: Paths, name: str) -> Path:
    return paths.stage("figures") / f"{name}.svg"


def _write_figure(figure: ListedFigure, paths: Paths, data: Written) -> dict[str, Json]:
    image = _drawing(paths, figure.name)
    if image.stat().st_size > MOST_SVG_BYTES and image.with_suffix(".png").exists():
        image = image.with_suffix(".png")
    _write_image(figure.name, image, data)
    values = read_values(image.with_suffix(".csv"))
    n = len(values)
    data.write(
        f"points-{figure.name}",
        pa.table({str(name): column_array(values[name]) for name in values}) if n else pa.table({}),
    )
    return {
        "name": figure.name,
        "title": figure.title,
        "category": figure.category,
        "core": figure.core,
        "image": image.suffix[1:],
        "n": n,
        "columns": [str(name) for name in values],
    }


def _write_image(name: str, image: Path, data: Written) -> None:
    if data.form == "files":
        (data.folder / f"drawing-{name}{image.suffix}").write_bytes(image.read_bytes())
        return
    # Without a time, so that the same figure gives the same site.
    packed = base64.b64encode(gzip.compress(image.read_bytes(), 9, mtime=0)).decode()
    (data.folder / f"drawing-{name}.js").write_text(f'inocData("drawing-{name}","{packed}");\n', encoding="ascii")


def read_values(path: Path) -> pd.DataFrame:
    """Values of a figure, at most `MOST_POINTS`; an empty text stays one, and is not a number that failed."""
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        return pd.DataFrame()
    return pd.read_csv(path, keep_default_na=False, na_values=["NaN"], nrows=MOST_POINTS, low_memory=False)
