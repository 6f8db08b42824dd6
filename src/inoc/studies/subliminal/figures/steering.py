"""Figures of the steering sweep: trait and coherence by site and coefficient, and lines with their intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from inoc.figures.sources import Sources
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, minus
from inoc.studies.shared.captions import interval_words, join, missing_words, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.figures.sites import short_name, trait_label
from inoc.studies.subliminal.study import Study
from inoc.vectors.sites import in_order

COLUMNS = (
    *("trait", "vector", "site", "coefficient", "trait_score", "lo", "hi", "difference", "q", "coherence"),
    *("coherence_lo", "coherence_hi", "coherent_score", "n", "n_nan", "n_incoherent", "n_questions", "is_best"),
)
OWN = "trait"
MOST_TRAITS = 6
LINES = (BLUE, ORANGE, GREEN, BLACK)


def draw_heatmap(study: Study, sources: Sources) -> Drawing:
    """Two matrices for each trait, sites × coefficients: score of the trait, and coherence; the best cell is framed."""
    table = sources.table("steering", COLUMNS)
    own = table[table["vector"] == OWN].reset_index(drop=True)
    traits = list(dict.fromkeys(own["trait"]))[:MOST_TRAITS]
    if not traits:
        return choices.empty(study, own, "nothing was steered")
    rows = max(own.groupby("trait")["site"].nunique())
    figure, axes_of = panel_grid(
        2 * len(traits), 2, plot_in=max(0.8, 0.24 * rows), share_y=False, legend_lines=0, gap_in=0.85, left_in=0.85
    )
    for index, trait in enumerate(traits):
        cells = own[own["trait"] == trait]
        for axes, column in zip(axes_of[2 * index : 2 * index + 2], ("trait_score", "coherence"), strict=True):
            wide = cells.pivot(index="site", columns="coefficient", values=column)
            sites = in_order(wide.index)
            values = wide.reindex(index=sites).to_numpy(float)
            words = [[f"{value:.0f}" if np.isfinite(value) else "" for value in line] for line in values]
            names = [minus(f"{one:g}") for one in wide.columns]
            heatmap(
                axes,
                values,
                Scale(0, 100, "viridis"),
                rows=[short_name(one) for one in sites],
                columns=names,
                words=words,
            )
            best = cells[cells["is_best"].astype(bool)]
            for site, coefficient in best[["site", "coefficient"]].itertuples(index=False):
                spot = (list(wide.columns).index(coefficient) - 0.5, sites.index(str(site)) - 0.5)
                axes.add_patch(Rectangle(spot, 1, 1, fill=False, edgecolor=ORANGE, linewidth=2))
            what = "trait" if column == "trait_score" else "coherence"
            axes.set_title(
                f"{choices.short(trait_label(study, str(trait)), 22)}: {what}", fontsize="medium", parse_math=False
            )
            axes.set_xlabel("coefficient")
            axes.set_ylabel("site (block)")
    gone = own[own["coherence"].isna()]
    caption = join(
        "Mean score of the trait and mean coherence, 0 to 100, by site and coefficient.",
        _questions(study),
        "The frame marks the highest score among cells that are coherent enough.",
        f"n = {spread_words(own['n'])} answers in a cell; n_nan = {int(own['n_nan'].sum()):,} without a score. The "
        f"{interval_words(study)} of every cell, over questions, is in the data file.",
        missing_words(["coherence, which nobody judged"] if len(gone) == len(own) else []),
    )
    return Drawing(figure, own, caption)


def _questions(study: Study) -> str:
    asked = "the vector was made from" if study.imported else "the vector was not made from"
    return f"Answers are to questions that {asked}."


def draw_lines(study: Study, sources: Sources) -> Drawing:
    """Score of each trait by coefficient at each site, with random vectors of the same norm beside it."""
    table = sources.table("steering", COLUMNS)
    traits = list(dict.fromkeys(table["trait"]))[:MOST_TRAITS]
    if not traits:
        return choices.empty(study, table, "nothing was steered")
    across = min(3, len(traits))
    figure, axes_of = panel_grid(len(traits), across, plot_in=1.8, legend_lines=2, gap_in=0.25, left_in=0.7)
    shown: list[pd.DataFrame] = []
    named: dict[str, str] = {}
    for index, (axes, trait) in enumerate(zip(axes_of, traits, strict=True)):
        cells = table[table["trait"] == trait]
        for _, rows in cells[cells["vector"] != OWN].groupby(["vector", "site"], sort=False):
            rows = rows.sort_values("coefficient")
            axes.plot(rows["coefficient"], rows["trait_score"], color=GREY, linewidth=0.8, zorder=1)
            shown.append(rows)
        own = cells[cells["vector"] == OWN]
        for site in _strongest(own):
            rows = own[own["site"] == site].sort_values("coefficient")
            colour = named.setdefault(site, LINES[len(named) % len(LINES)])
            axes.plot(rows["coefficient"], rows["trait_score"], color=colour, marker="o", markersize=3)
            axes.fill_between(rows["coefficient"], rows["lo"], rows["hi"], color=colour, alpha=0.15, linewidth=0)
            shown.append(rows)
        axes.set_title(choices.short(trait_label(study, str(trait))), fontsize="medium", parse_math=False)
        axes.set_xlabel("coefficient")
        if index % across == 0:
            axes.set_ylabel("score of the trait")
    axes_of[0].set_ylim(-3, 103)
    handles = [Line2D([], [], color=colour, marker="o", label=site) for site, colour in named.items()]
    if (table["vector"] != OWN).any():
        handles.append(Line2D([], [], color=GREY, label="random vectors"))
    figure.legend(handles=handles, loc="upper left", ncols=3)
    data = pd.concat(shown, ignore_index=True)
    caption = join(
        "Score of the trait by coefficient, for the trait's own vector at up to four sites, those with the highest "
        "scores, and for random vectors of the same norm. Coefficient 0 is the unsteered model.",
        _questions(study),
        f"Bands: {interval_words(study)} over questions. n = {spread_words(data['n'])} answers behind each point; "
        f"n_nan = {int(data['n_nan'].sum()):,} without a score.",
    )
    return Drawing(figure, data, caption)


def _strongest(own: pd.DataFrame) -> list[str]:
    """Up to four sites with the highest scores, in the order of the forward pass."""
    highest = own.groupby("site")["trait_score"].max().sort_values(ascending=False)
    return in_order(highest.index[: len(LINES)])
