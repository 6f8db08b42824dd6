"""Precision of contrasts against the number of rows used."""

from __future__ import annotations

from matplotlib.lines import Line2D

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
    axes = matrix.place(figure, 0.9, 0.4, 7.1, 3.4)
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
    axes.grid(visible=True, which="both")
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
        f"n = {spread_words(used)} rows used in the end; half-widths are of the {interval_words(study)}, paired by row.",
        missing_words(gone),
    )
    return Drawing(figure, data, caption)
