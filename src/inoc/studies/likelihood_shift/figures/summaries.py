"""Figures with a row for each dataset or prompt: own contrasts, bars by group, controls, parts of the variance."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.bars import Series, grouped_bars, height_of
from inoc.plots.dots import ROW_IN, dot_intervals, name_rows, note
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, ORANGE, PURPLE, VERMILION, WIDTH_IN, new_figure
from inoc.stats.means import mean_interval
from inoc.studies.likelihood_shift.figures import choices, matrix
from inoc.studies.likelihood_shift.figures.choices import STATISTICS, UNIT
from inoc.studies.likelihood_shift.figures.scan import scan_of
from inoc.studies.likelihood_shift.study import Study, own_prompt, prompt_table
from inoc.studies.shared.captions import (
    interval_words,
    join,
    missing_words,
    records,
    rows_words,
    spread_words,
)

OWN_COLUMNS = ("dataset", "prompt", "own_rank", "n_prompts", "contrast", "lo", "hi", "n", "statistic")
ALL = "all"
SHOWN = ("mean", "top20", "top5")
RANK_IN = 0.8
"""Kept at the right of a panel for ranks."""
KINDS = {"own": ("own datasets", BLUE), "other": ("other datasets", ORANGE), "none": ("written under no prompt", GREY)}


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
    left, tall = matrix.label_width(names) + 0.15, 0.2 + ROW_IN * len(rows)
    wide = (WIDTH_IN - left) / len(statistics)
    figure = matrix.blank(tall + 1.2)
    for index, statistic in enumerate(statistics):
        axes = matrix.place(figure, left + wide * index, 0.6, wide - RANK_IN, tall)
        own = data[data["statistic"] == statistic].drop_duplicates("dataset").set_index("dataset").reindex(rows)
        _own_panel(axes, own, statistic)
        name_rows(axes, names if index == 0 else [""] * len(names))
        matrix.as_written(axes.get_yticklabels())
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


def _own_panel(axes: Axes, own: pd.DataFrame, statistic: str) -> None:
    whole, first = own.index == ALL, (own["own_rank"] == 1).to_numpy()
    colours = [BLACK if one else BLUE if top else VERMILION for one, top in zip(whole, first, strict=True)]
    spots = np.arange(len(own), dtype=float)
    dot_intervals(axes, spots, *(own[name].to_numpy(float) for name in ("contrast", "lo", "hi")), colours=colours)
    if not np.isfinite(own["contrast"]).any():
        axes.set_xlim(-1, 1)  # crosses alone would leave a range of zero
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    axes.set_title(STATISTICS[statistic].replace("mean LLS of the ", ""), fontsize="medium")
    axes.set_xlabel(f"contrast ({UNIT})")
    axes.locator_params(axis="x", nbins=3)
    for spot, (dataset, row) in zip(spots, own.iterrows(), strict=True):
        axes.text(1.03, spot, _rank(str(dataset), row), transform=axes.get_yaxis_transform(), va="center")
    axes.annotate("rank", (1.03, 1), xytext=(0, 6), xycoords="axes fraction", textcoords="offset points")


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
            middle, lo, hi = (own[name].to_numpy(float) for name in ("value", "lo", "hi"))
            series.append(Series(words, middle, lo, hi, colour, present=own["n"].notna().to_numpy()))
    names = [choices.group_label(study, group) for group in groups]
    figure = matrix.blank(height_of(len(groups), len(series)) + 1.0)
    left = matrix.label_width(names) + 0.1
    axes = matrix.place(figure, left, 0.4, 9.8 - left, height_of(len(groups), len(series)))
    grouped_bars(axes, names, series)
    matrix.as_written(axes.get_yticklabels())
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
    return [tuple(str(row[key]) for key in keys) for row in records(data[data["value"].isna()])]


CONTROL_COLUMNS = ("statistic", "datasets", "prompt", "against", "value", "lo", "hi", "n", "n_nan")
BESIDE = {"own": "own prompt", "others": "other candidates", "candidates": "all candidates"}
ON = {"own": ("datasets written under a prompt", BLUE), "other": ("datasets written under none", GREY)}


def draw_controls(study: Study, sources: Sources) -> Drawing:
    """Control prompts beside the candidates: means over datasets, then with the candidates' mean taken off."""
    table = sources.table("controls", CONTROL_COLUMNS)
    data = table[table["statistic"] == "mean"].reset_index(drop=True)
    if data.empty:
        return Drawing(_empty("the study has no control prompts"), data, _control_caption(study, data))
    data["against"] = data["against"].fillna("").astype(str)
    prompts = list(dict.fromkeys(data["prompt"].astype(str)))
    names = [_named(study, prompt) for prompt in prompts]
    left, tall = matrix.label_width(names) + 0.15, 0.2 + 1.3 * ROW_IN * len(prompts)
    differences = [against for against in dict.fromkeys(data["against"]) if against]
    panels = [("", f"LLS ({UNIT})"), *((one, f"less the {BESIDE.get(one, one)} ({UNIT})") for one in differences)]
    wide = (WIDTH_IN - left) / len(panels)
    figure = matrix.blank(tall + 0.95)
    for index, (against, words) in enumerate(panels):
        axes = matrix.place(figure, left + wide * index, 0.4, wide - 0.25, tall)
        for shift, (key, (_, colour)) in zip((-0.15, 0.15), ON.items(), strict=True):
            own = data[(data["against"] == against) & (data["datasets"] == key)].drop_duplicates("prompt")
            spots = own["prompt"].map({prompt: row for row, prompt in enumerate(prompts)}).to_numpy(float) + shift
            values = (own[name].to_numpy(float) for name in ("value", "lo", "hi"))
            dot_intervals(axes, spots, *values, colours=[colour] * len(own))
        axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
        axes.set_xlabel(words)
        axes.locator_params(axis="x", nbins=4)
        name_rows(axes, names if index == 0 else [""] * len(names))
        matrix.as_written(axes.get_yticklabels())
    shown = [ON[key] for key in ON if (data["datasets"] == key).any()]
    handles = [Line2D([], [], linestyle="none", marker="o", color=colour, label=words) for words, colour in shown]
    figure.legend(handles=handles, loc="upper left", ncols=2)
    return Drawing(figure, data, _control_caption(study, data))


def _control_caption(study: Study, data: pd.DataFrame) -> str:
    gone = [f"{row['prompt']} {row['against']}".strip() for row in records(data[data["value"].isna()])]
    return join(
        "Control prompts beside the candidates: mean LLS over the datasets written under a prompt, and over those "
        "written under none; then the same with the candidates' mean taken off within each dataset. A control of the "
        "candidates' template that is as high as they are shows what the template does.",
        f"Whiskers: {interval_words(study)} by Student's t over datasets.",
        rows_words(data, "datasets behind each value"),
        "Rows used per cell are in the table of cells.",
        missing_words(gone),
    )


def _named(study: Study, key: str) -> str:
    return BESIDE.get(key) or choices.prompt_label(study, key)


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
        missing_words([f"{row['statistic']}, {row['source']}" for row in records(data[data["share"].isna()])]),
    )
    return Drawing(figure, data, caption)


def _empty(why: str) -> Figure:
    figure = new_figure(2.4)
    note(figure.subplots(), why)
    return figure
