"""A figure that says why there is nothing to draw."""

from __future__ import annotations

import pandas as pd

from inoc.plots.dots import note
from inoc.plots.save import Drawing
from inoc.plots.style import new_figure


def blank(data: pd.DataFrame, why: str) -> Drawing:
    """A figure without data.

    Args:
        data: The table that has no rows to draw.
        why: The reason, as a sentence without its full stop.
    """
    figure = new_figure(1.6)
    note(figure.subplots(), why)
    return Drawing(figure, data, f"{why[0].upper()}{why[1:]}; n = 0, and there is no interval.")
