"""Figures of a scan: legible, honest about what is missing, and with the drawn numbers beside them."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.spatial.distance import jensenshannon

from inoc.figures.entries import SUFFIXES, entry_of, figure_names, skipped_figures
from inoc.figures.sources import Sources
from inoc.figures.step import draw_figure, write_figure
from inoc.jobs.paths import Paths
from inoc.plots.save import Drawing
from inoc.plots.style import FONT_PT, house_style, settle
from inoc.studies.likelihood_shift.analyse.histograms import BINS, count_rows, edges_of, histogram_rows
from inoc.studies.likelihood_shift.figures import choices, matrix
from inoc.studies.likelihood_shift.figures.distributions import Histogram, rebinned
from inoc.studies.likelihood_shift.figures.entries import ENTRIES
from inoc.studies.likelihood_shift.figures.precision import round_numbers
from inoc.studies.likelihood_shift.figures.scan import normalised
from inoc.studies.likelihood_shift.figures.similarity import filled, tree_of
from inoc.studies.likelihood_shift.figures.students import part_order
from inoc.studies.likelihood_shift.inputs import Column
from inoc.studies.likelihood_shift.study import Study
from support.scan_tables import NAN, make_study, tables_of, write_tables
from support.text_boxes import outside, text_boxes, touching

NAMES = figure_names(ENTRIES, make_study())
GRIDS = ("scan_mean", "combined_mean", "normalised_mean", "sorted_mean", "contrasts", "contrasts_top20", "divergence")
WITHOUT_INTERVAL = {"decomposition", "precision"}


def draw(study: Study, paths: Paths, name: str) -> Drawing:
    drawing = draw_figure(entry_of(ENTRIES, name), study, Sources(paths))
    with house_style():
        settle(drawing.figure)
    return drawing


def faults(figure: Figure) -> list[str]:
    boxes = text_boxes(figure)
    return [*outside(figure, boxes), *touching(boxes)]


def words_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Paths, dict[str, Drawing]]:
    """The published size, 17 prompts and 16 datasets, drawn once."""
    study = make_study()
    paths = write_tables(tmp_path_factory.mktemp("results"), study)
    return study, paths, {name: draw(study, paths, name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_inside_the_canvas_clear_of_one_another_and_large_enough(
    name: str, published: tuple[Study, Paths, dict[str, Drawing]]
) -> None:
    figure = published[2][name].figure
    assert faults(figure) == []
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert min(text.get_fontsize() for text in shown) >= FONT_PT
    assert figure.get_figwidth() == 10


@pytest.mark.parametrize("name", NAMES)
def test_captions_state_n_rows_used_intervals_and_what_is_missing(
    name: str, published: tuple[Study, Paths, dict[str, Drawing]]
) -> None:
    caption = published[2][name].caption
    assert "n = " in caption
    assert "95 % interval" in caption
    assert "rows" in caption.lower()
    assert "No value is missing" in caption
    assert "{" not in caption  # Snakemake reads captions as templates


@pytest.mark.parametrize("name", sorted(set(NAMES) - WITHOUT_INTERVAL))
def test_data_files_hold_intervals_beside_values(name: str, published: tuple[Study, Paths, dict[str, Drawing]]) -> None:
    data = published[2][name].data
    assert {"lo", "hi"} <= set(data) or {"mean_lo", "mean_hi"} <= set(data)


@pytest.mark.parametrize("name", ["precision", "groups", "controls", "own_contrasts", "histograms", "dose_response"])
def test_axes_have_names_with_units(name: str, published: tuple[Study, Paths, dict[str, Drawing]]) -> None:
    words = " ".join(words_of(published[2][name].figure))
    assert "nats per token" in words or "(%)" in words


def test_bars_of_colours_have_units(published: tuple[Study, Paths, dict[str, Drawing]]) -> None:
    assert "mean LLS (nats per token)" in words_of(published[2]["scan_mean"].figure)
    assert "Jensen–Shannon divergence (bits)" in words_of(published[2]["divergence"].figure)


@pytest.mark.parametrize(("name", "column"), [("scan_mean", "value"), ("normalised_mean", "z"), ("contrasts", "value")])
def test_the_numbers_in_the_cells_are_those_of_the_data_file(
    name: str, column: str, published: tuple[Study, Paths, dict[str, Drawing]]
) -> None:
    drawing = published[2][name]
    written = {text for text in words_of(drawing.figure) if text.replace("−", "").replace(".", "").isdigit()}
    digits = 2 if name == "normalised_mean" else 4
    expected = {f"{value:.{digits}f}".replace("-", "−") for value in drawing.data[column].dropna()}
    expected = {text[1:] if float(text.replace("−", "-")) == 0 and text[0] == "−" else text for text in expected}
    assert expected <= written


def test_the_neutral_column_and_the_control_that_is_no_animal_stand_apart_from_the_colours() -> None:
    study = make_study()
    assert choices.split_prompts(study).apart == ["qwen"]
    assert choices.split_prompts(study).main[-1] == "parrot"
    assert choices.split_datasets(study).apart == ["neutral"]


def test_every_form_is_written_1600_pixels_wide(tmp_path: Path) -> None:
    study = make_study(3)
    paths = write_tables(tmp_path, study)
    write_figure(study, paths, entry_of(ENTRIES, "scan_mean"))
    stem = paths.stage("figures") / "scan_mean"
    assert all(stem.with_suffix(f".{suffix}").stat().st_size for suffix in SUFFIXES)
    assert ElementTree.parse(stem.with_suffix(".svg")).getroot().tag.endswith("svg")
    data = pd.read_csv(stem.with_suffix(".csv"))
    assert len(data) == 5 * 4


@pytest.mark.parametrize("name", GRIDS)
def test_a_scan_of_72_prompts_and_40_datasets_is_still_a_figure(name: str, tmp_path: Path) -> None:
    study = make_study(70, 40)
    figure = draw(study, write_tables(tmp_path, study), name).figure
    assert faults(figure) == []
    assert figure.get_figheight() < 20


@pytest.mark.parametrize("name", NAMES)
def test_missing_values_are_shown_as_missing_and_named(name: str, tmp_path: Path) -> None:
    study = make_study(5, 5)
    tables = tables_of(study)
    for table, key, gone in (
        ("cells", "dataset", "cat_numbers"),
        ("contrasts", "dataset", "cat_numbers"),
        ("columns", "dataset", "cat_numbers"),
        ("divergence", "dataset_a", "cat_numbers"),
        ("decomposition", "source", "rows"),
        ("controls", "prompt", "parrot"),
        ("students", "part", "q2"),
        ("rates", "part", "q2"),
        ("dose_response", "part", "q2"),
    ):
        rows = tables[table][key] == gone
        numbers = ("value", "lo", "hi", "contrast", "own_rank", "jsd_bits", "jsd_corrected", "share", "rate")
        tables[table].loc[rows, [column for column in numbers if column in tables[table]]] = NAN
    for table in ("histograms", "precision"):
        tables[table] = tables[table][tables[table]["dataset"] != "cat_numbers"]
    drawing = draw(study, write_tables(tmp_path, study, **tables), name)
    assert faults(drawing.figure) == []
    if name == "groups":  # a mean over datasets has the others
        return
    assert "Not measured" in drawing.caption
    if name.startswith(("scan", "combined", "normalised", "sorted", "contrasts")):
        assert words_of(drawing.figure).count(matrix.MISSING_WORD) >= 6


def test_a_precision_of_rows_that_are_used_up_is_drawn(tmp_path: Path) -> None:
    study = make_study(3)
    table = tables_of(study)["precision"].assign(half_width=0.0, target=0.5, reached=True)
    drawing = draw(study, write_tables(tmp_path, study, precision=table), "precision")
    assert faults(drawing.figure) == []
    assert "a mark at the lower edge is at 0" in drawing.caption


@pytest.mark.parametrize("name", NAMES)
def test_empty_tables_are_drawn_as_a_note(name: str, tmp_path: Path) -> None:
    study = make_study(3)
    empty = {key: table.iloc[:0] for key, table in tables_of(study).items()}
    drawing = draw(study, write_tables(tmp_path, study, **empty), name)
    assert faults(drawing.figure) == []
    assert "n = 0" in drawing.caption


HOSTILE = {"label": "$\\frac{a}$ {x} %d _^&<b> $", "written_under": "bear"}


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_drawn_as_they_are_written(name: str, tmp_path: Path) -> None:
    base = make_study(3)
    datasets = {key: one.model_dump() for key, one in base.datasets.items()}
    datasets["bear_numbers"] |= HOSTILE
    datasets["neutral"] |= {"label": "a very long name that no column of a figure has room for $x$"}
    prompts = {key: one.model_dump() for key, one in base.prompts.items()}
    prompts["animals"] |= {"label": "$broken"}
    targets = {"eagle": {"label": "$\\oops", "judge": {"name": "lexical", "markers": "world"}}}
    study = make_study(3, datasets=datasets, prompts=prompts, students={"epochs": 3, "targets": targets})
    drawing = draw(study, write_tables(tmp_path, study), name)
    assert faults(drawing.figure) == []
    assert not any(character in drawing.caption for character in "{}")


@pytest.mark.parametrize(("prompts", "datasets"), [(1, 2), (2, 3), (6, 7), (30, 8)])
def test_scans_of_other_shapes_are_drawn(prompts: int, datasets: int, tmp_path: Path) -> None:
    study = make_study(prompts, datasets)
    paths = write_tables(tmp_path, study)
    for name in ("scan_mean", "sorted_mean", "contrasts", "own_contrasts", "divergence", "histograms"):
        assert faults(draw(study, paths, name).figure) == [], name


def test_a_study_without_own_prompts_or_students_says_which_figures_it_lacks() -> None:
    datasets = {"one": {"file": "one.jsonl"}, "two": {"file": "two.jsonl"}}
    study = make_study(3, datasets=datasets, splits={}, students=None)
    lacking = {one.what.removeprefix("figure ") for one in skipped_figures(ENTRIES, study)}
    assert {"contrasts", "own_contrasts", "overlays", "dose_response", "epochs"} <= lacking
    assert {"scan_mean", "histograms", "precision"}.isdisjoint(lacking)


def test_a_study_without_own_prompts_is_drawn(tmp_path: Path) -> None:
    datasets = {"one": {"file": "one.jsonl"}, "two": {"file": "two.jsonl"}}
    study = make_study(3, datasets=datasets, splits={}, students=None)
    paths = write_tables(tmp_path, study)
    for name in figure_names(ENTRIES, study):
        assert faults(draw(study, paths, name).figure) == [], name


def test_about_five_figures_are_core_and_names_are_unique() -> None:
    assert sum(entry.core for entry in ENTRIES) == 5
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)


def test_extremes_are_those_of_numpy_and_need_two_values() -> None:
    values = np.array([[1.0, 5.0, np.nan], [4.0, 2.0, 3.0]])
    largest_row, smallest_row, largest_column, smallest_column = matrix.extremes(values)
    assert largest_row == [(0, 1), (1, 0)]
    assert smallest_row == [(0, 0), (1, 1)]
    assert largest_column == [(1, 0), (0, 1)]
    assert smallest_column == [(0, 0), (1, 1)]


def test_normalised_columns_have_the_population_standard_deviation_of_one() -> None:
    values = np.random.default_rng(1).normal(size=(17, 16))
    values[3, 2] = np.nan
    z = normalised(values)
    assert np.nanmean(z, axis=0) == pytest.approx(np.zeros(16), abs=1e-12)
    assert np.nanstd(z, axis=0) == pytest.approx(np.ones(16))
    assert np.isnan(z[3, 2])
    assert (normalised(np.ones((4, 1))) == 0).all()


def test_similar_rows_are_neighbours_in_the_sorted_scan() -> None:
    values = filled(np.array([[0.0, 1, 0], [5, 1, 9], [0.1, 1, 0], [5.2, 1, np.nan]]))
    assert {frozenset(pair) for pair in tree_of(values)[:2, :2].astype(int).tolist()} >= {frozenset({0, 2})}


@given(st.integers(0, 2**31), st.integers(1, 400))
def test_histograms_count_every_finite_row_once(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    shifts = rng.standard_t(2, size=(3, n))
    shifts[0, 0], shifts[1, -1] = np.nan, np.inf
    column = Column("data", [str(row) for row in range(n)], ["a", "b", "c"], shifts, *_unused(n))
    bars = pd.DataFrame(histogram_rows(column))
    assert (bars.groupby("prompt")["count"].sum().reindex(["a", "b", "c"]) == np.isfinite(shifts).sum(axis=1)).all()
    assert bars.groupby("prompt").size().max() <= BINS + 2
    edges = edges_of(shifts)
    assert (np.diff(edges) > 0).all()


def _unused(n: int) -> tuple[np.ndarray, np.ndarray, dict[str, int], int, np.ndarray]:
    return np.full(n, np.nan), np.full(n, -1), {"empty": 2}, n, np.arange(n)


def test_a_column_without_a_finite_shift_has_no_histogram_and_its_rows_are_counted() -> None:
    column = Column("data", ["1"], ["a"], np.full((1, 1), np.nan), *_unused(1))
    assert list(histogram_rows(column)) == []
    assert count_rows(column) == [("data", "scored", 1), ("data", "empty", 2)]


def test_other_bins_keep_the_number_of_rows_and_nearly_their_divergence() -> None:
    rng = np.random.default_rng(2)
    found = []
    edges = np.linspace(-1.5, 1.5, 101)
    for mean in (0.15, -0.11):
        counts, own = np.histogram(rng.normal(mean, 0.15, 20_000), edges_of(rng.normal(mean, 0.15, 20_000)))
        again = rebinned(Histogram(own, counts.astype(float)), edges)
        assert again.counts.sum() == pytest.approx(counts.sum())
        found.append(again.counts)
    exact = [np.diff([0.5 * math.erfc(-(edge - mean) / 0.15 / 2**0.5) for edge in edges]) for mean in (0.15, -0.11)]
    assert jensenshannon(*found, base=2) ** 2 == pytest.approx(jensenshannon(*exact, base=2) ** 2, abs=0.01)


def test_parts_are_ordered_from_low_to_high() -> None:
    assert part_order(["random", "q10", "top", "q2", "bottom", "q1"]) == ["q1", "q2", "q10", "bottom", "top", "random"]


def test_ticks_of_logarithmic_axes_are_round_and_enclose_the_values() -> None:
    assert round_numbers(0.0002, 0.007) == [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01]
    assert round_numbers(100, 100) == [100]


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    study = make_study(4)
    found = []
    for folder in ("one", "two"):
        paths = write_tables(tmp_path / folder, study)
        for name in ("scan_mean", "sorted_mean", "histograms"):
            write_figure(study, paths, entry_of(ENTRIES, name))
        found.append({path.name: path.read_bytes() for path in sorted(paths.stage("figures").iterdir())})
    assert found[0] == found[1]
