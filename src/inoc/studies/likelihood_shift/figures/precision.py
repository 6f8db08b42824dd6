"""Precision of contrasts against the number of rows used."""

from __future__ import annotations

import math

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREEN, GREY, VERMILION, new_figure
from inoc.studies.likelihood_shift.figures import choices, matrix
from inoc.studies.likelihood_shift.figures.captions import interval_words, join, missing_words, spread_words
from inoc.studies.likelihood_shift.figures.choices import UNIT
from inoc.studies.likelihood_shift.study import Study, own_prompt

COLUMNS = ("dataset", "rows", "half_width", "target", "reached")
MOST_NAMED = 20


def draw(study: Study, sources: Sources) -> Drawing:
    """A line for each dataset, both axes logarithmic; the study's target as a dashed line."""
    data = sources.table("precision", COLUMNS)
    known = data[data["half_width"].gt(0) & data["rows"].gt(0)]
    datasets = [key for key in study.datasets if (known["dataset"] == key).any()]
    gone = [key for key in study.datasets if key not in datasets]
    if not datasets:
        figure = new_figure(2.4)
        note(figure.subplots(), "precision is not known: no dataset has rows under two prompts")
        return Drawing(figure, data, join(f"No precision is known; n = 0, and there is no {interval_words(study)}."))
    figure = matrix.blank(4.4)
    axes = matrix.place(figure, 1.05, 0.4, 6.95, 3.4)
    for key in datasets:
        line = known[known["dataset"] == key].sort_values("rows")
        colour = BLUE if own_prompt(study, key) else GREY
        axes.plot(line["rows"], line["half_width"], color=colour, marker="", linewidth=1.0, alpha=0.8)
        last = line.iloc[-1]
        face = GREEN if bool(last["reached"]) else "white"
        axes.plot(
            [last["rows"]],
            [last["half_width"]],
            "o",
            color=GREEN if bool(last["reached"]) else VERMILION,
            markerfacecolor=face,
        )
    targets = known["target"].dropna()
    if len(targets):
        axes.axhline(float(targets.iloc[0]), color=BLACK, dashes=(4, 2), linewidth=1.0)
    axes.set(
        xscale="log", yscale="log", xlabel="rows used", ylabel=f"half-width of the least precise contrast\n({UNIT})"
    )
    for axis, values in ((axes.xaxis, known["rows"]), (axes.yaxis, known["half_width"])):
        ticks = round_numbers(float(values.min()), float(values.max()))
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FixedFormatter([f"{tick:,.10g}" for tick in ticks]))
        axis.set_minor_locator(NullLocator())
    handles = [Line2D([], [], color=BLUE, label="dataset with an own prompt")]
    handles += (
        [Line2D([], [], color=GREY, label="dataset under no prompt")]
        if any(not own_prompt(study, key) for key in datasets)
        else []
    )
    if len(targets):
        handles += [
            Line2D([], [], color=BLACK, dashes=(4, 2), label="target"),
            Line2D([], [], linestyle="none", marker="o", color=GREEN, label="reached"),
            Line2D([], [], linestyle="none", marker="o", color=VERMILION, markerfacecolor="white", label="not reached"),
        ]
    figure.legend(handles=handles, loc="upper left", ncols=5)
    worst = known.sort_values("rows").groupby("dataset").tail(1).sort_values("half_width", ascending=False)
    axes.text(1.015, 1.0, "last half-width", transform=axes.transAxes, va="bottom")
    for index, row in enumerate(worst.head(MOST_NAMED).itertuples()):
        name = choices.short(choices.dataset_label(study, str(row.dataset)), 16)
        axes.text(
            1.015,
            0.965 - 0.049 * index,
            f"{name} {row.half_width:.2g}",
            transform=axes.transAxes,
            va="center",
            parse_math=False,
        )
    goal = (
        f"The study's target is {float(targets.iloc[0]):g}."
        if len(targets)
        else "The study sets no target, so all rows were used."
    )
    used = known.groupby("dataset")["rows"].max()
    caption = join(
        "Half-width of the least precise contrast between two prompts on a dataset, against the rows used; both axes "
        f"are logarithmic, so that 1/√n is a straight line. {goal}",
        f"n = {spread_words(used)} rows used in the end; half-widths are of the {interval_words(study)}, paired by "
        f"row.",
        missing_words(gone),
    )
    return Drawing(figure, data, caption)


def round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten from the last at or below the low end to the first at or above the high one."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    steps = [float(f"{factor}e{power}") for power in powers for factor in (1, 2, 5)]
    first = max(step for step in steps if step <= low * (1 + 1e-9))
    last = min(step for step in steps if step >= high * (1 - 1e-9))
    return [step for step in steps if first <= step <= last]
