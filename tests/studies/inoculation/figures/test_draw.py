"""Every figure is written in four forms, with intervals and an honest caption."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.legend import Legend
from matplotlib.text import Text

from inoc.errors import DataError
from inoc.figures.entries import SUFFIXES, entry_of, figure_names
from inoc.figures.sources import Sources
from inoc.figures.step import Plan, draw_all, draw_figure, run
from inoc.plots.save import Drawing, save
from inoc.plots.style import FONT_PT, house_style
from inoc.studies.inoculation.figures import angles, choices
from inoc.studies.inoculation.figures.bars import prompts_by_elicitation
from inoc.studies.inoculation.figures.captions import failed_words, n_words
from inoc.studies.inoculation.figures.catalogue import ENTRIES
from inoc.studies.inoculation.figures.entries import geometry
from inoc.studies.inoculation.figures.losses import pool_seeds, thinned
from inoc.studies.inoculation.figures.scatter import heuristics
from inoc.studies.shared.captions import rst
from support.study_tables import FakeJob, make_study, write_tables

NAMES = figure_names(ENTRIES, make_study())
PAIRWISE = {"angles_pairwise_fixed", "angles_pairwise_mix"}  # single angles, which have no interval
UNHURT = {
    "losses",
    "angles_groups",
    "component_correlations",
    "prompts_pca_fixed",
    "heuristic_overview",
}  # the holes are not in these
# Figures that one function draws with another trait, prefix or method are as good as the first of them.
TWINS = {
    *("metrics_basic_wanted", "metrics_extended_wanted", "prompts_pca_mix", "prompts_plane_svd", "prompts_space_pca"),
    *("angles_pairwise_mix", "fixed_mix_gap_wanted", "fixed_mix_suppression_unwanted", "fixed_mix_suppression_wanted"),
}
ALIKE = {"curves_log", "panels_cross", "panels_gap", "slides_ph", "slides_component", "token_ccdf", "rate_change"}
"""Figures that are laid out as another one is."""
KINDS = [name for name in NAMES if name not in TWINS]


class Drawn(FakeJob):
    """A job, and its figures as they were written."""

    drawings: dict[str, Drawing]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """A study with holes, drawn once."""
    job = Drawn(make_study(), tmp_path_factory.mktemp("results"))
    write_tables(job.paths, job.study)
    job.drawings = {name: draw_figure(entry_of(ENTRIES, name), job.study, Sources(job.paths)) for name in KINDS}
    for name, drawing in job.drawings.items():
        save(drawing, job.paths.stage("figures") / name)
    return job


def test_a_study_is_drawn_in_one_process_or_in_two_with_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for jobs in (1, 2):
        job = FakeJob(make_study(prompts={}, runs=[{}]), tmp_path / str(jobs))
        job.jobs = jobs
        write_tables(job.paths, job.study, holes=False)
        assert run(job, Plan(job.study, ENTRIES)).startswith("4 figures, ")  # type: ignore[arg-type]
        found.append({path.name: path.read_bytes() for path in sorted(job.paths.stage("figures").iterdir())})
    assert found[0] == found[1]
    assert len(found[0]) == 4 * len(SUFFIXES) + 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_names_the_figure(jobs: int, tmp_path: Path) -> None:
    job = FakeJob(make_study(), tmp_path)
    write_tables(job.paths, job.study)
    pd.read_parquet(job.paths.table("gate")).drop(columns="interaction").to_parquet(job.paths.table("gate"))
    with pytest.raises(DataError, match=r"figure gate: .*interaction"):
        chosen = [entry_of(ENTRIES, name) for name in ("gate", "elicitation")]
        list(draw_all(job.study, job.paths, chosen, jobs))


def file_of(job: FakeJob, name: str, suffix: str) -> Path:
    return job.paths.stage("figures") / f"{name}.{suffix}"


@pytest.mark.parametrize("name", KINDS)
def test_every_figure_is_written_in_all_forms(drawn: Drawn, name: str) -> None:
    assert all(file_of(drawn, name, suffix).stat().st_size for suffix in SUFFIXES)
    assert not list(drawn.paths.stage("figures").glob(".*"))


@pytest.mark.parametrize("name", KINDS)
def test_the_png_is_1600_pixels_wide_and_the_svg_is_well_formed(drawn: Drawn, name: str) -> None:
    assert matplotlib.image.imread(file_of(drawn, name, "png")).shape[1] == 1600
    root = ElementTree.parse(file_of(drawn, name, "svg")).getroot()
    assert root.tag.endswith("svg")


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"angles_prompts", *PAIRWISE}))
def test_the_plotted_data_has_intervals_around_its_values(drawn: Drawn, name: str) -> None:
    data = pd.read_csv(file_of(drawn, name, "csv"))
    bounds = [(column[:-2], column) for column in data if column == "lo" or column.endswith("_lo")]
    assert bounds
    known = 0
    for stem, low in bounds:
        pair = data[[low, f"{stem}hi"]].dropna()
        assert (pair[low] <= pair[f"{stem}hi"]).all()
        known += len(pair)
    assert known
    assert {"n", "n_nan"} <= set(data) or name == "angles_groups"


@pytest.mark.parametrize("name", KINDS)
def test_the_caption_states_n_the_interval_and_the_seeds(drawn: Drawn, name: str) -> None:
    caption = file_of(drawn, name, "rst").read_text()
    assert "n = " in caption
    assert "95 % interval" in caption
    assert "seed" in caption
    assert "{" not in caption  # Snakemake reads captions as templates


@pytest.mark.parametrize("name", sorted(set(KINDS) - UNHURT))
def test_failed_cells_are_named_in_the_caption(drawn: Drawn, name: str) -> None:
    caption = file_of(drawn, name, "rst").read_text()
    assert "clown" in caption.partition("Failed cells")[2]


def test_drawing_twice_gives_the_same_bytes(drawn: Drawn, tmp_path: Path) -> None:
    again = FakeJob(drawn.study, tmp_path)
    write_tables(again.paths, again.study)
    for name in ("bars", "combined", "pca", "dimensions", "angles_pairwise_fixed"):
        save(
            draw_figure(entry_of(ENTRIES, name), again.study, Sources(again.paths)), again.paths.stage("figures") / name
        )
        for suffix in SUFFIXES:
            assert file_of(again, name, suffix).read_bytes() == file_of(drawn, name, suffix).read_bytes()


@pytest.mark.parametrize("name", KINDS)
def test_tables_without_a_single_number_are_drawn_too(name: str, tmp_path: Path) -> None:
    job = FakeJob(make_study(), tmp_path)
    write_tables(job.paths, job.study)
    for path in sorted(job.paths.stage("analyse").glob("*.parquet")):
        frame = pd.read_parquet(path)
        keys = {"learning_rate", "step", "seed", "component", "dimension", "place", "other_place", "n_pairs"}
        keys |= {"n", "n_nan", "n_prompts"}
        numbers = [column for column in frame.select_dtypes("number") if column not in keys]
        frame.assign(**dict.fromkeys(numbers, np.nan), n=0, n_nan=7).to_parquet(path, index=False)
    drawing = draw_figure(entry_of(ENTRIES, name), job.study, Sources(job.paths))
    drawing.figure.draw_without_rendering()
    assert "n" in drawing.caption


@pytest.mark.filterwarnings("error")  # a layout that does not fit is only warned of
@pytest.mark.parametrize(
    "changes",
    [
        {"runs": [{}], "prompts": {}},
        {"runs": [{"prompts": ["clown"], "prefixes": ["mix"]}]},
        {"runs": [{"prompts": ["clown", "sky_is_blue"], "learning_rates": [1e-4, 1e-5], "seeds": [3]}]},
        {"runs": [{}], "training": {"steps": 60, "seeds": [0], "checkpoints": "ends"}},
        {"runs": [], "elicitation": {"prefixes": ["fixed", "mix"]}},
    ],
)
def test_small_and_odd_studies_are_drawn(changes: dict[str, Any], tmp_path: Path) -> None:
    job = FakeJob(make_study(**changes), tmp_path)
    write_tables(job.paths, job.study, holes=False)
    placed = {entry.name for entry in geometry.ENTRIES}
    for name in figure_names(ENTRIES, job.study):
        # What has mixes alone is the oddest of them for these figures.
        if name in TWINS | ALIKE or (name in placed and choices.trained_prefixes(job.study) != ["mix"]):
            continue
        figure = draw_figure(entry_of(ENTRIES, name), job.study, Sources(job.paths)).figure
        with house_style():
            figure.draw_without_rendering()
        for legend in figure.findobj(Legend):
            box = legend.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= figure.bbox.width
            assert 0 <= box.y0 < box.y1 <= figure.bbox.height


@pytest.mark.parametrize("name", KINDS)
def test_no_text_is_smaller_than_nine_points_or_outside_the_figure(drawn: Drawn, name: str) -> None:
    figure = drawn.drawings[name].figure
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert min(text.get_fontsize() for text in shown) >= FONT_PT
    titles = [axes.title for part in (figure, *figure.subfigs) for axes in part.axes if axes.get_visible()]
    titles += [axes._left_title for part in (figure, *figure.subfigs) for axes in part.axes if axes.get_visible()]  # type: ignore[attr-defined]
    for text in titles:
        if text.get_text():
            assert text.get_window_extent().x1 <= figure.bbox.width + 1


def test_a_table_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    job = FakeJob(make_study(), tmp_path)
    write_tables(job.paths, job.study)
    pd.read_parquet(job.paths.table("gate")).drop(columns="interaction").to_parquet(job.paths.table("gate"))
    with pytest.raises(DataError, match="interaction"):
        draw_figure(entry_of(ENTRIES, "gate"), job.study, Sources(job.paths))


def test_prompts_are_ordered_by_elicitation_and_unknown_ones_come_last() -> None:
    rows = [("clown", 10.0), ("comedian", 50.0), ("sky_is_blue", np.nan)]
    table = pd.DataFrame(rows, columns=["prompt", "value"]).assign(trait="playful", prefix="fixed")
    order = prompts_by_elicitation(make_study(), table, ["sky_is_blue", "clown", "had_fun_today", "comedian"])
    assert order == ["comedian", "clown", "sky_is_blue", "had_fun_today"]


def test_ppd_is_that_of_the_wanted_trait_if_there_is_one() -> None:
    table = pd.DataFrame([("cross_ppd", "french"), ("ppd", "all")], columns=["predictor", "trait"])
    assert [one.predictor for one in heuristics(make_study(), table, "playful")][2] == "cross_ppd"
    assert [one.predictor for one in heuristics(make_study(), table.iloc[1:], "playful")][2] == "ppd"


def losses_of(steps: list[int], loss: list[float], prompt: str = "clown") -> pd.DataFrame:
    cell = {"prompt": prompt, "prefix": "fixed", "learning_rate": 1e-4, "seed": 0}
    return pd.DataFrame({**cell, "step": steps, "loss": loss})


def test_a_curve_is_drawn_with_means_over_as_many_steps_as_are_set() -> None:
    found = thinned(losses_of(list(range(1, 8)), [1.0, 2, 3, 4, 5, 6, np.nan]), 3)
    assert found["step"].tolist() == [3, 6, 7]
    assert found["loss"].tolist()[:2] == [2.0, 5.0]
    assert np.isnan(found["loss"][2])


def test_a_curve_with_fewer_points_than_are_set_is_drawn_as_it_is() -> None:
    coarse = pd.concat([losses_of([20, 40, 60], [3.0, 2.0, 1.0]), losses_of([20], [5.0], prompt="sky")])
    pd.testing.assert_frame_equal(thinned(coarse, 10), coarse.reset_index(drop=True))
    assert thinned(coarse.head(0), 10).empty


def test_pooled_losses_are_the_mean_over_seeds_and_count_nan() -> None:
    frame = pd.DataFrame({"seed": [0, 1, 2], "loss": [1.0, 3.0, np.nan]})
    frame = frame.assign(prompt="clown", prefix="fixed", learning_rate=0.1, step=10)
    pooled = pool_seeds(frame, 0.95).iloc[0]
    assert pooled["loss"] == 2.0
    assert (pooled["n"], pooled["n_nan"]) == (2, 1)
    assert pooled["hi"] - pooled["loss"] == pytest.approx(12.7062047, rel=1e-6)


def test_captions_escape_what_markup_would_read() -> None:
    assert rst("a_b *c* {{d}}") == r"a\_b \*c\* ((d))"


def test_failed_words_count_points_of_one_cell_and_use_the_share_of_nan() -> None:
    frame = pd.DataFrame({"value": [1.0, np.nan, 3.0], "n": [5, 0, 9], "n_nan": [5, 10, 1]})
    words = failed_words(frame, ["a", "a", "b"], "value", 0.1)
    assert "n_nan = 16" in words
    assert "a (2 of 2 points)." in words
    assert failed_words(frame.iloc[2:], ["b"], "value", 0.1).endswith("No cell failed.")


def test_n_is_a_range_if_cells_differ() -> None:
    assert n_words(pd.Series([3, 5]), "pairs") == "n = 3 to 5 pairs"
    assert n_words(pd.Series([], dtype=float), "pairs") == "n = 0 pairs"


def test_a_matrix_of_very_many_prompts_has_few_numbers_and_no_names(
    drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(angles, "MOST_NAMED", 3)
    monkeypatch.setattr(angles, "EVERY", 2)
    drawing = draw_figure(entry_of(ENTRIES, "angles_pairwise_fixed"), drawn.study, Sources(drawn.paths))
    n = drawing.data["prompt"].nunique()
    places = [str(place) for place in range(2, n + 1, 2)]
    panel = drawing.figure.axes[0]
    for labels in (panel.get_xticklabels(), panel.get_yticklabels()):
        assert [label.get_text() for label in labels] == places
    assert "numbers are places in that order" in drawing.caption
    usual = file_of(drawn, "angles_pairwise_fixed", "rst").read_text()
    assert "names are coloured by family. Grey: no angle" in usual
