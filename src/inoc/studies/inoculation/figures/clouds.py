"""Grids of panels in which each prompt is a point with a number, with a line through them and its statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from inoc.plots.dots import note
from inoc.plots.labels import place_labels
from inoc.plots.panels import LEFT_IN, panel_grid
from inoc.plots.scatter import Band, Points, correlation_text, regression, scatter_intervals, statistics_box
from inoc.plots.style import GREY, colours_of, markers_of, new_figure, settle, split
from inoc.stats.bootstrap import Resampler
from inoc.stats.correlation import Correlation, fit_line, pearson, spearman
from inoc.stats.means import MISSING, NAN, Estimate, Floats
from inoc.studies.inoculation.analyse.prediction import prompts_held_out
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.keylist import KeyList
from inoc.studies.inoculation.runs import prompt_families, prompt_texts
from inoc.studies.inoculation.study import Study

PLOT_IN = 1.6
GAP_IN, NAMED_GAP_IN = 0.5, 0.72  # between panels: for the numbers of an axis, and for its name
TWO_LINES_LEFT_IN = 0.95  # for names of the axis in two lines
FARTHEST_PT = 27.0
POINT_COLUMNS = ("prompt", "value", "lo", "hi", "suppression", "suppression_lo", "suppression_hi")
Statistics = dict[str, float]
Lines = Callable[[Statistics], list[str]]


class Cloud(NamedTuple):
    """One panel."""

    points: pd.DataFrame  # columns POINT_COLUMNS and more; a prompt with NaN is not drawn
    x_label: str
    y_label: str  # empty: that of the panel to the left
    statistics: Statistics  # columns of the data, and what the lines above the panel are made of
    constant: bool = False  # the value is the same for every prompt: in the data, but without a panel
    compared: str = ""  # panels of one name share the scale of their x axis; empty: with none


class CloudGrid(NamedTuple):
    """A grid of panels, and its sources."""

    figure: Figure
    data: pd.DataFrame  # the plotted numbers
    alike: list[str]  # x labels of values that are the same for every prompt, which have no panel


def draw_clouds(study: Study, rows: Sequence[Sequence[Cloud]], across: int, lines: Lines) -> CloudGrid:
    """A grid of panels above the list of prompts. All of them share the scale of suppression.

    Args:
        study: Its prompts and families.
        rows: Panels; each row begins on a line of its own. A panel without points, or with a constant value, is left
            out.
        across: Panels in a line.
        lines: What stands above a panel, from its statistics.
    """
    every = [cloud for row in rows for cloud in row]
    alike = list(dict.fromkeys(cloud.x_label for cloud in every if cloud.constant))
    clouds = _packed(rows, across)
    if not clouds:
        figure = new_figure(2.4)
        note(figure.subplots(), "no prompt has both numbers, or they are the same for all prompts")
        return CloudGrid(figure, _data(every), alike)
    shown = {prompt for cloud in clouds if cloud for prompt in known_points(cloud.points)["prompt"]}
    key = KeyList(study, [prompt for prompt in prompt_texts(study) if prompt in shown] or list(prompt_texts(study)))
    inner = any(cloud and cloud.y_label for index, cloud in enumerate(clouds) if index % across)
    figure, grid = panel_grid(
        len(clouds),
        across,
        plot_in=PLOT_IN,
        title_lines=max((len(lines(cloud.statistics)) for cloud in clouds if cloud), default=1),
        legend_lines=0,
        share_y=False,
        gap_in=NAMED_GAP_IN if inner else GAP_IN,
        left_in=TWO_LINES_LEFT_IN if any(cloud and "\n" in cloud.y_label for cloud in clouds) else LEFT_IN,
        below_in=key.height_in,
    )
    panels = []
    for axes, cloud in zip(grid, clouds, strict=True):
        if cloud is None:
            axes.set_visible(False)
        else:
            _panel(axes, study, cloud, lines)
            panels.append((axes, cloud))
    _share_scales(panels)
    settle(figure)
    if key.prompts:
        key.write(split(figure, figure.get_figheight() - key.height_in, key.height_in)[1])
    for axes, cloud in panels:
        points = known_points(cloud.points)
        x, y = points["value"].to_numpy(float), points["suppression"].to_numpy(float)
        place_labels(axes, x, y, [key.label(prompt) for prompt in points["prompt"]], farthest_pt=FARTHEST_PT)
    return CloudGrid(figure, _data(every), alike)


def _data(clouds: Sequence[Cloud]) -> pd.DataFrame:
    parts = [cloud.points.assign(**cloud.statistics, constant=cloud.constant) for cloud in clouds]
    return pd.concat(parts, ignore_index=True)


def _packed(rows: Sequence[Sequence[Cloud]], across: int) -> list[Cloud | None]:
    """Panels that say something, line by line, with None for places left empty; a line's first one keeps its label."""
    packed: list[Cloud | None] = []
    for row in rows:
        said = [cloud for cloud in row if not cloud.constant and len(known_points(cloud.points))]
        for begin in range(0, len(said), across):
            first, *others = said[begin : begin + across]
            same = [cloud._replace(y_label="" if cloud.y_label == first.y_label else cloud.y_label) for cloud in others]
            packed += [first, *same, *([None] * (across - 1 - len(same)))]
    return packed


