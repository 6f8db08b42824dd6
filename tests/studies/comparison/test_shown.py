"""Figures and report of a comparison."""

from __future__ import annotations

import re
import warnings
from importlib import import_module

import pytest

from inoc.cli import main
from inoc.config.load import load_study
from inoc.figures.entries import figure_names
from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.plots.style import house_style
from inoc.studies.comparison.figures.entries import ENTRIES
from inoc.studies.comparison.sections import contents
from inoc.studies.comparison.sections.gather import NO_EVIDENCE
from support.ready_tables import scores, write_ready
from support.text_boxes import outside, text_boxes


@pytest.fixture
def made(ready, write_study, project):
    write_ready(ready / "three", scores(7))
    studies = {key: {"folder": f"ready/{key}", "label": f"Study {key}"} for key in ("one", "two", "three")}
    write_study(studies=studies)
    main(["analyse", "pair"])
    return project / "results" / "pair"


def test_every_figure_is_drawn_with_its_data_and_caption(made):
    main(["figures", "pair", "--jobs", "1"])
    for name in figure_names(ENTRIES, load_study("pair")):
        folder = made / "figures"
        assert (folder / f"{name}.svg").stat().st_size > 5_000
        assert "difference" in (folder / f"{name}.csv").read_text().splitlines()[0]
        caption = (folder / f"{name}.rst").read_text()
        assert "n = 40" in caption
        assert "95 %" in caption
    assert "Study two − Study one" in (made / "figures" / "differences.svg").read_text().replace("&#8722;", "−")
    main(["report", "pair"])
    page = (made / "report" / "appendix.md").read_text()
    assert "Nothing could be compared" not in page
    assert page.count("differences have q ≤ 0.05") == 3


HOSTILE = [
    "$\\frac{a}$ {x} %d _^&<b> $",
    "\\oops $broken",
    "雪だるま",
    "שלום עולם",
    "a long name " * 30,
    " ",
    "Cafe\u0301 a/b",
]


@pytest.mark.parametrize("at", range(len(HOSTILE)))
def test_labels_of_studies_are_drawn_as_they_are_written(at, made, write_study, tmp_path):
    names = {key: HOSTILE[(at + k) % len(HOSTILE)] for k, key in enumerate(("one", "two", "three"))}
    write_study(studies={key: {"folder": f"ready/{key}", "label": label} for key, label in names.items()})
    study, paths = load_study("pair"), Paths(made.parent, "pair")
    for entry in ENTRIES:
        module, function = entry.draws.split(":")
        with warnings.catch_warnings(), house_style():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "Glyph")
            figure = getattr(import_module(module), function)(study, Sources(paths)).figure
            boxes = text_boxes(figure)
        assert outside(figure, boxes) == [], entry.name


def test_the_verdict_counts_what_differs_and_says_what_it_is_no_evidence_of(made, project):
    found = contents(load_study("pair"), Paths(project / "results", "pair"))
    assert "12 of 12 differences have q ≤ 0.05" in found["verdict"][0]
    assert re.search("[01] of 12 differences", found["verdict"][1])  # nothing differs there
    assert found["verdict"][-1] == NO_EVIDENCE
    assert found["headline"].table.rows[0][1] == "Study two − Study one"


def test_the_page_of_an_empty_analysis_says_so(made, project):
    for name in ("compared", "differences", "agreement"):
        (made / "analyse" / f"{name}.parquet").unlink()
    found = contents(load_study("pair"), Paths(project / "results", "pair"))
    assert found["verdict"] == ["Nothing could be compared; see what was skipped."]


def test_settings_in_which_two_studies_differ_are_listed(write_study, project):
    from inoc.studies.comparison.sections.settings import settings_table

    write_study(studies={"a": {"study": "smoke"}, "b": {"study": "mini"}, "c": {"folder": "x"}})
    table, words = settings_table(load_study("pair"))
    assert "`data.n_train`" in {row[0] for row in table.rows}
    assert "1 of the studies have no file here" in words
