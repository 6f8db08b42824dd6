"""Figures with a row for each dataset or prompt: own contrasts, bars by group, controls, parts of the variance."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.bars import Series, grouped_bars, height_of
from inoc.plots.dots import ROW_IN, dot_intervals, name_rows, note
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, ORANGE, PURPLE, SKY, VERMILION, new_figure
from inoc.stats.means import mean_interval
from inoc.studies.likelihood_shift.figures import choices, matrix
from inoc.studies.likelihood_shift.figures.captions import interval_words, join, missing_words, rows_words, spread_words
from inoc.studies.likelihood_shift.figures.choices import STATISTICS, UNIT
from inoc.studies.likelihood_shift.figures.scan import scan_of
from inoc.studies.likelihood_shift.study import Study, own_prompt, prompt_table

OWN_COLUMNS = ("dataset", "prompt", "own_rank", "n_prompts", "contrast", "lo", "hi", "n", "statistic")
ALL = "all"
SHOWN = ("mean", "top20", "top5")
KINDS = {"own": ("own prompt", BLUE), "other": ("other datasets", ORANGE), "none": ("written under no prompt", GREY)}


def draw_own(study: Study, sources: Sources) -> Drawing:
    """Own prompt less the mean of the other candidates for each dataset, with the rank of the own prompt."""
    table = sources.table("columns", OWN_COLUMNS)
    data = table[table["statistic"].isin(SHOWN)].copy()
    statistics = [name for name in SHOWN if (data["statistic"] == name).any()]
    order = _own_order(data, study)
    if not statistics or not order:
        return Drawing(_empty("no dataset was written under a prompt of the study"), data, _own_caption(study, data))
    rows = [*order, ALL] if (data["dataset"] == ALL).any() else order
    names = [choices.dataset_label(study, dataset) for dataset in order]
    names += ["mean over datasets"] if rows != order else []
    left = matrix.label_width(names) + 0.15
    figure, panels = panel_grid(
        len(statistics),
        len(statistics),
        plot_in=0.2 + ROW_IN * len(rows),
        title_lines=1,
        legend_lines=1,
        left_in=left,
        gap_in=1.15,
        share_y=True,
    )
    figure.get_axes()[-1].set_label("own")
    for axes, statistic in zip(panels, statistics, strict=True):
        own = data[data["statistic"] == statistic].drop_duplicates("dataset").set_index("dataset").reindex(rows)
        first = (own["own_rank"] == 1).to_numpy()
        colours = [
            BLACK if dataset == ALL else BLUE if top else VERMILION for dataset, top in zip(rows, first, strict=True)
        ]
        spots = np.arange(len(rows), dtype=float)
        middle, lo, hi = (own[name].to_numpy(float) for name in ("contrast", "lo", "hi"))
        dot_intervals(axes, spots, middle, lo, hi, colours=colours)
        axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
        axes.set_title(STATISTICS[statistic].replace("mean LLS of the ", ""), fontsize="medium")
        axes.set_xlabel(f"contrast ({UNIT})")
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=4)
        for spot, (dataset, row) in zip(spots, own.iterrows(), strict=True):
            axes.text(1.03, spot, _rank(str(dataset), row), transform=axes.get_yaxis_transform(), va="center")
        axes.text(1.03, 1.02, "rank", transform=axes.transAxes, va="bottom")
    right = _narrow(panels, figure)
    del right
    name_rows(panels[0], names)
    for label in panels[0].get_yticklabels():
        label.set_parse_math(False)
    handles = [
        Line2D([], [], linestyle="none", marker="o", color=colour, label=words)
        for words, colour in (
            ("own prompt is the column's largest", BLUE),
            ("another prompt is larger", VERMILION),
            ("over datasets", BLACK),
        )
    ]
    figure.legend(handles=handles, loc="upper left", ncols=3)
    return Drawing(figure, data, _own_caption(study, data))


def _narrow(panels: list[object], figure: Figure) -> None:
    """Make room at the right of the last panel for its ranks."""
    for axes in figure.get_axes():
        place = axes.get_position()
        axes.set_position(
            (place.x0 - 0.0, place.y0, place.width - 0.75 / figure.get_figwidth() / len(panels), place.height)
        )


def _rank(dataset: str, row: pd.Series) -> str:
    if dataset == ALL or not np.isfinite(row["own_rank"]):
        return "" if dataset == ALL else "not known"
    return f"{int(row['own_rank'])} of {int(row['n_prompts'])}"


def _own_order(data: pd.DataFrame, study: Study) -> list[str]:
    """Datasets by the contrast of the mean, the largest on top; those without one at the bottom."""
    first = data[(data["statistic"] == SHOWN[0]) & (data["dataset"] != ALL)].set_index("dataset")["contrast"]
    owned = [key for key in choices.owned_datasets(study) if (data["dataset"] == key).any()]
    value = {key: float(first.get(key, np.nan)) for key in owned}
    return sorted(owned, key=lambda key: (not np.isfinite(value[key]), -value[key] if np.isfinite(value[key]) else 0.0))


def _own_caption(study: Study, data: pd.DataFrame) -> str:
    own = data[(data["statistic"] == "mean") & (data["dataset"] != ALL)]
    first = int((own["own_rank"] == 1).sum())
    gone = [str(dataset) for dataset in own[own["contrast"].isna()]["dataset"]]
    return join(
        "For each dataset, its own prompt less the mean of the other candidates, within the column and paired by row; "
        "and the rank of the own prompt among all prompts of the column.",
        f"By the mean, the own prompt is the column's largest for {first} of {len(own)} datasets.",
        f"Whiskers: {interval_words(study)} over rows; for the mean over datasets, by Student's t over datasets.",
        rows_words(data[data["dataset"] != ALL], "rows behind each contrast"),
        missing_words(gone),
    )


def group_data(study: Study, sources: Sources) -> pd.DataFrame:
    """Mean LLS by group of prompts: on their own datasets, on others that were written under a prompt, and on the rest.

    Returns:
        group, kind (own, other, none), value, lo, hi (Student's t over prompts), n (prompts), n_nan, rows_used.
    """
    scan = scan_of(study, sources, "mean")
    groups = {key: prompt.group for key, prompt in prompt_table(study).items()}
    cells = scan.data.assign(group=scan.data["prompt"].map(groups))
    none = cells["dataset"].isin([key for key in study.datasets if not own_prompt(study, key)])
    cells["kind"] = np.where(cells["own"], "own", np.where(none, "none", "other"))
    rows = []
    for group, kind in itertools.product(study.prompts, KINDS):
        own = cells[(cells["group"] == group) & (cells["kind"] == kind)]
        if own.empty:
            continue
        means = own.groupby("prompt", sort=False)["value"].mean().to_numpy(float)
        found = mean_interval(means, study.statistics.confidence)
        rows.append((group, kind, *found, len(own), own["rows_used"].min(), own["rows_used"].max()))
    names = ["group", "kind", "value", "lo", "hi", "n", "n_nan", "n_cells", "rows_used_least", "rows_used_most"]
    return pd.DataFrame(rows, columns=names)


def draw_groups(study: Study, sources: Sources) -> Drawing:
    """Bars of mean LLS by group of prompts."""
    data = group_data(study, sources)
    groups = list(study.prompts)
    series = []
    for kind, (words, colour) in KINDS.items():
        own = data[data["kind"] == kind].set_index("group").reindex(groups)
        if own["n"].notna().any():
            bounds = [own[name].to_numpy(float) for name in ("value", "lo", "hi")]
            label = words if kind != "own" else "own datasets"
            series.append(Series(label, *bounds, colour, present=own["n"].notna().to_numpy()))
    names = [choices.group_label(study, group) for group in groups]
    figure = matrix.blank(height_of(len(groups), len(series)) + 1.0)
    left = matrix.label_width(names) + 0.1
    axes = matrix.place(figure, left, 0.4, 9.8 - left, height_of(len(groups), len(series)))
    grouped_bars(axes, names, series)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    axes.set_xlabel(f"mean LLS ({UNIT})")
    figure.legend(loc="upper left", ncols=3)
    used = spread_words([*data["rows_used_least"], *data["rows_used_most"]])
    gone = [f"{group}, {KINDS[kind][0]}" for group, kind in _without_value(data, "group", "kind")]
    caption = join(
        "Mean LLS by group of prompts: on the datasets that were written under each prompt, on datasets written under "
        "other prompts, and on those written under none. Groups differ by their template more than by their entity.",
        f"Bars are means over prompts of each prompt's mean over datasets; whiskers: {interval_words(study)} by "
        "Student's t over prompts, not known for a group of one.",
        f"n = {spread_words(data['n'])} prompts behind each bar, of {used} rows used per cell; "
        f"n_nan = {int(data['n_nan'].sum())} prompts without a value.",
        missing_words(gone),
    )
    return Drawing(figure, data, caption)


def _without_value(data: pd.DataFrame, *keys: str) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in data.loc[data["value"].isna(), list(keys)].itertuples(index=False)]


CONTROL_COLUMNS = ("prompt", "against", "value", "lo", "hi", "n")


def draw_controls(study: Study, sources: Sources) -> Drawing:
    """Control prompts beside the candidates: mean over columns."""
    data = sources.table("controls", CONTROL_COLUMNS)
    if data.empty:
        return Drawing(_empty("the study has no control prompts"), data, join("No control prompts; n = 0."))
    names = [
        choices.short(f"{_named(study, prompt)} − {_named(study, against)}" if against else _named(study, prompt), 44)
        for prompt, against in zip(data["prompt"].astype(str), data["against"].astype(str), strict=True)
    ]
    left = matrix.label_width(names) + 0.1
    tall = 0.2 + ROW_IN * len(data)
    figure = matrix.blank(tall + 0.9)
    axes = matrix.place(figure, left, 0.25, 9.8 - left, tall)
    colours = [PURPLE if against else SKY for against in data["against"].astype(str)]
    spots = np.arange(len(data), dtype=float)
    dot_intervals(axes, spots, *(data[name].to_numpy(float) for name in ("value", "lo", "hi")), colours=colours)
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    name_rows(axes, names)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set_xlabel(f"LLS, mean over columns ({UNIT})")
    return Drawing(
        figure,
        data,
        join(
            "Control prompts beside the candidates: mean over the datasets that were written under a prompt.",
            f"Whiskers: {interval_words(study)} by Student's t over datasets. "
            f"n = {spread_words(data['n'])} datasets behind each value.",
            "Rows used per cell are in the table of cells.",
            missing_words([name for name, value in zip(names, data["value"], strict=True) if not np.isfinite(value)]),
        ),
    )


def _named(study: Study, key: str) -> str:
    if key in prompt_table(study):
        return choices.prompt_label(study, key)
    return "mean of the candidates" if key in ("candidates", "candidate") else key.replace("_", " ")


SOURCES = {
    "columns": ("between datasets", BLUE),
    "rows": ("between prompts", ORANGE),
    "interaction": ("interaction", PURPLE),
}


def draw_decomposition(study: Study, sources: Sources) -> Drawing:
    """Shares of the variance of cells between columns, between rows, and in their interaction."""
    data = sources.table("decomposition", ("statistic", "source", "sum_of_squares", "share", "n_rows", "n_columns"))
    statistics = [name for name in STATISTICS if (data["statistic"] == name).any()]
    if not statistics:
        why = "no block of candidates and datasets with an own prompt is complete"
        return Drawing(_empty(why), data, join(f"No decomposition: {why}; n = 0. There is no {interval_words(study)}."))
    series = []
    for source, (words, colour) in SOURCES.items():
        share = data[data["source"] == source].drop_duplicates("statistic").set_index("statistic")["share"]
        middle = 100 * share.reindex(statistics).to_numpy(float)
        unknown = np.full(len(statistics), np.nan)
        series.append(Series(words, middle, unknown, unknown, colour))
    tall = height_of(len(statistics), len(series))
    figure = matrix.blank(tall + 1.0)
    names = [STATISTICS[name] for name in statistics]
    left = matrix.label_width(names) + 0.1
    axes = matrix.place(figure, left, 0.4, 9.7 - left, tall)
    grouped_bars(axes, names, series)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the variance of cells (%)")
    figure.legend(loc="upper left", ncols=3)
    one = data.iloc[0]
    caption = join(
        "Two-way additive fit of the block of candidates and the datasets written under them: shares of the sum of "
        "squares between datasets (columns), between prompts (rows), and in what is left (interaction). A difference "
        "of diagonal and off-diagonal mixes all three; only the interaction is about pairs.",
        f"n = {int(one['n_rows'])} prompts × {int(one['n_columns'])} datasets; shares of this block have no "
        f"{interval_words(study)}. Rows used per cell are in the table of cells.",
        missing_words([f"{row.statistic}, {row.source}" for row in data[data["share"].isna()].itertuples()]),
    )
    return Drawing(figure, data, caption)


def _empty(why: str) -> Figure:
    figure = new_figure(2.4)
    note(figure.subplots(), why)
    return figure
