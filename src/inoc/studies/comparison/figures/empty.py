"""The drawing of studies that have nothing in common; apart from `choices`, which the report reads without plotting."""

from __future__ import annotations

import pandas as pd

from inoc.plots.dots import note
from inoc.plots.save import Drawing
from inoc.plots.style import new_figure
from inoc.studies.comparison.figures.choices import NOTHING


def nothing_common(differences: pd.DataFrame) -> Drawing:
    """The drawing of studies that have no row in common."""
    figure = new_figure(2.4)
    note(figure.subplots(), NOTHING)
    return Drawing(figure, differences, f"{NOTHING}; n = 0, and there is no interval.")
