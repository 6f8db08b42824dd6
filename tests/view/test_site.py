"""The folder of a site: what is in it, and what it may replace."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.view.data import CHUNK_ROWS
from inoc.view.declare import View
from inoc.view.figures import read_values
from inoc.view.site import absent_words, row_ids
from support.sites import completions, examples, make_site, site_meta, source


@pytest.mark.parametrize("form", ["scripts", "files"])
def test_a_site_has_its_page_its_lists_its_figures_and_licences(tmp_path, form) -> None:
    site = make_site(tmp_path, source(completions(CHUNK_ROWS + 5)), form=form)
    names = {path.relative_to(site.folder).as_posix() for path in site.folder.rglob("*") if path.is_file()}
    suffix = "js" if form == "scripts" else "parquet"
    wanted = {"index.html", "data/site.js", "app/main.js", "app/site.css", "vendor/vendor.js", "vendor/LICENSES.txt"}
    tables = {"rows-completions", "texts-completions-0", "texts-completions-1", "points-bars"}
    assert wanted | {f"data/{one}.{suffix}" for one in tables} <= names
    assert site.files == len(names)
    assert site.rows == CHUNK_ROWS + 5
    (listed,) = site_meta(site.folder)["sources"]
    assert listed["n"] == CHUNK_ROWS + 5
    assert listed["starts"] == [0, CHUNK_ROWS]


class Tags(HTMLParser):
    """Names and attributes of the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_page_loads_nothing_but_the_site_s_own_scripts_and_style(tmp_path) -> None:
    site = make_site(tmp_path, source(completions(20)))
    page = (site.folder / "index.html").read_text()
    tags = Tags()
    tags.feed(page)
    scripts = [attributes for tag, attributes in tags.found if tag == "script"]
    assert all((site.folder / str(one["src"])).is_file() for one in scripts)
    assert [one["href"] for tag, one in tags.found if tag == "link"] == ["app/site.css"]
    assert not [tag for tag, attributes in tags.found if any(name.startswith("on") for name in attributes)]
    assert not [tag for tag, attributes in tags.found if "style" in attributes]
    assert "alert(1)" in page
    assert "<script>alert" not in page


def test_the_policy_admits_the_site_s_own_scripts_alone(tmp_path) -> None:
    page = (make_site(tmp_path).folder / "index.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].replace("&#39;", "'").split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in policy[1]
    assert rules["base-uri"] == rules["form-action"] == "'none'"


def test_numbers_of_the_overview_come_with_interval_and_link(tmp_path) -> None:
    page = (make_site(tmp_path, source(completions(20))).folder / "index.html").read_text()
    assert "Playful &lt;b&gt;" in page
    assert "81.9\u00a0points" in page
    assert "[61.0,\u00a0100.0]" in page
    assert 'href="#/rows/completions?model=control"' in page


def test_values_of_tokens_can_be_left_out(tmp_path) -> None:
    listed, tokens = examples()
    site = make_site(tmp_path, listed, tokens=(tokens,))
    assert any(site.folder.glob("data/tokens-*"))
    assert site_meta(site.folder)["sources"][0]["tokens"] == "scored"
    small = make_site(tmp_path, listed, tokens=(tokens,), keep=False)
    assert not any(small.folder.glob("data/tokens-*"))
    assert site_meta(small.folder)["sources"][0]["tokens"] == ""


def test_a_site_replaces_an_earlier_one_and_nothing_else(tmp_path) -> None:
    first = make_site(tmp_path, source(completions(20)), form="files")
    second = make_site(tmp_path, source(completions(20)))
    assert first.folder == second.folder
    assert not list(second.folder.rglob("*.parquet"))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".site")] == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_place_with_something_else_is_refused(tmp_path, kind) -> None:
    place = tmp_path / "site"
    if kind == "folder":
        place.mkdir()
        (place / "thesis.tex").write_text("years of work")
    elif kind == "file":
        place.write_text("text")
    else:
        (tmp_path / "other").mkdir()
        place.symlink_to(tmp_path / "other")
    with pytest.raises(DataError, match=r"with --out"):
        make_site(tmp_path)
    assert kind != "folder" or (place / "thesis.tex").read_text() == "years of work"


def test_an_empty_list_and_a_site_without_lists_can_be_written(tmp_path) -> None:
    assert make_site(tmp_path, source(completions(20).iloc[:0])).rows == 0
    assert make_site(tmp_path).rows == 0


def test_the_same_study_gives_the_same_site(tmp_path) -> None:
    def files(folder: Path) -> dict[str, bytes]:
        site = make_site(folder, source(completions(50)))
        return {
            path.relative_to(site.folder).as_posix(): path.read_bytes() for path in sorted(site.folder.rglob("*.*"))
        }

    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_ids_depend_on_the_key_alone_and_rows_of_one_key_stay_apart() -> None:
    frame = pd.DataFrame({"a": ["x", "y", "x"], "b": [1, 2, 1], "text": ["one", "two", "three"]})
    ids = row_ids(frame, ("a", "b"))
    assert len(set(ids)) == 3
    assert (ids == np.round(ids)).all()
    assert (ids < 2**53).all()
    turned = row_ids(frame.iloc[[1, 0, 2]].assign(text="other").reset_index(drop=True), ("a", "b"))
    assert list(turned) == [ids[1], ids[0], ids[2]]


def test_values_of_a_figure_tell_an_empty_text_from_a_number_that_failed(tmp_path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("prompt,value\n,NaN\nclown,1.5\nNA,2\n")
    values = read_values(path)
    assert list(values["prompt"]) == ["", "clown", "NA"]
    assert np.isnan(values["value"].iloc[0])
    assert read_values(tmp_path / "none.csv").empty


def test_lists_that_an_import_does_not_have_are_not_said_to_be_yet_to_run(tmp_path) -> None:
    paths = Paths(tmp_path, "toy")
    assert absent_words(View((), ()), paths) == ["No table of rows has been computed."]
    assert absent_words(View((), (), absent=("No completions: run inoc evaluate toy.",)), paths) == [
        "No completions: run inoc evaluate toy."
    ]
    paths.stage("imports").mkdir(parents=True)
    (paths.stage("imports") / "findings.json").write_text("[]")
    (words,) = absent_words(View((), (), absent=("No completions: run inoc evaluate toy.",)), paths)
    assert "were imported" in words
    assert "run" not in words
