"""Figures of utilities: by origin, the strength of the penalty, the active selection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, ORANGE, VERMILION
from inoc.stats.means import mean_interval
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.study import Study

MOST_PANELS = 12


def fit_label(study: Study, fit: object, instrument: object, rater: object, completer: object) -> str:
    """Name of a fit; that of an imported one is its folder's."""
    if str(instrument) in study.instruments and str(fit).startswith(f"{instrument}/"):
        return words.who_label(study, instrument, rater, completer)
    return words.shortened(fit)


def draw_origins(study: Study, sources: Sources) -> Drawing:
    """A panel for each fit: utilities of the tasks of each origin, with their mean and its interval."""
    table = sources.table("utilities", ("fit", "item", "mu", "origin", "component"))
    # -1: an imported fit, of which the components are not known
    table = table[table["component"].isin([0, -1]) & (table["origin"] != "")]
    # Other models of the same comparisons are in the table: they say nearly the same.
    table = table[~table["fit"].str.endswith(tuple(f"/{model}" for model in (*study.fit.models[1:], "online")))]
    fits = list(dict.fromkeys(table["fit"]))[:MOST_PANELS]
    # Names of origins stand at a slant below each row of panels.
    grid = panel_grid(
        max(1, len(fits)), 3, plot_in=1.8, title_lines=4, share_y=False, gap_in=0.5, legend_lines=0, below_in=0.35
    )
    rows: list[tuple[object, ...]] = []
    for axes, fit in zip(grid.panels, fits, strict=False):
        own = table[table["fit"] == fit]
        origins = sorted(set(own["origin"]))
        sns.stripplot(own, x="origin", y="mu", order=origins, color=BLUE, alpha=0.35, size=2.5, jitter=0.25, ax=axes)
        for place, origin in enumerate(origins):
            found = mean_interval(own.loc[own["origin"] == origin, "mu"].to_numpy(dtype=np.float64))
            rows.append((fit, origin, *found))
            axes.errorbar(
                [place],
                [found.value],
                [[found.value - found.lo], [found.hi - found.value]] if found.n > 1 else None,
                fmt="o",
                color=BLACK,
                markersize=4,
                capsize=3,
                zorder=5,
            )
        first = own.iloc[0]
        title = fit_label(study, fit, first["instrument"], first["rater"], first["completer"])
        axes.set_title(words.wrapped(title, 28), loc="left", parse_math=False)
        names = [words.shortened(words.origin_label(study, one), 15) for one in origins]
        axes.set_xticks(range(len(origins)), names, rotation=30, ha="right")
        axes.set(xlabel="", ylabel="utility")
    if not fits:
        note(grid.panels[0], "there are no utilities")
    data = pd.DataFrame(rows, columns=["fit", "origin", "value", "lo", "hi", "n", "n_nan"])
    left = table["fit"].nunique() - len(fits)
    caption = words.join(
        "Utilities of tasks by their origin; black: means. Utilities of two fits have no common scale.",
        f"{left} more fits are in the table." if left > 0 else "",
        f"{words.count_words(data['n'], 'tasks of an origin')}; bars are 95 % intervals over tasks.",
    )
    return Drawing(grid.figure, data, caption)


def draw_penalties(study: Study, sources: Sources) -> Drawing:
    """A panel for each fit: the loss on held-out comparisons at each strength of the penalty."""
    table = sources.table("penalties", ("fit", "folds", "lambda", "loss"))
    fits = list(dict.fromkeys(table["fit"]))[:MOST_PANELS]
    grid = panel_grid(max(1, len(fits)), 3, plot_in=1.6, title_lines=2, share_y=False, gap_in=0.55)
    for axes, fit in zip(grid.panels, fits, strict=False):
        own = table[table["fit"] == fit]
        for folds, colour in (("pairs", BLUE), ("comparisons", ORANGE)):
            part = own[own["folds"] == folds].sort_values("lambda")
            axes.plot(part["lambda"], part["loss"], "o-", color=colour, markersize=4)
        axes.axhline(np.log(2), color=GREY, linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        words.plain_ticks(axes.xaxis, sorted(set(own["lambda"])))
        axes.set(xlabel="strength of the penalty", ylabel="nats per comparison")
        axes.set_title(words.shortened(fit), loc="left", parse_math=False)
    if not fits:
        note(grid.panels[0], "one strength alone was tried")
    for name, colour in (("held-out pairs", BLUE), ("held-out comparisons: the pair is in training too", ORANGE)):
        grid.panels[0].plot([], [], "o-", color=colour, label=name)
    grid.figure.legend(loc="upper left", ncols=2)
    caption = words.join(
        "Loss on held-out comparisons by the strength of the penalty. Strengths are chosen on held-out pairs: where "
        "comparisons of one pair are in training and test, weak penalties look better than they are. Dashed: a coin.",
        f"{words.count_words(table['n'], 'held-out comparisons')}; there is no interval.",
    )
    return Drawing(grid.figure, table.copy(), caption)


def draw_selection(study: Study, sources: Sources) -> Drawing:
    """A panel for each active selection: reliability after every round, beside the correlation of nested fits."""
    table = sources.table("selection_history", ("fit", "round", "reliability", "rank_correlation", "stop"))
    fits = list(dict.fromkeys(table["fit"]))[:MOST_PANELS]
    grid = panel_grid(max(1, len(fits)), 3, plot_in=1.6, title_lines=2, share_y=True, gap_in=0.2)
    for axes, fit in zip(grid.panels, fits, strict=False):
        own = table[table["fit"] == fit].sort_values("round")
        for name, colour, style in (("reliability", BLUE, "o-"), ("rank_correlation", GREY, "s--")):
            axes.plot(own["round"], own[name], style, color=colour, markersize=4)
        if study.selection.target == "split_half" and own["reliability"].notna().any():
            axes.axhline(study.selection.reliability, color=VERMILION, linewidth=0.8)
        first = own.iloc[0]
        title = fit_label(study, fit, first["instrument"], first["rater"], first["completer"])
        axes.set_title(words.wrapped(title, 28), loc="left", parse_math=False)
        axes.set(xlabel="round", ylim=(-0.05, 1.05))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if not fits:
        note(grid.panels[0], "no pairs were selected actively")
    names = (("reliability by halves of pairs", BLUE, "o-"), ("rank correlation with the fit before", GREY, "s--"))
    for name, colour, style in names:
        grid.panels[0].plot([], [], style, color=colour, markersize=4, label=name)
    grid.figure.legend(loc="upper left", ncols=2)
    caption = words.join(
        "Active selections, round by round. Red: the reliability at which a selection ends. The correlation with "
        "the fit "
        "before is that of nested data: it approaches 1 by itself, and ends nothing.",
        f"{words.count_words(table.groupby('fit')['round'].size(), 'rounds')}; there is no interval.",
    )
    return Drawing(grid.figure, table.copy(), caption)
