"""The plotting functions draw what they are given, where they say."""

from __future__ import annotations

import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from inoc.errors import DataError
from inoc.plots.bars import Series, grouped_bars, height_of, horizontal_bars, reference_line
from inoc.plots.gate import GateCell, cell_text, gate_panel
from inoc.plots.glyphs import PowersOfTen, lacking, without_markup
from inoc.plots.labels import place_labels
from inoc.plots.lines import (
    Layout,
    LineGrid,
    Mark,
    Scale,
    place_steps,
    score_axis,
    step_axis,
    tick_steps,
    value_axis,
    zero_position,
)
from inoc.plots.save import Drawing, save
from inoc.plots.scatter import Points, correlation_text, scatter_intervals
from inoc.plots.style import WIDTH_IN, colours_of, house_style, markers_of, minus, new_figure

NAN = float("nan")
STEPS = st.lists(st.integers(0, 5000), min_size=1, max_size=40, unique=True)


SCALES = st.sampled_from(["linear", "log"])


@given(STEPS, SCALES)
def test_placed_steps_keep_their_order_inside_the_limits(steps: list[int], scale: Scale) -> None:
    ordered = np.array(sorted(steps), dtype=float)
    placed = place_steps(ordered, scale, zero_position(ordered))
    assert (np.diff(placed) > 0).all()
    first, last = step_axis(ordered, scale).limits
    assert first < placed[0]
    assert placed[-1] < last


@given(STEPS)
def test_a_log_axis_labels_steps_with_the_first_and_the_last_among_them(steps: list[int]) -> None:
    ticks = tick_steps(np.array(steps, dtype=float), "log")
    assert set(ticks) <= set(steps)
    assert ticks[0] == min(steps)
    assert ticks[-1] == max(steps)
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= 9


@given(STEPS)
def test_a_linear_axis_labels_few_numbers_between_the_first_and_the_last(steps: list[int]) -> None:
    ticks = tick_steps(np.array(steps, dtype=float), "linear")
    assert ticks == sorted(set(ticks))
    assert min(steps) <= ticks[0]
    assert ticks[-1] <= max(steps)
    assert len(ticks) <= 6


def test_step_zero_has_a_labelled_place_on_the_log_axis() -> None:
    axis = step_axis(np.array([0.0, 5, 10, 20]), "log")
    np.testing.assert_allclose(axis.ticks, np.log([2.5, 5, 10, 20]))
    assert axis.labels == ["0", "5", "10", "20"]


def grid_of(n: int, columns: int = 2, block: int = 2) -> LineGrid:
    return LineGrid(n, Layout(columns, 1.0, block=block), step_axis(np.array([0.0, 10]), "linear"), score_axis())


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 4))
def test_panels_do_not_overlap_and_stay_on_the_figure(n: int, columns: int, block: int) -> None:
    grid = grid_of(n, columns, block)
    corners = np.array([grid.corner(panel) for panel in range(n)])
    assert (corners > 0).all()
    assert (corners[:, 0] + grid.width <= WIDTH_IN).all()
    assert (corners[:, 1] + grid.layout.plot_in <= grid.height).all()
    for (left, low), (other_left, other_low) in combinations(corners, 2):
        apart = abs(left - other_left) >= grid.width or abs(low - other_low) >= grid.layout.plot_in
        assert apart


def test_the_ends_of_the_axes_are_the_corners_of_a_panel() -> None:
    grid = grid_of(3)
    x, y = (np.array(axis.limits) for axis in (grid.x, grid.y))
    left, bottom = grid.corner(2)
    np.testing.assert_allclose(grid.place(2, x, y), [(left, bottom), (left + grid.width, bottom + 1.0)])
    np.testing.assert_allclose(grid.place(2, x, np.array([-50.0, 500.0]))[:, 1], [bottom, bottom + 1.0])


def test_a_gap_in_a_line_stays_open_and_unknown_bounds_leave_the_line() -> None:
    grid = grid_of(1)
    x, middle = np.array([0.0, 2, 4, 6, 8]), np.array([10.0, 20, NAN, 40, 50])
    lo, hi = np.array([5.0, NAN, NAN, 35, 45]), np.array([15.0, NAN, NAN, 45, 55])
    grid.line(0, x, middle, Mark("black", marker="o"), lo, hi)
    figure = grid.finish()
    bands, whiskers, line = (
        next(one for one in figure.axes[0].collections if one.get_zorder() == order) for order in (2, 3, 4)
    )
    expected = grid.place(0, x, middle)
    drawn = [path.vertices for path in line.get_paths()]
    assert len(drawn) == 2
    np.testing.assert_allclose(drawn[0], expected[:2])
    np.testing.assert_allclose(drawn[1], expected[3:])
    assert len(bands.get_paths()) == 2  # the lone first point, and the last two
    assert len(whiskers.get_paths()) == 3
    points = next(one for one in figure.axes[0].lines if one.get_marker() == "o")
    np.testing.assert_allclose(points.get_xydata(), expected[[0, 1, 3, 4]])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_an_axis_of_values_holds_all_of_them_and_few_ticks(values: list[float]) -> None:
    axis = value_axis(np.array([*values, NAN]), "nats")
    assert axis.limits[0] < min(values)
    assert max(values) < axis.limits[1]
    assert ((axis.ticks >= axis.limits[0]) & (axis.ticks <= axis.limits[1])).all()
    assert len(axis.ticks) == len(axis.labels) <= 6


