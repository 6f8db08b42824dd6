"""Figures of vectors: norms and reliability by site, and cosines between traits."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLUE, GREEN, GREY, ORANGE
from inoc.studies.shared.captions import interval_words, join, missing_words, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.figures.sites import places, shown_site, site_axis, trait_label
from inoc.studies.subliminal.study import Study
from inoc.vectors.sites import in_order

VECTORS = (
    *("trait", "readout", "site", "norm", "norm_corrected", "activation_norm"),
    *("split_half", "split_lo", "split_hi", "reliability", "n", "n_nan", "n_questions"),
)
COSINES = (
    *("site", "trait_a", "readout_a", "trait_b", "readout_b", "cosine", "corrected", "lo", "hi"),
    *("ceiling", "n_questions"),
)
COLOURS = {"response_mean": BLUE, "prompt_mean": GREEN, "prompt_last": ORANGE}
MOST_TRAITS = 8
MATRIX_READOUT = "response_mean"


def draw_profiles(study: Study, sources: Sources) -> Drawing:
    """Two panels for each trait: norm over the activations' norm, and split-half cosine, by site."""
    table = sources.table("vectors", VECTORS)
    traits = list(dict.fromkeys(table["trait"]))[:MOST_TRAITS]
    if not traits:
        return choices.empty(study, table, "no trait has a vector")
    figure, axes_of = panel_grid(2 * len(traits), 2, plot_in=1.3, share_y=False, gap_in=0.95, left_in=0.85)
    known = table["activation_norm"].notna().any()
    for index, trait in enumerate(traits):
        own = table[table["trait"] == trait]
        sites = in_order(own["site"])
        left, right = axes_of[2 * index : 2 * index + 2]
        for readout, rows in own.groupby("readout", sort=False):
            colour = COLOURS.get(str(readout), GREY)
            rows = rows.assign(x=places(sites, rows["site"])).sort_values("x")
            left.plot(rows["x"], rows["norm"] / (rows["activation_norm"] if known else 1), color=colour)
            right.plot(rows["x"], rows["split_half"], color=colour)
            right.fill_between(rows["x"], rows["split_lo"], rows["split_hi"], color=colour, alpha=0.15, linewidth=0)
        left.set_ylabel("norm / activations'" if known else "norm")
        right.set_ylabel("split-half cosine")
        right.axhline(0, color=GREY, linewidth=0.6)
        if own["split_half"].isna().all():
            note(right, "not known: the pairs of answers are not there")
        for axes in (left, right):
            if axes.axison:
                site_axis(axes, sites)
            axes.set_title(choices.short(trait_label(study, str(trait))), fontsize="medium", parse_math=False)
        left.set_ylim(bottom=0)
    names = [name for name in COLOURS if (table["readout"] == name).any()]
    handles = [Line2D([], [], color=COLOURS[name], label=name.replace("_", " ")) for name in names]
    figure.legend(handles=handles, loc="upper left", ncols=3)
    data = table[table["trait"].isin(traits)].reset_index(drop=True)
    caption = join(
        "Left: norm of the difference of means, over the mean norm of the activations where that is known. Right: mean "
        "cosine of the vectors from two random halves of the questions, with the middle 95 per cent of the splits, "
        "which is a spread and no confidence interval.",
        f"n = {spread_words(data['n'])} pairs of answers to {spread_words(data['n_questions'])} questions; "
        f"n_nan = {int(data['n_nan'].sum()):,} pairs have no such read-out. The {interval_words(study)} of cosines is "
        "in the table cosines.",
        missing_words(["split-half cosines of vectors of others"] if data["split_half"].isna().all() else []),
    )
    return Drawing(figure, data, caption)


def draw_cosines(study: Study, sources: Sources) -> Drawing:
    """Cosines between the traits' vectors at one site: as they are, and less what noise takes away."""
    table = sources.table("cosines", COSINES)
    own = table[(table["readout_a"] == MATRIX_READOUT) & (table["readout_b"] == MATRIX_READOUT)]
    site = shown_site(own)
    data = own[own["site"] == site].reset_index(drop=True)
    traits = list(dict.fromkeys([*data["trait_a"], *data["trait_b"]]))
    if len(traits) < 2:
        return choices.empty(study, data, "fewer than two traits have a vector")
    figure, axes_of = panel_grid(2, 2, plot_in=2.4, share_y=True, legend_lines=0, left_in=1.3, below_in=0.8)
    names = [choices.short(trait_label(study, one), 16) for one in traits]
    for axes, column, title in zip(
        axes_of, ("cosine", "corrected"), ("as they are", "corrected for noise"), strict=True
    ):
        values = np.eye(len(traits))
        for row in data.to_dict("records"):
            first, second = traits.index(row["trait_a"]), traits.index(row["trait_b"])
            values[first, second] = values[second, first] = row[column]
        words = [[f"{value:.2f}" if np.isfinite(value) else "" for value in line] for line in values]
        heatmap(
            axes, values, Scale(-1, 1, "RdBu_r"), rows=names, columns=names, words=words if len(names) < 9 else None
        )
        axes.tick_params(axis="x", rotation=90)
        axes.set_title(title, fontsize="medium")
    caption = join(
        f"Cosines between the traits' vectors (response mean) at {site.replace('_', ' ')}. A large common part is what "
        "all traits share, such as the mere presence of a system turn. Corrected values use products of different "
        f"questions alone; their {interval_words(study)} is in the data file.",
        f"n = {spread_words(data['n_questions'])} questions; n_nan = {int(data['cosine'].isna().sum())}.",
    )
    return Drawing(figure, data, caption)
