"""Rates of several sets of questions, pools and datasets stand side by side."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from inoc.figures.entries import entry_of
from inoc.figures.sources import Sources
from inoc.figures.step import draw_figure
from inoc.plots.save import Drawing
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.catalogue import ENTRIES
from inoc.studies.inoculation.figures.rates import Panel
from support.study_tables import FakeJob, make_study, write_tables

QUESTIONS = {"far": {"label": "other topics", "source": {"kind": "world"}}, "near": {}}
STUDY = {
    "data": {"n_train": 640, "n_eval": 40, "questions": QUESTIONS},
    "pools": {"close": {"source": "procedural"}, "closer": {"source": "procedural"}},
    "datasets": {"subtle": {"label": "subtle data"}},
    "runs": [
        {"prefixes": ["fixed", "mix"], "prompts": ["clown", "sky_is_blue"]},
        {"prefixes": ["close"], "prompts": ["clown"]},
        {"data": "subtle"},
    ],
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawing]:
    job = FakeJob(make_study(**STUDY), tmp_path_factory.mktemp("results"))
    write_tables(job.paths, job.study, holes=False)
    names = ("rate_bars", "rate_types", "bars", "curves_linear", "losses")
    return {name: draw_figure(entry_of(ENTRIES, name), job.study, Sources(job.paths)) for name in names}


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_set_of_questions_has_its_own_panels_and_rows(drawn: dict[str, Drawing]) -> None:
    for name in ("rate_bars", "rate_types"):
        panels = [axes.get_title(loc="left") for axes in drawn[name].figure.axes if axes.get_visible()]
        assert panels == [
            f"Odd answers: {questions}\nasked {how}"
            for questions in ("other topics", "Near")
            for how in ("without prefix", "with training prefix")
        ]
        assert set(drawn[name].data["questions"]) == {"far", "near"}


def test_a_run_on_other_data_and_a_further_pool_are_shown_and_nothing_that_was_not_trained(
    drawn: dict[str, Drawing],
) -> None:
    axes = drawn["rate_bars"].figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()][:2] == ["control", "subtle data (no prefix)"]
    # Control, other data, two prompts fixed and mixed, one of them closely.
    assert len(axes.patches) - len([patch for patch in axes.patches if patch.get_alpha() == 0.12]) == 7
    assert not [line for line in axes.lines if line.get_marker() == "x"]
    rows = drawn["rate_bars"].data
    assert {"subtle", ""} == set(rows["data"])
    assert rows[["value", "lo", "hi"]].notna().all(axis=None)


@pytest.mark.parametrize("name", ["rate_bars", "rate_types", "bars", "curves_linear", "losses"])
def test_legends_name_the_pools_that_runs_are_trained_with(name: str, drawn: dict[str, Drawing]) -> None:
    words = legend(drawn[name].figure)
    assert any("(close)" in text for text in words)
    assert not any("closer" in text for text in words)


def test_losses_on_other_data_are_not_drawn(drawn: dict[str, Drawing]) -> None:
    losses = drawn["losses"].data
    assert len(losses[losses["prompt"] == ""].drop_duplicates(["seed", "step"])) == len(losses[losses["prompt"] == ""])


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_blank_label_is_drawn_as_the_key(blank: str | None) -> None:
    study = make_study(**STUDY)
    for section in (study.traits, study.rates, study.datasets, study.data.questions):
        for key, one in section.items():
            section[key] = one.model_copy(update={"label": blank})
    assert [choices.dataset_label(study, key) for key in study.datasets] == ["subtle"]
    assert [choices.questions_label(study, key) for key in study.data.questions] == ["Far", "Near"]
    assert [choices.trait_label(study, key) for key in study.traits] == [key.capitalize() for key in study.traits]
    rate = next(iter(study.rates))
    assert Panel(rate, "near", "default").heading(study).startswith(f"{rate.capitalize()}: Near")
