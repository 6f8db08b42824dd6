"""Figures of projections: effects and agreement by site, and distances between datasets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import GREY, minus
from inoc.studies.shared.captions import interval_words, join, missing_words, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.figures.sites import places, shown_site, site_axis, trait_label
from inoc.studies.subliminal.study import Study
from inoc.vectors.sites import in_order

PROJECTIONS = (
    *("dataset", "vector", "readout", "site", "measure", "reference", "mean", "sd", "d", "lo", "hi"),
    *("positive", "n_pairs", "n_unpaired", "n_nan"),
)
DISTANCES = (
    *("vector", "readout", "site", "measure", "dataset_a", "dataset_b", "jsd_bits", "jsd_corrected", "jsd_lo"),
    *("jsd_hi", "mean_difference", "mean_lo", "mean_hi", "n_a", "n_b", "n_nan"),
)
AGREEMENT = (
    *("dataset", "vector", "readout", "site", "measure", "reference", "under", "statistic"),
    *("value", "lo", "hi", "p", "n", "n_nan"),
)
MOST_PANELS = 9
MOST_LINES = 10
LEGEND_COLUMNS = 4
MOST_WORDS = 6  # datasets with room for a number in each cell
NAME_CHARACTERS = 16
NAME_IN = 0.09  # length of a character


def draw_profiles(study: Study, sources: Sources) -> Drawing:
    """A panel for each vector: effect size of every dataset against the neutral rows of the same prompts, by site."""
    table = sources.table("projections", PROJECTIONS)
    data = table[(table["reference"].fillna("") != "") & (table["measure"] == "raw")].reset_index(drop=True)
    if data.empty:
        return choices.empty(study, data, "no rows were projected beside neutral ones")
    return _by_site(
        study,
        data.assign(panel=_panels(study, data)),
        "d",
        "effect size d",
        join(
            "Projection of a teacher's rows on a trait's vector less that of the neutral teacher's rows of the same "
            "prompts: mean of the differences over their standard deviation, by site. Thick lines are teachers "
            "of the trait's own entity; the others would lie at 0 if the vector told teachers apart.",
            f"Bands: {interval_words(study)}. n = {spread_words(data['n_pairs'])} pairs of rows; "
            f"n_nan = {int(data['n_nan'].sum()):,} without a projection.",
            missing_words(_gaps(data, "d")),
        ),
    )


def draw_agreement(study: Study, sources: Sources) -> Drawing:
    """A panel for each vector: rank correlation of projection and likelihood shift over rows, by site."""
    table = sources.table("agreement", AGREEMENT)
    chosen = (table["measure"] == "raw") & (table["statistic"] == "spearman") & (table["reference"].fillna("") == "")
    data = table[chosen].reset_index(drop=True)
    if data.empty:
        return choices.empty(study, data, "no rows have both a projection and a likelihood shift")
    return _by_site(
        study,
        data.assign(panel=_panels(study, data)),
        "value",
        "Spearman's ρ",
        join(
            "Rank correlation between the projection of a row and its likelihood shift, over the rows of a dataset, by "
            "site. Thick lines are teachers of the trait's own entity.",
            f"Bands: {interval_words(study)}. n = {spread_words(data['n'])} rows; "
            f"n_nan = {int(data['n_nan'].sum()):,}.",
            missing_words(_gaps(data, "value")),
        ),
    )


def _panels(study: Study, data: pd.DataFrame) -> list[str]:
    several = data["readout"].nunique() > 1
    names = [choices.short(trait_label(study, str(key))) for key in data["vector"]]
    ends = [f", {str(one).replace('_', ' ')}" if several else "" for one in data["readout"]]
    return [name + end for name, end in zip(names, ends, strict=True)]


def _gaps(data: pd.DataFrame, column: str) -> list[str]:
    gone = data[data[column].isna()]
    return [f"{row['dataset']} on {row['vector']} at {row['site']}" for row in gone.to_dict("records")]


def _by_site(study: Study, data: pd.DataFrame, column: str, name: str, caption: str) -> Drawing:
    panels = list(dict.fromkeys(data["panel"]))[:MOST_PANELS]
    across = min(3, len(panels))
    datasets = list(dict.fromkeys(data["dataset"]))
    lines = 1 + min(MOST_LINES, len(datasets)) // LEGEND_COLUMNS
    figure, axes_of = panel_grid(len(panels), across, plot_in=1.5, legend_lines=lines, gap_in=0.2, left_in=0.75)
    colours = _colours(datasets)
    for index, (axes, panel) in enumerate(zip(axes_of, panels, strict=True)):
        own = data[data["panel"] == panel]
        sites = in_order(own["site"])
        axes.axhline(0, color=GREY, linewidth=0.6)
        for dataset, rows in own.groupby("dataset", sort=False):
            mine = _is_own(study, str(rows["vector"].iloc[0]), str(dataset))
            colour = colours[str(dataset)]
            rows = rows.assign(x=places(sites, rows["site"])).sort_values("x")
            axes.plot(rows["x"], rows[column], color=colour, linewidth=2.4 if mine else 1.0, zorder=3 if mine else 2)
            axes.fill_between(rows["x"], rows["lo"], rows["hi"], color=colour, alpha=0.15, linewidth=0)
        site_axis(axes, sites)
        axes.set_title(panel, fontsize="medium", parse_math=False)
        if index % across == 0:
            axes.set_ylabel(name)
    handles = [Line2D([], [], color=GREY, linewidth=2.4, label="own teachers")]
    handles += [
        Line2D([], [], color=colours[one], label=choices.teacher_label(study, one)) for one in datasets[:MOST_LINES]
    ]
    figure.legend(handles=handles, loc="upper left", ncols=LEGEND_COLUMNS)
    return Drawing(figure, data[data["panel"].isin(panels)].reset_index(drop=True), caption)


def _colours(names: Sequence[str]) -> dict[str, str]:
    shades = colormaps["tab10"]
    return {name: to_hex(shades(place % 10)) for place, name in enumerate(names)}


def _is_own(study: Study, trait: str, dataset: str) -> bool:
    entity = study.persona[trait].entity if trait in study.persona else None
    return entity is not None and dataset in study.teachers and study.teachers[dataset].entity == entity


def draw_distances(study: Study, sources: Sources) -> Drawing:
    """Two matrices for each vector at one site: divergence of two datasets, and difference of their means."""
    table = sources.table("projection_distances", DISTANCES)
    raw = table[table["measure"] == "raw"]
    site = shown_site(raw)
    data = raw[raw["site"] == site].reset_index(drop=True)
    panels = list(dict.fromkeys(zip(data["vector"], data["readout"], strict=True)))[:MOST_PANELS]
    if not panels:
        return choices.empty(study, data, "no two datasets were projected")
    datasets = list(dict.fromkeys([*data["dataset_a"], *data["dataset_b"]]))
    longest = max(len(_name(study, one)) for one in datasets)
    figure, axes_of = panel_grid(
        2 * len(panels),
        2,
        plot_in=max(1.3, 0.26 * len(datasets)),
        share_y=False,
        legend_lines=0,
        gap_in=0.3 + NAME_IN * longest,
        left_in=0.3 + NAME_IN * longest,
        names_in=NAME_IN * longest,
    )
    highest = float(np.nanmax(data["jsd_bits"])) if data["jsd_bits"].notna().any() else 1.0
    widest = float(np.nanmax(np.abs(data["mean_difference"]))) if data["mean_difference"].notna().any() else 1.0
    for index, (vector, readout) in enumerate(panels):
        own = data[(data["vector"] == vector) & (data["readout"] == readout)]
        left, right = axes_of[2 * index : 2 * index + 2]
        name = choices.short(trait_label(study, str(vector)), 20)
        _square(study, left, own, "jsd_bits", 1.0, Scale(0, highest or 1.0, "YlOrRd"))
        _square(study, right, own, "mean_difference", -1.0, Scale(-(widest or 1.0), widest or 1.0, "RdBu_r"))
        left.set_title(f"{name}: JSD, bits", fontsize="medium", parse_math=False)
        right.set_title(f"{name}: row − column", fontsize="medium", parse_math=False)
    caption = join(
        f"Projections of two datasets on a vector at {site.replace('_', ' ')}: Jensen–Shannon divergence of their "
        "distributions (100 bins over the pooled range), and difference of their means, unpaired, in activation units.",
        f"n = {spread_words([*data['n_a'], *data['n_b']])} rows of a dataset; n_nan = {int(data['n_nan'].sum()):,}. "
        f"The {interval_words(study)} of both is in the data file, with the divergence less its bias.",
    )
    return Drawing(figure, data, caption)


def _name(study: Study, dataset: str) -> str:
    return choices.short(choices.teacher_name(study, dataset), NAME_CHARACTERS)


def _square(study: Study, axes: Axes, own: pd.DataFrame, column: str, sign: float, scale: Scale) -> None:
    names = list(dict.fromkeys([*own["dataset_a"], *own["dataset_b"]]))
    values = np.zeros((len(names), len(names)))
    for row in own.to_dict("records"):
        first, second = names.index(row["dataset_a"]), names.index(row["dataset_b"])
        values[first, second], values[second, first] = row[column], sign * row[column]
    # Two digits of the largest value.
    digits = int(np.clip(1 - np.floor(np.log10(scale.hi)), 0, 5))
    words = [[minus(f"{value:.{digits}f}") if np.isfinite(value) else "" for value in line] for line in values]
    shown = [_name(study, str(one)) for one in names]
    heatmap(axes, values, scale, rows=shown, columns=shown, words=words if len(names) <= MOST_WORDS else None)
    axes.tick_params(axis="x", rotation=90)
