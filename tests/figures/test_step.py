"""Which figures are drawn, and what becomes of one that has nothing to show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inoc.errors import ConfigError
from inoc.figures.entries import SUFFIXES, chosen_figures, figure_names
from inoc.figures.step import Plan, run
from inoc.report.contents import ListedFigure
from inoc.report.page import page_figures, skipped_things
from inoc.view.figures import captions, shown_figures
from support.drawn import ENTRIES, WHY, entry
from support.study_tables import FakeJob, make_study

CORE = make_study(figures="core")


def drawn(folder: Path, only: str = "", study=CORE, jobs: int = 1) -> tuple[FakeJob, str]:
    job = FakeJob(study, folder)
    job.only, job.jobs = only, jobs
    return job, run(job, Plan(study, ENTRIES))


def files(job: FakeJob) -> set[str]:
    return {path.name for path in job.paths.stage("figures").iterdir()}


def forms(*names: str) -> set[str]:
    return {f"{name}.{suffix}" for name in names for suffix in SUFFIXES}


def test_a_study_asks_for_the_figures_of_its_main_results_unless_it_says_all():
    assert chosen_figures(ENTRIES, CORE) == ["line", "nothing"]
    assert chosen_figures(ENTRIES, make_study(figures="all")) == figure_names(ENTRIES, CORE)
    assert figure_names(ENTRIES, CORE) == ["line", "nothing", "further"]


def test_a_study_without_main_figures_asks_for_all_that_it_can_have():
    only_further = (entry("further", core=False), entry("absent", missing=ENTRIES[-1].missing))
    assert chosen_figures(only_further, CORE) == ["further"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_figure_with_nothing_to_show_is_written_and_skipped_with_its_reason(tmp_path, jobs):
    job, words = drawn(tmp_path, jobs=jobs)
    assert files(job) == {*forms("line", "nothing"), "done.json"}
    listing = json.loads((job.paths.stage("figures") / "done.json").read_text())
    assert listing["figures"] == ["line", "nothing"]
    assert listing["nothing to show"] == ["nothing"]
    assert listing["not asked for"] == ["further"]
    assert {"what": "figure nothing", "why": WHY} in listing["skipped"]
    assert {"what": "figure absent", "why": "no study has it"} in listing["skipped"]
    assert job.record["counts"] == {"figures": 1, "skipped": 2, "not asked for": 1}
    assert words.startswith("1 figures, 2 skipped, 1 that the study does not ask for")
    assert f"figure nothing: {WHY}" in words


def test_report_and_site_leave_out_a_figure_with_nothing_to_show(tmp_path):
    job, _ = drawn(tmp_path)
    listed = [ListedFigure(name, name, "Category", core=True) for name in ("line", "nothing")]
    contents = {"figures": listed}
    assert [figure.title for figure in page_figures(contents, job.paths)] == ["line"]
    assert skipped_things(contents, job.paths) == [("figure nothing", WHY)]
    assert [figure.name for figure in shown_figures(contents, job.paths)] == ["line"]
    assert list(captions(contents, job.paths)) == ["line"]


def test_a_figure_is_drawn_by_its_name_and_the_list_of_the_others_stays(tmp_path):
    job, words = drawn(tmp_path, "further")
    assert files(job) == forms("further")
    assert words.endswith("further.svg")
    _, words = drawn(tmp_path, "nothing")
    assert words == f"nothing to show: {WHY}"


@pytest.mark.parametrize(("name", "said"), [("absent", "no study has it"), ("lien", "line")])
def test_a_figure_that_there_is_not_is_refused_with_the_reason(tmp_path, name, said):
    with pytest.raises(ConfigError, match=said):
        drawn(tmp_path, name)


def test_a_listing_of_an_earlier_version_is_read(tmp_path):
    job = FakeJob(CORE, tmp_path)
    folder = job.paths.stage("figures")
    folder.mkdir(parents=True)
    (folder / "done.json").write_text(json.dumps({"figures": ["line"], "skipped": []}))
    for name in forms("line"):
        (folder / name).write_text("x")
    assert [one.title for one in page_figures({"figures": [ListedFigure("line", "line", "", True)]}, job.paths)] == [
        "line"
    ]
