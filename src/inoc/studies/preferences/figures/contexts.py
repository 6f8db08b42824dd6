"""Figures of contexts: ratings in every cell, and what each context adds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.dots import dot_intervals, name_rows, note
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, PALETTE, SKY, VERMILION, new_figure
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.study import NONE, Study

_NAMED = ("instrument", "rater", "context_completion", "context_measurement")


def draw_violins(study: Study, sources: Sources) -> Drawing:
    """A panel for each context of the question, with a violin for each context of the completion."""
    ratings = sources.table("ratings", ("context_completion", "context_measurement", "value", "task"))
    crossed = ratings.groupby("instrument")["context_measurement"].transform("nunique") > 1
    crossed |= ratings.groupby("instrument")["context_completion"].transform("nunique") > 1
    ratings = ratings[crossed]
    places = list(dict.fromkeys(zip(ratings["instrument"], ratings["rater"], strict=True)))
    outer = [one for one in (NONE, *study.contexts.turns) if one in set(ratings["context_measurement"])]
    inner = [one for one in (NONE, *study.contexts.turns) if one in set(ratings["context_completion"])]
    n = max(1, len(places) * max(1, len(outer)))
    grid = panel_grid(n, max(1, len(outer)), plot_in=1.7, title_lines=2)
    parts = []
    panels = iter(grid.panels)
    for instrument, rater in places:
        own = ratings[(ratings["instrument"] == instrument) & (ratings["rater"] == rater)]
        value = own["expectation"].where(own["expectation"].notna(), own["value"])
        means = value.groupby([own["context_measurement"], own["context_completion"], own["task"]]).mean()
        for context in outer:
            axes = next(panels)
            for at, other in enumerate(inner):
                cell = means.get((context, other), pd.Series(dtype=float)).dropna()
                parts.append(_cell(instrument, rater, context, other, cell))
                if len(cell) > 1 and cell.nunique() > 1:
                    bodies: Any = axes.violinplot([cell.to_numpy()], [at], widths=0.8, showextrema=False)["bodies"]
                    for body in bodies:
                        body.set(facecolor=PALETTE[at % len(PALETTE)], alpha=0.55)
                axes.plot([at], [cell.mean()], "o", color=BLACK, markersize=4)
            axes.set_xticks(range(len(inner)), [words.context_label(study, one) for one in inner])
            title = f"{words.who_label(study, instrument, rater)}\nasked under: {words.context_label(study, context)}"
            axes.set_title(title, loc="left", parse_math=False)
            axes.set_xlabel("completed under")
    if not places:
        note(grid.panels[0], "no instrument was asked under several contexts")
    columns = ["instrument", "rater", "context_measurement", "context_completion", "mean", "sd", "n"]
    data = pd.DataFrame(parts, columns=columns)
    caption = words.join(
        "Ratings of tasks by the context under which the question was asked (panels) and the context under which "
        "the task "
        "was completed (violins); dots are means.",
        f"{words.count_words(data['n'], 'tasks in a violin')}; effects with their intervals are in the figure of "
        "effects.",
    )
    return Drawing(grid.figure, data, caption)


def _cell(instrument: str, rater: str, asked: str, done: str, cell: pd.Series) -> tuple[object, ...]:
    spread = float(cell.std()) if len(cell) > 1 else float("nan")
    return instrument, rater, asked, done, float(cell.mean()) if len(cell) else float("nan"), spread, len(cell)


def draw_effects(study: Study, sources: Sources) -> Drawing:
    """A row for each cell: difference from the cell without contexts, and shares of tasks that change."""
    contexts = sources.table("contexts", ("statistic", "value", "lo", "hi", "n"))
    data = contexts[(contexts["origin"] == "all")]
    effects = data[data["statistic"] == "difference"].reset_index(drop=True)
    figure = new_figure(1.4 + 0.26 * max(1, len(effects)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    if effects.empty:
        note(left, "no instrument was asked under several contexts")
        return Drawing(figure, data, "No instrument was asked under several contexts; n = 0, and there is no interval.")
    spots = np.arange(len(effects), dtype=float)
    asked = effects["context_measurement"] != NONE
    colours = [VERMILION if one else BLUE for one in asked]
    dot_intervals(
        left, spots, *(effects[name].to_numpy(dtype=float) for name in ("value", "lo", "hi")), colours=colours
    )
    left.axvline(0, color=BLACK, linewidth=1.0)
    left.set_xlabel("difference from no context, in points of the scale")
    keys = ["instrument", "rater", "completer", "context_completion", "context_measurement"]
    start = np.zeros(len(effects))
    for name, colour in (("lower", VERMILION), ("tie", "#D0D0D0"), ("higher", SKY)):
        shares = effects[keys].merge(data[data["statistic"] == name], on=keys, how="left")["value"].fillna(0)
        right.barh(spots, shares, left=start, color=colour, label=name)
        start += shares.to_numpy(dtype=float)
    right.set(xlim=(0, 1), xlabel="share of tasks")
    name_rows(left, [_row_name(study, *row) for row in zip(*(effects[name] for name in _NAMED), strict=True)])
    figure.legend(loc="outside upper left", ncols=3)
    caption = words.join(
        "What contexts add to ratings, paired by task, against no context at all; red dots: cells in which the "
        "question "
        "itself was asked under a context. Tasks are the same in all cells.",
        f"{words.count_words(effects['n'], 'tasks')}; bars are {words.level(study)} intervals over tasks. The "
        "shares of tasks "
        "that are rated higher, the same and lower add up to 1.",
    )
    return Drawing(figure, data, caption)


def _row_name(study: Study, instrument: object, rater: object, completion: object, question: object) -> str:
    done, asked = (words.context_label(study, one) for one in (completion, question))
    return f"{words.who_label(study, instrument, rater)}; done: {done}; asked: {asked}"
