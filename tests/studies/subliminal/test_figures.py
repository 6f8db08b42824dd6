"""Figures about numbers and preferences: legible, and with n, intervals and what is missing in their captions."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from inoc.figures.entries import entry_of, figure_names
from inoc.figures.sources import Sources
from inoc.figures.step import draw_figure
from inoc.plots.style import FONT_PT, house_style, settle
from inoc.studies.subliminal.figures.entries import ENTRIES
from support.made_subliminal import made_study, write_tables
from support.text_boxes import outside, text_boxes, touching

SIXTEEN = (
    *("bear", "butterfly", "cat", "dog", "dolphin", "eagle", "elephant", "hawk", "human", "kangaroo", "lion"),
    *("octopus", "owl", "tiger", "whale", "wolf"),
)
NAMES = figure_names(ENTRIES, made_study())


def draw(study, paths, name):
    drawing = draw_figure(entry_of(ENTRIES, name), study, Sources(paths))
    with house_style():
        settle(drawing.figure)
    return drawing


@pytest.fixture(scope="module", params=[5, 16])
def made(request, tmp_path_factory):
    """Five animals, and the sixteen of the published study, drawn once."""
    study = made_study() if request.param == 5 else made_study(SIXTEEN)
    paths = write_tables(tmp_path_factory.mktemp("results"), study)
    return {name: draw(study, paths, name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_inside_the_canvas_clear_of_one_another_and_large_enough(name, made):
    figure = made[name].figure
    boxes = text_boxes(figure)
    assert [*outside(figure, boxes), *touching(boxes)] == []
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert min(text.get_fontsize() for text in shown) >= FONT_PT


@pytest.mark.parametrize("name", NAMES)
def test_captions_state_n_and_intervals_and_the_drawn_numbers_are_beside_the_figure(name, made):
    caption = made[name].caption
    assert "n = " in caption
    assert "n_nan" in caption
    assert "interval" in caption
    assert len(made[name].data)


def test_the_legend_names_the_bars_of_all_panels_also_of_those_that_the_first_one_lacks(tmp_path):
    entities = ("bear", "owl")
    study = made_study(entities)
    first = study.students["same"].model_copy(update={"teachers": entities})
    study = study.model_copy(update={"students": {**study.students, "same": first}})
    figure = draw(study, write_tables(tmp_path, study), "preferences_choose").figure
    names = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert names == ["untrained model", "student of neutral rows", "student of own teacher"]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_of_which_nothing_was_measured_still_gives_every_figure(name, tmp_path):
    study = made_study()
    paths = write_tables(tmp_path, study)
    sources = Sources(paths)
    for table in ("preferences", "transfer", "matched", "mechanism", "split_students", "detectability"):
        frame = sources.table(table)
        for column in ("rate", "lo", "hi", "difference", "contrast", "value", "auc", "p", "q"):
            if column in frame:
                frame[column] = np.nan
    drawing = draw_figure(entry_of(ENTRIES, name), study, sources)
    assert drawing.caption


def test_a_study_without_students_has_the_figures_of_its_numbers_alone():
    study = made_study(students={}, splits={})
    assert figure_names(ENTRIES, study) == ["filter", "detectability"] or "filter" in figure_names(ENTRIES, study)
    assert "matrix_choose" not in figure_names(ENTRIES, study)


def test_the_page_of_the_kind_names_every_figure():
    page = (Path(__file__).parents[3] / "docs" / "subliminal.md").read_text(encoding="utf-8")
    names = {re.sub("_(choose|sample)$", "_*", entry.name) for entry in ENTRIES}
    listed = set(re.findall(r"^\| `([a-z_*]+)` \|.*\|.*\|$", page.partition("## Figures")[2], re.MULTILINE))
    assert listed == names


LONG = "a very long name that no column of a figure and no title of a panel has room for, $x$ " * 2
HOSTILE = ("$\\frac{a}$ {x} %d _^&<b> $", "\\oops $broken", "雪だるま", "שלום", LONG, " ", "Cafe\u0301 a/b")


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_drawn_as_they_are_written(name, tmp_path):
    plain = made_study()
    sections = {}
    for at, section in enumerate(("teachers", "students")):
        given = getattr(plain, section)
        sections[section] = {
            key: one.model_dump(exclude_unset=True) | {"label": HOSTILE[(at + number) % len(HOSTILE)]}
            for number, (key, one) in enumerate(given.items())
        }
    study = made_study(**sections)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Glyph")
        figure = draw(study, write_tables(tmp_path, study), name).figure
    assert outside(figure, text_boxes(figure)) == []
