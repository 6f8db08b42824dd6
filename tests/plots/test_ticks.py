from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from inoc.plots.ticks import thin_ticks

NAMES = ["clown", "french", "French and playful", "joker", "speaker", "French clown"]


@pytest.mark.parametrize(("turned", "all_kept"), [(40, True), (0, False)])
def test_turned_names_are_kept_though_their_boxes_overlap(turned: float, all_kept: bool) -> None:
    figure = Figure(figsize=(4, 2))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_xlim(-0.5, 5.5)
    axes.set_xticks(range(6), NAMES, rotation=turned, ha="right", rotation_mode="anchor")
    figure.draw_without_rendering()
    thin_ticks(figure)
    figure.draw_without_rendering()
    assert ([label.get_text() for label in axes.get_xticklabels()] == NAMES) == all_kept
