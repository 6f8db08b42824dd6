"""Figures of reliability: seeds, discrimination, consistency, and what more questions buy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from inoc.figures.sources import Sources
from inoc.plots.dots import dot_intervals, name_rows, note
from inoc.plots.labels import place_labels
from inoc.plots.save import Drawing
from inoc.plots.scatter import scatter_intervals
from inoc.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION, new_figure, settle
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.study import Study

KEYS = ("instrument", "rater", "completer")
_FULL = ("seed_r_full", "split_pairs_full", "split_groups_full")


def rows_of(table: pd.DataFrame, statistics: Sequence[str], origin: str = "all") -> pd.DataFrame:
    """Rows of `reliability` of some statistics, in the order of the table."""
    return table[(table["origin"] == origin) & table["statistic"].isin(statistics)].reset_index(drop=True)


def draw_seeds(study: Study, sources: Sources) -> Drawing:
    """A row for each instrument and rater: the correlation of two seeds, and of the mean over all."""
    table = sources.table("reliability", ("statistic", "value", "lo", "hi"))
    data = rows_of(table, ("seed_r", "seed_r_full", "icc2"))
    who = data[list(KEYS)].drop_duplicates().reset_index(drop=True)
    figure = new_figure(1.4 + 0.34 * max(1, len(who)))
    axes = figure.subplots()
    if data.empty:
        note(axes, "no rating was asked with two seeds")
        return Drawing(figure, data, "No rating was asked with two seeds; n = 0, and there is no interval.")
    for name, colour, shift, label in (
        ("seed_r", BLUE, -0.2, "r of two seeds"),
        ("seed_r_full", GREEN, 0.0, "r of means over all seeds"),
        ("icc2", ORANGE, 0.2, "ICC(2,1)"),
    ):
        part = who.merge(data[data["statistic"] == name], on=list(KEYS), how="left")
        columns = (part[one].to_numpy(dtype=float) for one in ("value", "lo", "hi"))
        dot_intervals(axes, np.arange(len(who)) + shift, *columns, colours=[colour] * len(who), label=label)
    name_rows(axes, [words.who_label(study, one.instrument, one.rater, one.completer) for one in who.itertuples()])
    axes.axvline(0, color=BLACK, linewidth=1.0)
    axes.set(xlim=(min(-0.1, float(data["lo"].min())), 1.02), xlabel="agreement of seeds")
    figure.legend(loc="outside upper left", ncols=3)
    caption = words.join(
        "How well two seeds of the same question agree about the tasks, whatever they answer; the mean over all "
        "seeds "
        "by Spearman and Brown's formula.",
        f"{words.count_words(data['n'], 'tasks')}; bars are {words.level(study)} intervals over tasks.",
    )
    return Drawing(figure, data, caption)


def draw_discrimination(study: Study, sources: Sources) -> Drawing:
    """Agreement of seeds against the use of the scale: an instrument should have much of both."""
    table = sources.table("reliability", ("statistic", "value", "lo", "hi"))
    parts = [rows_of(table, (name,)).set_index(list(KEYS)) for name in ("kl_share", "icc2")]
    data = parts[0][["value", "lo", "hi", "n"]].join(parts[1][["value", "lo", "hi"]], rsuffix="_icc", how="inner")
    data = data.reset_index()
    figure = new_figure(3.8)
    axes = figure.subplots()
    if data.empty:
        note(axes, "no rating on a scale was asked with two seeds")
        return Drawing(figure, data, "No rating on a scale was asked with two seeds; n = 0, and there is no interval.")
    names = data["instrument"].tolist()
    colours = dict(zip(dict.fromkeys(names), sns.color_palette("colorblind", len(set(names))).as_hex(), strict=True))
    places = (("value", "lo", "hi"), ("value_icc", "lo_icc", "hi_icc"))
    scatter_intervals(axes, words.spread_points(data, *places, [colours[one] for one in names]))
    for one, colour in colours.items():
        axes.scatter([], [], s=30, c=[colour], label=words.instrument_label(study, one))
    axes.set(xlabel="KL from uniform, share of ln K (1: one answer for all)", ylabel="ICC(2,1) of seeds")
    figure.legend(loc="outside upper left", ncols=3)
    caption = words.join(
        "Agreement of seeds against how unevenly the declared scale is used. An instrument that gives one answer to "
        "all tasks is at the right, and says nothing however stable it is.",
        f"{words.count_words(data['n'], 'answers')}; bars are {words.level(study)} intervals over tasks.",
    )
    return Drawing(figure, data, caption)


def draw_consistency(study: Study, sources: Sources) -> Drawing:
    """The distribution over tasks of how alike their ratings are, by rater."""
    table = sources.table("consistency", ("rater", "rule", "score"))
    # The earlier study's third rule is the same, cut at 0.
    own = table[table["rule"].isin(["scale", "earlier_half_scale"])].dropna(subset=["score"])
    figure = new_figure(3.2)
    axes = figure.subplots()
    if own.empty:
        note(axes, "no rating was asked with two seeds")
        return Drawing(figure, own, "No rating was asked with two seeds; n = 0, and there is no interval.")
    labels = {one: words.model_label(study, one) for one in sorted(set(own["rater"]))}
    plotted = own.assign(rater=own["rater"].map(labels))
    sns.ecdfplot(plotted, x="score", hue="rater", palette="colorblind", ax=axes)
    axes.set(
        xlim=(-0.02, 1.02), xlabel="consistency (1: the same answer from every seed)", ylabel="share of tasks below"
    )
    data = own.groupby("rater")["score"].agg(["mean", "median", "size"]).reset_index()
    caption = words.join(
        "Consistency of the tasks: one less twice the standard deviation between seeds, on the scale from 0 to 1, "
        "so that "
        "models are comparable. The curves are of all tasks and have no interval.",
        f"{words.count_words(data['size'], 'tasks')}.",
    )
    return Drawing(figure, data, caption)


def draw_cost(study: Study, sources: Sources) -> Drawing:
    """Reliability of what each instrument says in the end, against the number of questions that it took."""
    table = sources.table("reliability", ("statistic", "value", "lo", "hi", "n"))
    full = rows_of(table, _FULL)
    asked = rows_of(table, ("answered",))[[*KEYS, "n"]].rename(columns={"n": "questions"})
    data = full.merge(asked, on=list(KEYS), how="inner")
    figure = new_figure(3.6)
    axes = figure.subplots()
    if data["value"].isna().all():
        note(axes, "no instrument has a reliability")
        return Drawing(figure, data, "No instrument has a reliability; n = 0, and there is no interval.")
    kinds = {"seed_r_full": ("ratings", BLUE), "split_pairs_full": ("choices", VERMILION)}
    shades = [kinds.get(one, ("rankings", GREEN))[1] for one in data["statistic"]]
    places = (("questions", "questions", "questions"), ("value", "lo", "hi"))
    scatter_intervals(axes, words.spread_points(data, *places, shades))
    for name, colour in (*kinds.values(), ("rankings", GREEN)):
        axes.scatter([], [], s=30, c=[colour], label=name)
    axes.set_xscale("log")
    words.plain_ticks(axes.xaxis, [step * 10**power for power in range(7) for step in (1, 2, 5)])
    axes.set(xlabel="questions asked", ylabel="reliability of the result")
    axes.axhline(0, color=GREY, linewidth=0.8)
    figure.legend(loc="outside upper left", ncols=3)
    settle(figure)
    _names(axes, data, study)
    caption = words.join(
        "What an instrument's answers are worth together, against their number: the mean over seeds of ratings, and "
        "utilities by halves of pairs or of groups, all stepped up to the whole.",
        f"{words.count_words(data['n'], 'tasks')}; bars are {words.level(study)} intervals over tasks.",
    )
    return Drawing(figure, data, caption)


def _names(axes: Axes, data: pd.DataFrame, study: Study) -> None:
    if len(data) > 12:
        return
    labels = [words.who_label(study, one.instrument, one.rater, one.completer) for one in data.itertuples()]
    place_labels(axes, data["questions"].to_numpy(dtype=float), data["value"].to_numpy(dtype=float), labels)