def test_bars_have_their_lengths_and_a_failed_one_is_a_cross() -> None:
    axes = new_figure(2).subplots()
    middle = np.array([10.0, NAN])
    grouped_bars(axes, ["a", "b"], [Series("x", middle, middle - 1, middle + 1, "black", "//")])
    assert [patch.get_width() for patch in axes.patches] == [10.0, 0.0]
    assert all(patch.get_hatch() == "//" for patch in axes.patches)
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert len(crosses) == 1
    assert crosses[0].get_ydata()[0] == 1.0


def test_bars_of_a_group_do_not_overlap_and_absent_ones_leave_no_gap() -> None:
    axes = new_figure(2).subplots()
    ones = np.ones(2)
    first = Series("x", ones, ones, ones, "black", present=np.array([True, False]))
    grouped_bars(axes, ["a", "b"], [first, Series("y", ones, ones, ones, "red")])
    spans = [(patch.get_y(), patch.get_y() + patch.get_height()) for patch in axes.patches]
    assert len(spans) == 3
    for one, other in combinations(spans, 2):
        assert one[1] <= other[0] + 1e-9 or other[1] <= one[0] + 1e-9
    assert sum(spans[2]) / 2 == pytest.approx(1.0)


def test_horizontal_bars_take_a_colour_each() -> None:
    axes = new_figure(2).subplots()
    values = np.array([1.0, 2.0])
    horizontal_bars(axes, ["a", "b"], Series("", values, values, values, "black"), ["red", "blue"])
    assert [patch.get_facecolor()[:3] for patch in axes.patches] == [(1, 0, 0), (0, 0, 1)]


def test_more_categories_make_a_panel_taller() -> None:
    assert height_of(27, 2) - height_of(26, 2) == pytest.approx(height_of(2, 2) - height_of(1, 2))
    assert height_of(27, 2) > height_of(27, 1) > height_of(5, 1)


def test_a_reference_line_that_is_nan_is_not_drawn() -> None:
    axes = new_figure(2).subplots()
    reference_line(axes, NAN, NAN, NAN, colour="black")
    assert not axes.lines
    reference_line(axes, 3.0, 2.0, 4.0, colour="black")
    assert len(axes.lines) == 1


def test_the_gate_writes_each_cell_in_its_place() -> None:
    axes = new_figure(2).subplots()
    cells = {
        (a, b): GateCell(float(i), i - 1.0, i + 1.0)
        for i, (a, b) in enumerate([("without", "without"), ("without", "with"), ("with", "without")], 5)
    }
    gate_panel(axes, {**cells, ("with", "with"): GateCell(NAN, NAN, NAN)}, "x")
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts == {(0.5, 0.5): "5 [4, 6]", (1.5, 0.5): "6 [5, 7]", (0.5, 1.5): "7 [6, 8]", (1.5, 1.5): "failed"}


def test_a_cell_without_interval_says_only_its_mean() -> None:
    assert cell_text(GateCell(12.4, NAN, NAN)) == "12"
    assert cell_text(GateCell(-0.2, -3.0, 2.0)) == "0 [−3, 2]"


@pytest.mark.parametrize(
    ("text", "expected"), [("-0 [-3, +0]", "0 [−3, 0]"), ("-0.00", "0.00"), ("+5 -0.5", "+5 −0.5")]
)
def test_minus_signs_are_true_and_zero_has_none(text: str, expected: str) -> None:
    assert minus(text) == expected


def test_correlations_without_interval_say_so() -> None:
    assert correlation_text("r", 0.5, 0.1, 0.8) == "r = 0.50 [0.10, 0.80]"
    assert correlation_text("r", 0.5, NAN, NAN) == "r = 0.50 [no interval]"
    assert correlation_text("r", NAN, NAN, NAN) == "r: not computable"


def test_points_with_nan_are_not_drawn_and_hollow_ones_are_white() -> None:
    axes = new_figure(2).subplots()
    x, y = np.array([0.0, 1, 2]), np.array([0.0, NAN, 2])
    points = Points(x, x, x, y, y, y, ["red"] * 3, ["o"] * 3, np.array([True, True, False]))
    scatter_intervals(axes, points)
    faces = [tuple(face[:3]) for one in axes.collections if hasattr(one, "get_sizes") for face in one.get_facecolor()]
    assert faces == [(1, 0, 0), (1, 1, 1)]


