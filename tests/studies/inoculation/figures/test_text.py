"""Every text of every figure is inside the canvas and clear of every other text."""

from __future__ import annotations

from pathlib import Path

import pytest

from inoc.config.load import load_study
from inoc.figures.entries import entry_of, figure_names
from inoc.figures.sources import Sources
from inoc.figures.step import draw_figure
from inoc.plots.style import house_style, settle
from inoc.studies.inoculation.figures.catalogue import ENTRIES
from support.study_tables import FakeJob, write_tables
from support.text_boxes import outside, text_boxes, touching

LONG = ("mini_emergent", "playful_french_7b")
STUDIES = ("mini", "lr_sweep", *(pytest.param(name, marks=pytest.mark.long) for name in LONG))


@pytest.mark.parametrize("name", STUDIES)
def test_texts_are_inside_the_canvas_and_clear_of_one_another(name: str, tmp_path: Path) -> None:
    """Tables are made up, in the shape of the study: as many prompts, seeds, steps, rates and traits."""
    job = FakeJob(load_study(name), tmp_path)
    write_tables(job.paths, job.study, holes=False)
    faults = []
    for figure_name in figure_names(ENTRIES, job.study):
        entry = entry_of(ENTRIES, figure_name)
        if not all(job.paths.table(table).exists() for table in entry.needs):
            continue  # a classifier is not made up
        figure = draw_figure(entry, job.study, Sources(job.paths)).figure
        with house_style():
            settle(figure)
        boxes = text_boxes(figure)
        faults += [f"{figure_name}: {text}" for text in outside(figure, boxes)]
        faults += [f"{figure_name}: {pair}" for pair in touching(boxes)]
    assert not faults
