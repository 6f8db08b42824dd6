"""Figures of single answers: distributions of ratings, categories, ratings of each model by each."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import GREY, PALETTE, new_figure
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.inputs import CATEGORIES
from inoc.studies.preferences.roles import template_of
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.templates import points_of

_CATEGORY_COLOURS = {"answered": "#0072B2", "refused": "#D55E00", "unclear": "#E69F00", "failed": GREY}
_WIDE = 30  # answers of a scale from which on bars touch


def draw_distributions(study: Study, sources: Sources) -> Drawing:
    """A panel for each instrument, with a line of bars for each rater: how often each answer is given."""
    ratings = words.without_contexts(sources.table("ratings", ("instrument", "rater", "value", "category")))
    closed = [key for key, given in study.instruments.items() if template_of(given).kind == "rating"]
    grid = panel_grid(max(1, len(closed)), 2, plot_in=1.7, title_lines=1, share_y=False, gap_in=0.75)
    parts = []
    for axes, key in zip(grid.panels, closed, strict=False):
        own = ratings[(ratings["instrument"] == key) & (ratings["category"] == "answered")]
        parts.append(_shares(study, key, own))
        _bars(study, axes, key, parts[-1])
    if not closed:
        note(grid.panels[0], "the study has no ratings on a scale")
    data = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["instrument", "rater", "share", "n"])
    names = list(dict.fromkeys(data["rater"]))
    # Not by empty bars, which the legend shows in one colour.
    handles = [
        Patch(color=PALETTE[at % len(PALETTE)], label=words.model_label(study, name))
        for at, name in enumerate(study.models)
        if name in names
    ]
    if handles:
        grid.figure.legend(handles=handles, loc="upper left", ncols=min(5, len(handles)))
    caption = words.join(
        "How often each answer is given, as a share of all readable answers; better answers are further right, "
        "whatever "
        "the polarity of the template is.",
        f"{words.count_words(data['n'], 'answers of a rater')}; refused, unclear and failed answers are left out here.",
        "Shares have no interval: they describe the answers that were given.",
    )
    return Drawing(grid.figure, data, caption)


def _shares(study: Study, key: str, own: pd.DataFrame) -> pd.DataFrame:
    points = sorted(points_of(template_of(study.instruments[key])), key=lambda point: point.oriented)
    rows = []
    for rater, part in own.groupby("rater", sort=False):
        counts = part["value"].value_counts()
        rows += [
            (key, rater, point.label, point.oriented, counts.get(point.oriented, 0) / len(part), len(part))
            for point in points
        ]
    return pd.DataFrame(rows, columns=["instrument", "rater", "answer", "value", "share", "n"])


def _bars(study: Study, axes: Axes, key: str, shares: pd.DataFrame) -> None:
    order = sorted(points_of(template_of(study.instruments[key])), key=lambda point: point.oriented)
    names = [name for name in study.models if name in set(shares["rater"])]
    thickness = (1.0 if len(order) > _WIDE else 0.84) / max(1, len(names))
    for at, name in enumerate(names):
        own = shares[shares["rater"] == name]
        spots = np.arange(len(own)) + (at - (len(names) - 1) / 2) * thickness
        colour = PALETTE[list(study.models).index(name) % len(PALETTE)]
        axes.bar(spots, own["share"], width=thickness, color=colour)
    shown = range(0, len(order), max(1, len(order) // 10))
    axes.set_xticks(list(shown), [order[k].label for k in shown])
    axes.set_ylim(bottom=0)
    axes.set_title(words.instrument_label(study, key), loc="left", parse_math=False)
    axes.set_ylabel("share of answers")


def draw_categories(study: Study, sources: Sources) -> Drawing:
    """A row for each instrument, rater and origin: shares of answered, refused, unclear and failed questions."""
    data = categories(sources)
    data["name"] = [words.who_label(study, one.instrument, one.rater) for one in data.itertuples()]
    names = list(dict.fromkeys(data["name"]))
    origins = list(dict.fromkeys(data["origin"]))
    figure = new_figure(1.2 + 0.3 * max(1, len(names)))
    axes = figure.subplots(1, max(1, len(origins)), sharey=True, squeeze=False)[0]
    if not names:
        note(axes[0], "nothing was asked")
    for place, origin in zip(axes, origins, strict=False):
        own = data[data["origin"] == origin].set_index("name").reindex(names)
        left = np.zeros(len(names))
        for category in CATEGORIES:
            share = own[category].fillna(0).to_numpy(dtype=float)
            place.barh(range(len(names)), share, left=left, color=_CATEGORY_COLOURS[category], label=category)
            left += share
        place.set_xlim(0, 1)
        place.set_xticks([0, 0.5, 1], ["0", "", "1"])
        place.set_title(words.wrapped(words.origin_label(study, str(origin)), 70 // len(origins)), parse_math=False)
        place.set_yticks(range(len(names)), names, parse_math=False)
        place.invert_yaxis()
    if names:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=4)
    caption = words.join(
        "Share of the questions that were answered, refused, answered unclearly, or not at all, by origin of the "
        "task (of "
        "the first task of a choice). No category but the first is ever a score.",
        f"{words.count_words(data['n'], 'questions')}; shares have no interval.",
    )
    return Drawing(figure, data, caption)


def categories(sources: Sources) -> pd.DataFrame:
    """Shares of each category: instrument, rater, origin, n and a column for each category."""
    ratings, comparisons = sources.table("ratings"), sources.table("comparisons")
    rankings = sources.table("rankings").drop_duplicates(["rater", "instrument", "group", "seed", "sample"])
    parts = [ratings, comparisons.rename(columns={"origin_a": "origin"}), rankings]
    columns = ["instrument", "rater", "origin", "category"]
    known = [part[columns] for part in parts if len(part)]
    asked = pd.concat(known, ignore_index=True) if known else pd.DataFrame(columns=columns)
    rows = []
    for who, part in asked.groupby(columns[:3], sort=False):
        shares = part["category"].value_counts(normalize=True)
        rows.append((*who, len(part), *(float(shares.get(one, 0.0)) for one in CATEGORIES)))
    return pd.DataFrame(rows, columns=[*columns[:3], "n", *CATEGORIES])


def draw_matrix(study: Study, sources: Sources) -> Drawing:
    """A panel for each rating after the task: mean rating of each completer's answers by each rater."""
    ratings = words.without_contexts(sources.table("ratings", ("completer", "value", "task")))
    ratings = ratings[ratings["completer"] != ""]
    keys = [key for key in study.instruments if (ratings["instrument"] == key).any()]
    grid = panel_grid(
        max(1, len(keys)), 2, plot_in=0.5 + 0.35 * len(study.models), share_y=False, gap_in=1.5, left_in=1.6
    )
    parts = []
    for axes, key in zip(grid.panels, keys, strict=False):
        own = _matrix(ratings[ratings["instrument"] == key])
        parts.append(own.assign(instrument=key))
        table = own.pivot_table(index="rater", columns="completer", values="mean")
        lowest, highest = own["lowest"].min(), own["highest"].max()
        heatmap(
            axes,
            table.to_numpy(dtype=float),
            Scale(float(lowest), float(highest)),
            rows=[words.model_label(study, str(one)) for one in table.index],
            columns=[words.model_label(study, str(one)) for one in table.columns],
            words=[[f"{value:.2f}" for value in line] for line in table.to_numpy(dtype=float)],
        )
        axes.set_title(words.instrument_label(study, key), loc="left", parse_math=False)
        axes.set_xlabel("completed by")
    grid.figure.text(0.005, 0.995, "Rows: rated by", va="top")
    if not keys:
        note(grid.panels[0], "no rating shows completions")
    data = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["instrument", "mean", "n"])
    caption = words.join(
        "Mean rating of each model's completions by each rater, over tasks; higher is better. Compare along a row: "
        "raters use a scale differently.",
        f"{words.count_words(data['n'], 'tasks')} behind each mean; the table has {words.level(study)} intervals "
        "over tasks.",
    )
    return Drawing(grid.figure, data, caption)


def _matrix(own: pd.DataFrame) -> pd.DataFrame:
    from inoc.stats.means import mean_interval

    value = own["expectation"].where(own["expectation"].notna(), own["value"])
    means = value.groupby([own["rater"], own["completer"], own["task"]]).mean()
    rows = []
    for who, part in means.groupby(level=[0, 1], sort=False):
        rater, completer = str(who[0]), str(who[1])  # type: ignore[index]
        found = mean_interval(part.to_numpy(dtype=np.float64))
        scale = own["lowest"].iloc[0], own["highest"].iloc[0]
        rows.append((rater, completer, found.value, found.lo, found.hi, found.n, found.n_nan, *scale))
    columns = ["rater", "completer", "mean", "lo", "hi", "n", "n_nan", "lowest", "highest"]
    return pd.DataFrame(rows, columns=columns)
