"""Figures and report sections about persona vectors."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.text import Text

from inoc.figures.entries import entry_of
from inoc.figures.sources import Sources
from inoc.figures.step import draw_figure
from inoc.jobs.paths import Paths
from inoc.plots.save import Drawing
from inoc.plots.style import FONT_PT, house_style, settle
from inoc.report.page import html, markdown, page_values
from inoc.studies.subliminal.figures.entries import ENTRIES
from inoc.studies.subliminal.figures.persona import ENTRIES as OWN
from inoc.studies.subliminal.sections import contents
from inoc.studies.subliminal.study import Study
from support.made_persona import persona_study, write_only, write_persona
from support.text_boxes import outside, text_boxes, touching

NAMES = [entry.name for entry in OWN if entry.name != "published_rates"]


def draw(study: Study, paths: Paths, name: str) -> Drawing:
    drawing: Drawing = draw_figure(entry_of(ENTRIES, name), study, Sources(paths))
    with house_style():
        settle(drawing.figure)
    return drawing


@pytest.fixture(scope="module", params=[(2, 4), (5, 32)], ids=["few", "many"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawing]:
    """Two traits in a model of four blocks, and five in one of 32, drawn once."""
    n_traits, layers = request.param
    study = persona_study(n_traits)
    paths = write_persona(tmp_path_factory.mktemp("results"), study, layers)
    return {name: draw(study, paths, name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_inside_the_canvas_clear_of_one_another_and_large_enough(name: str, made: dict[str, Drawing]) -> None:
    figure = made[name].figure
    boxes = text_boxes(figure)
    assert [*outside(figure, boxes), *touching(boxes)] == []
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert min(text.get_fontsize() for text in shown) >= FONT_PT


@pytest.mark.parametrize("name", NAMES)
def test_captions_state_n_and_intervals_and_the_drawn_numbers_are_beside_the_figure(
    name: str, made: dict[str, Drawing]
) -> None:
    caption = made[name].caption
    assert all(words in caption for words in ("n = ", "n_nan", "interval"))
    assert len(made[name].data)


@pytest.mark.parametrize("name", [*NAMES, "published_rates"])
def test_a_study_of_which_nothing_was_measured_still_gives_every_figure(name: str, tmp_path: Path) -> None:
    study = persona_study(2, imported=name == "published_rates")
    drawing = draw(study, write_only(tmp_path, study, {}), name)
    assert "n = 0" in drawing.caption


@pytest.mark.parametrize("name", ["vectors", "published_rates", "steering", "steering_lines", "carriers"])
def test_an_import_has_its_figures_without_a_sweep_or_a_projection_of_its_own(name: str, tmp_path: Path) -> None:
    study = persona_study(1, imported=True)
    assert not entry_of(ENTRIES, name).missing(study)
    drawing = draw(study, write_persona(tmp_path, study), name)
    boxes = text_boxes(drawing.figure)
    assert [*outside(drawing.figure, boxes), *touching(boxes)] == []
    if name == "steering":
        assert "questions that the vector was made from" in drawing.caption


def test_a_sweep_whose_coherence_nobody_judged_is_drawn_and_says_so(tmp_path: Path) -> None:
    study = persona_study(1)
    drawing = draw(study, write_persona(tmp_path, study, coherence=False), "steering")
    assert "coherence, which nobody judged" in drawing.caption


def test_figures_that_do_not_apply_say_why() -> None:
    study = persona_study(1)
    assert entry_of(ENTRIES, "cosines").missing(study) == "the study has fewer than two traits"
    assert entry_of(ENTRIES, "published_rates").missing(study) == "the study was not imported"
    plain = study.model_copy(update={"persona": {}, "steering": None, "projection": None})
    reasons = {name: entry_of(ENTRIES, name).missing(plain) for name in NAMES}
    assert all(reasons[name] for name in NAMES if name != "carriers")


def test_the_report_has_a_section_for_each_part(tmp_path: Path) -> None:
    study = persona_study(3)
    paths = write_persona(tmp_path, study)
    text = markdown(page_values(contents(study, paths), paths))
    assert html(text, study.title, paths.stage("report"))
    for heading in ("Persona vectors", "Steering", "Projections", "What selects carriers"):
        assert f"# {heading}" in text
    assert "Published numbers" not in text
    assert "not judged" not in text
    assert "held out" in text


def test_the_report_of_an_import_sets_published_numbers_beside_right_ones(tmp_path: Path) -> None:
    study = persona_study(1, imported=True)
    paths = write_persona(tmp_path, study)
    text = markdown(page_values(contents(study, paths), paths))
    assert "# Published numbers" in text
    assert "Denominators and intervals" in text