@pytest.mark.parametrize(("seed", "n"), [(0, 2), (1, 9), (2, 18), (3, 27), (4, 27), (5, 27)])
def test_labels_overlap_neither_each_other_nor_a_point(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    with house_style():
        figure = new_figure(3)
        axes = figure.subplots(1, 4)[0]
        x, y = rng.normal(size=n), rng.normal(size=n)
        axes.scatter(x, y, s=9)
        axes.margins(0.1)
        figure.draw_without_rendering()
        notes = place_labels(axes, x, y, [str(index) for index in range(n)])
        boxes = [note_box(note) for note in notes]
    half = 3 * figure.dpi / 72
    spots = [
        Bbox([(px - half, py - half), (px + half, py + half)])
        for px, py in axes.transData.transform(np.column_stack([x, y]))
    ]
    assert len(notes) == n
    for one, other in combinations(boxes, 2):
        assert not overlap(one, other)
    assert not any(overlap(box, spot) for box in boxes for spot in spots)


def note_box(note: Annotation) -> Bbox:
    """Where the words are, without the line that leads to them."""
    note.update_positions(note.figure.canvas.get_renderer())  # type: ignore[union-attr]
    return Text.get_window_extent(note)


def overlap(one: Bbox, other: Bbox) -> bool:
    return min(one.x1, other.x1) - max(one.x0, other.x0) > 0.5 and min(one.y1, other.y1) - max(one.y0, other.y0) > 0.5


def test_a_point_with_nan_gets_no_label() -> None:
    figure = new_figure(2)
    axes = figure.subplots()
    figure.draw_without_rendering()
    notes = place_labels(axes, np.array([0.2, NAN]), np.array([0.2, 0.3]), ["a", "b"])
    assert [note.get_text() for note in notes] == ["a"]


@given(st.lists(st.text(min_size=1), unique=True, max_size=42))
def test_colour_and_marker_together_tell_names_apart(names: list[str]) -> None:
    pairs = list(zip(colours_of(names).values(), markers_of(names).values(), strict=True))
    assert len(set(pairs)) == len(names)


def test_figures_of_another_width_or_without_caption_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    figure = new_figure(2)
    with pytest.raises(DataError, match="caption"):
        save(Drawing(figure, pd.DataFrame(), " "), tmp_path / "x")
    figure.set_figwidth(WIDTH_IN + 1)
    with pytest.raises(DataError, match="wide"):
        save(Drawing(figure, pd.DataFrame(), "n = 1"), tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_house_style_leaves_the_settings_of_others_alone() -> None:
    import matplotlib as mpl

    mpl.rcParams["font.size"] = 13
    with house_style():
        assert mpl.rcParams["font.size"] == 9
    assert mpl.rcParams["font.size"] == 13
    mpl.rcdefaults()


@pytest.mark.parametrize("label", ["$x_{$", r"\frac{1}{0}$$", "costs $5 and $6", "雪だるま", "\\$ 100 %"])
def test_labels_are_drawn_as_they_are_written(label: str, tmp_path: Path) -> None:
    with warnings.catch_warnings(), house_style():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Glyph")  # silent within the style, which this test turned off
        figure = new_figure(3)
        axes = figure.subplots()
        axes.plot([1, 2], [1, 100], label=label)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(PowersOfTen())
        axes.set_title(label)
        axes.set_xticks([1, 2], [label, "b"])
        axes.legend()
        place_labels(axes, np.array([1.0]), np.array([2.0]), [label])
        save(Drawing(figure, pd.DataFrame({"a": [1]}), "A caption."), tmp_path / "figure")
    text = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert text.count(label) == 4
    assert "10⁰" in text
    assert "mathdefault" not in text


def test_characters_without_a_font_are_told_once_and_silent_while_they_are_drawn(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with house_style():
            figure = new_figure(2)
            figure.subplots().set_title("雪\U0001fae8")
            save(Drawing(figure, pd.DataFrame({"a": [1]}), "A caption."), tmp_path / "figure")
    assert not caught
    assert lacking(["abc äé ² 10⁻³ −", "\n\u2028"]) == ""
    assert "\U0001fae8" in lacking(["\U0001fae8 a", "\U0001fae8"])


@pytest.mark.parametrize(("value", "label"), [(1e-3, "10⁻³"), (1.0, "10⁰"), (1e6, "10⁶")])
def test_powers_of_ten_are_plain_text(value: float, label: str) -> None:
    formatter = PowersOfTen()
    formatter.create_dummy_axis()
    formatter.axis.set_view_interval(1e-6, 1e6)
    assert formatter(value) == label
    assert without_markup(r"$\mathdefault{2\times10^{-12}}$") == "2×10⁻¹²"