def _share_scales(panels: Sequence[tuple[Axes, Cloud]]) -> None:
    """Give all panels one scale of suppression, and one scale of the value to those that are compared."""
    low, high = zip(*(axes.get_ylim() for axes, _ in panels), strict=True)
    for axes, _ in panels:
        axes.set_ylim(min(low), max(high))
    for name in {cloud.compared for _, cloud in panels} - {""}:
        own = [axes for axes, cloud in panels if cloud.compared == name]
        low, high = zip(*(axes.get_xlim() for axes in own), strict=True)
        for axes in own:
            axes.set_xlim(min(low), max(high))


def known_points(points: pd.DataFrame) -> pd.DataFrame:
    """Those of which both numbers are known."""
    known: pd.DataFrame = points[points["value"].notna() & points["suppression"].notna()]
    return known


def _panel(axes: Axes, study: Study, cloud: Cloud, lines: Lines) -> None:
    points = known_points(cloud.points)
    names, families = choices.families(study), prompt_families(study)
    colours, markers = colours_of(names), markers_of(names)
    x, x_lo, x_hi, y, y_lo, y_hi = (points[name].to_numpy(float) for name in POINT_COLUMNS[1:])
    line = fit_line(x, y)
    if np.isfinite(line.slope):
        spots = np.linspace(x.min(), x.max(), 60)
        regression(axes, Band(spots, *line.band(spots, study.statistics.confidence)), len(points))
    own = [families[prompt] for prompt in points["prompt"]]
    look = [colours[family] for family in own], [markers[family] for family in own]
    scatter_intervals(axes, Points(x, x_lo, x_hi, y, y_lo, y_hi, *look, np.ones(len(x), bool)))
    axes.margins(x=0.12, y=0.12)
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=1)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.set_xlabel(cloud.x_label)
    axes.set_ylabel(cloud.y_label)
    statistics_box(axes, lines(cloud.statistics))


def correlations_of(
    points: pd.DataFrame, resampler: Resampler, *, held_out: bool = False, constant: bool = False
) -> Statistics:
    """Correlations of the two numbers of a panel, over the prompts that have both.

    Args:
        points: As in `Cloud`.
        resampler: Level of the intervals, and the draws for that of the held-out R².
        held_out: Also r2_out: how well prompts left out in turn are predicted, against the mean of the others.
        constant: The value is one number but for rounding, so there is no correlation.

    Returns:
        n_prompts, r with r_lo, r_hi, p, rho with its bounds, and r2_out with its own.
    """
    known = known_points(points)
    x, y = known["value"].to_numpy(float), known["suppression"].to_numpy(float)
    none = Correlation(NAN, NAN, NAN, NAN, len(known), 0)
    r, rho = (none if constant else measure(x, y, resampler.confidence) for measure in (pearson, spearman))
    found: Statistics = {"n_prompts": float(len(known)), "p": r.p}
    for name, one in (("r", r), ("rho", rho)):
        found |= {name: one.value, f"{name}_lo": one.lo, f"{name}_hi": one.hi}
    if held_out:
        out = held_out_r2(x, y, list(known["prompt"]), resampler) if np.isfinite(r.value) else MISSING
        found |= {"r2_out": out.value, "r2_out_lo": out.lo, "r2_out_hi": out.hi}
    return found


def held_out_r2(x: Floats, y: Floats, prompts: list[str], resampler: Resampler) -> Estimate:
    """R² of a line's leave-prompt-out predictions, against the mean of the others; NaN for fewer than three prompts."""
    return prompts_held_out(x, y, prompts, resampler)


def r_and_p_lines(found: Statistics) -> list[str]:
    """r with its interval, and p with n."""
    return [
        correlation_text("r", found["r"], found["r_lo"], found["r_hi"]),
        f"{probability_text('p', found['p'])}, n = {found['n_prompts']:.0f}",
    ]


def probability_text(name: str, value: float) -> str:
    """`p = 0.03`, `p < 0.001`, or that it is not known."""
    if not np.isfinite(value):
        return f"{name}: none"
    return f"{name} < 0.001" if value < 0.001 else f"{name} = {value:.2g}"


def with_suppression(values: pd.DataFrame, suppression: pd.DataFrame) -> pd.DataFrame:
    """Rows of prompts with their suppression beside the value.

    Args:
        values: Columns prompt, value, lo, hi; one row for each prompt.
        suppression: Columns prompt, suppression, lo, hi, n, n_nan of one trait, prefix and step.
    """
    columns = ["suppression", "lo", "hi", "n", "n_nan"]
    right = suppression.set_index("prompt")[columns].add_prefix("suppression_")
    right = right.rename(columns={"suppression_suppression": "suppression"})
    joined: pd.DataFrame = values.join(right, on="prompt")
    return joined
