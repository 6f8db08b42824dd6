"""Figures inside the page: the first ones as they are, the others packed until the reader comes near them."""

from __future__ import annotations

import base64
import gzip
import re
from pathlib import Path
from urllib.parse import quote

MOST_SVG_BYTES = 400_000
"""Of one figure; a larger one is shown as its PNG, so that the page still opens at once."""
PLAIN = " '()*!,;:=/+$@[]{}|~-._?\n"
"""Characters that may stand as they are in a data URI inside a quoted attribute."""


def plain_uri(image: Path) -> str:
    """An image as a URI that every browser shows without a script.

    Args:
        image: An SVG, or a PNG.
    """
    image = shown(image)
    if image.suffix == ".png":
        return f"data:image/png;base64,{base64.b64encode(image.read_bytes()).decode()}"
    return f"data:image/svg+xml,{quote(image.read_text(encoding='utf-8'), safe=PLAIN)}"


def packed(image: Path) -> str:
    """An SVG as base64 of gzip, which the page's script unpacks.

    Args:
        image: An SVG that is shown as such.
    """
    # Without a time, so that the same figure gives the same page.
    return base64.b64encode(gzip.compress(image.read_bytes(), 9, mtime=0)).decode()


def placeholder(image: Path) -> str:
    """An empty picture of the same shape, so that nothing on the page moves when the SVG comes.

    Args:
        image: An SVG; one without a `viewBox` is taken to be square.
    """
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', image.read_text(encoding="utf-8")[:1000])
    width, height = (box[1], box[2]) if box else ("1", "1")
    return f"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'/%3E"


def shown(image: Path) -> Path:
    """The image that stands on the page: the SVG, or its PNG twin if the SVG is large."""
    large = image.suffix == ".svg" and image.stat().st_size > MOST_SVG_BYTES
    return image.with_suffix(".png") if large else image
