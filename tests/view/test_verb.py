"""The verb `view`."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from inoc.cli import main
from inoc.errors import DataError
from inoc.view.verb import make_and_open
from support.sites import site_meta

CONFIG = Path(__file__).parents[2] / "config"
STUDIES = ("smoke", "smoke_emergent", "smoke_likelihood_shift", "smoke_preferences", "smoke_subliminal")


@pytest.fixture
def opened(tmp_path, monkeypatch) -> list[str]:
    """Addresses that a browser was asked to open, in a folder of its own."""
    found: list[str] = []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources").symlink_to(CONFIG.parent / "resources")
    monkeypatch.setattr(webbrowser, "open", found.append)
    return found


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_of_each_kind_has_a_site_before_anything_is_computed(opened, tmp_path, study) -> None:
    (tmp_path / "results" / study).mkdir(parents=True)
    main(["view", study, "--config", str(CONFIG), "--out", "site"])
    assert opened == [(tmp_path / "site" / "index.html").as_uri()]
    assert site_meta(tmp_path / "site")["sources"] == []


def test_a_study_without_results_is_refused_with_what_to_run(opened) -> None:
    with pytest.raises(DataError, match=r"smoke has no results in results/smoke\. Run it first: snakemake"):
        make_and_open("smoke", CONFIG, None, tokens=True, browse=True, serve=False)
    assert opened == []


def test_no_browser_is_opened_if_none_is_wanted(opened, tmp_path, capsys) -> None:
    (tmp_path / "results" / "smoke").mkdir(parents=True)
    main(["view", "smoke", "--config", str(CONFIG), "--no-open"])
    assert opened == []
    assert "results/smoke/view/index.html" in capsys.readouterr().err
