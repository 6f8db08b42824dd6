"""Precision of contrasts against the number of rows used."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREEN, GREY, VERMILION, new_figure
from inoc.studies.likelihood_shift.figures import choices, matrix
from inoc.studies.likelihood_shift.figures.choices import UNIT
from inoc.studies.likelihood_shift.study import Study, own_prompt
from inoc.studies.shared.captions import interval_words, join, missing_words, records, spread_words

COLUMNS = ("dataset", "rows", "half_width", "half_width_population", "target", "reached")
MOST_NAMED = 20


def draw(study: Study, sources: Sources) -> Drawing:
    """A line for each dataset, both axes logarithmic; the study's target as a dashed line."""
    data = sources.table("precision", COLUMNS)
    target = float(data["target"].dropna().max())
    # Without a target all rows are scored, and about these nothing is left to chance.
    drawn = "half_width" if np.isfinite(target) else "half_width_population"
    known = data[data["half_width_population"].gt(0) & data["rows"].gt(0)].assign(width=data[drawn])
    datasets = [key for key in study.datasets if (known["dataset"] == key).any()]
    gone = [key for key in study.datasets if key not in datasets]
    if not datasets:
        figure = new_figure(2.4)
        note(figure.subplots(), "precision is not known: no dataset has rows under two prompts")
        return Drawing(figure, data, join(f"No precision is known; n = 0, and there is no {interval_words(study)}."))
    figure = matrix.blank(4.4)
    axes = matrix.place(figure, 1.05, 0.4, 6.95, 3.4)
    last = known.sort_values("rows").groupby("dataset").tail(1)
    _lines(axes, study, known, last, target)
    words = f"half-width of the least precise contrast\n({UNIT})"
    axes.set(xscale="log", yscale="log", xlabel="rows used", ylabel=words)
    positive = known["width"][known["width"] > 0]
    if positive.empty:  # the rows of all datasets are used up
        positive = pd.Series([target])
    for axis, values in ((axes.xaxis, known["rows"]), (axes.yaxis, positive)):
        ticks = round_numbers(float(values.min()), float(values.max()))
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FixedFormatter([f"{tick:,.10g}" for tick in ticks]))
        axis.set_minor_locator(NullLocator())
    _list(axes, study, last.sort_values("width", ascending=False).head(MOST_NAMED))
    kinds = {bool(own_prompt(study, key)) for key in datasets}
    figure.legend(handles=_handles(kinds, has_target=np.isfinite(target)), loc="upper left", ncols=5)
    goal = f"The study's target is {target:g}." if np.isfinite(target) else "The study sets no target."
    caption = join(
        "Half-width of the least precise contrast between two prompts on a dataset, against the rows used; both axes "
        f"are logarithmic, so that 1/√n is a straight line. {_about(has_target=np.isfinite(target))} {goal}",
        f"n = {spread_words(last['rows'])} rows used in the end; half-widths are of the {interval_words(study)}, "
        f"paired "
        "by row.",
        missing_words(gone),
    )
    return Drawing(figure, data, caption)


def _about(*, has_target: bool) -> str:
    """The value that the half-widths are about."""
    if has_target:
        return (
            "Half-widths are about the value over all rows of the dataset, so that they fall to 0 as the rows are used "
            "up; a mark at the lower edge is at 0."
        )
    return "Half-widths are about further rows from where the dataset came from."


def _lines(axes: Axes, study: Study, known: pd.DataFrame, last: pd.DataFrame, target: float) -> None:
    """A line for each dataset, with its end filled if it has reached the target."""
    for key, line in known.sort_values("rows").groupby("dataset", sort=False):
        colour = BLUE if str(key) in study.datasets and own_prompt(study, str(key)) else GREY
        width = line["width"].where(line["width"] > 0)
        axes.plot(line["rows"], width, color=colour, marker="", linewidth=1.0, alpha=0.8)
    if not np.isfinite(target):
        axes.plot(last["rows"], last["width"], "o", color=BLACK)
        return
    reached = last["reached"].fillna(value=False).astype(bool)
    # On a logarithmic axis there is no 0: rows that are used up are marked at its lower edge.
    lowest = min([target, *known["width"][known["width"] > 0]]) / 1.5
    axes.set_yscale("log")
    axes.set_ylim(bottom=lowest)
    height = last["width"].clip(lower=lowest)
    axes.plot(last["rows"][reached], height[reached], "o", color=GREEN, clip_on=False)
    axes.plot(last["rows"][~reached], height[~reached], "o", color=VERMILION, markerfacecolor="white")
    axes.axhline(target, color=BLACK, dashes=(4, 2), linewidth=1.0)


def _list(axes: Axes, study: Study, worst: pd.DataFrame) -> None:
    """The last half-width of each dataset at the right, the largest on top."""
    axes.text(1.015, 1.0, "last half-width", transform=axes.transAxes, va="bottom")
    for index, row in enumerate(records(worst)):
        words = f"{choices.short(choices.dataset_label(study, row['dataset']), 14)} {row['width']:.2g}"
        height = 0.965 - 0.049 * index
        axes.text(1.015, height, words, transform=axes.transAxes, va="center", parse_math=False)


def _handles(kinds: set[bool], *, has_target: bool) -> list[Line2D]:
    names = {True: ("dataset with an own prompt", BLUE), False: ("dataset under no prompt", GREY)}
    handles = [Line2D([], [], color=names[kind][1], label=names[kind][0]) for kind in (True, False) if kind in kinds]
    if has_target:
        handles += [
            Line2D([], [], color=BLACK, dashes=(4, 2), label="target"),
            Line2D([], [], linestyle="none", marker="o", color=GREEN, label="reached"),
            Line2D([], [], linestyle="none", marker="o", color=VERMILION, markerfacecolor="white", label="not reached"),
        ]
    return handles


def round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten from the last at or below the low end to the first at or above the high one."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    steps = [float(f"{factor}e{power}") for power in powers for factor in (1, 2, 5)]
    first = max(step for step in steps if step <= low * (1 + 1e-9))
    last = min(step for step in steps if step >= high * (1 - 1e-9))
    return [step for step in steps if first <= step <= last]
