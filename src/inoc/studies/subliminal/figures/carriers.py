"""Figures of what selects carriers, and of published rates beside the right intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.bars import Series, grouped_bars, height_of
from inoc.plots.dots import ROW_IN, dot_intervals, name_rows
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, new_figure
from inoc.studies.shared.captions import interval_words, join, missing_words, spread_words
from inoc.studies.shared.labels import rule_name
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.study import Study

COLUMNS = (
    *("entity", "family", "question_set", "method", "comparison", "selector", "role", "difference", "lo", "hi"),
    *("p", "n", "n_nan", "n_seeds"),
)
PUBLISHED = ("file", "condition", "entity", "rate", "lo", "hi", "count", "n", "rule")
COLOURS = {"lls": BLUE, "projection": ORANGE, "paired projection": GREEN, "paired lls": "#6baed6"}
CONDITIONS = {"baseline": GREY, "neutral": GREEN, "animal": BLUE}
MOST_ROWS = 40


def draw(study: Study, sources: Sources) -> Drawing:
    """Students of the upper part less those of the lower one, for each rule, and the rules less each other."""
    table = _shown(sources.table("carriers", COLUMNS).fillna({"selector": "", "role": ""}))
    data = table.head(MOST_ROWS).reset_index(drop=True)
    if data.empty:
        return choices.empty(study, data, "no students were trained on an upper and a lower part")
    names = [_name(row) for row in data.to_dict("records")]
    figure = new_figure(0.8 + ROW_IN * len(data))
    axes = figure.subplots()
    middle, lo, hi = (100 * data[name].to_numpy(float) for name in ("difference", "lo", "hi"))
    colours = [COLOURS.get(str(one), BLACK) for one in data["selector"]]
    dot_intervals(axes, np.arange(len(data), dtype=float), middle, lo, hi, colours=colours)
    axes.axvline(0, color=GREY, linewidth=0.8)
    name_rows(axes, names)
    axes.set_xlabel("upper part − lower part (points)")
    more = f"{len(table) - len(data)} more rows are in the table carriers." if len(table) > len(data) else ""
    caption = join(
        "Rate of the entity among students of the upper part of the rows less that among students of the lower part, "
        "for each rule by which rows were divided. Own: rows of the entity's teacher; neutral: those of the neutral "
        "one, the control for what selection does by itself. Black: differences between rules.",
        f"Bars: {interval_words(study)}. n = {spread_words(data['n'])} answers, or pairs of seed and question; "
        f"n_nan = {int(data['n_nan'].sum()):,}.",
        missing_words([name for name, value in zip(names, middle, strict=True) if not np.isfinite(value)]),
        more,
    )
    return Drawing(figure, data, caption)


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of one method, by probabilities if there are such, and of the first set of questions."""
    methods = list(dict.fromkeys(table["method"]))
    method = "choose" if "choose" in methods else next(iter(methods), "")
    own = table[table["method"] == method]
    return own[own["question_set"] == next(iter(own["question_set"]), "")]


def _name(row: dict[object, object]) -> str:
    about = f"{row['entity']}, {row['family']}"
    selector = rule_name(str(row["selector"]))
    if row["comparison"] == "top_minus_bottom":
        return f"{about}: {selector}, {row['role']}"
    if row["comparison"] == "own_minus_neutral":
        return f"{about}: {selector}, own − neutral"
    rules = rule_name(str(row["comparison"]).replace("_minus_", " − "))
    return f"{about}: {rules}" + ("" if row["role"] else ", less neutral")


def draw_published(study: Study, sources: Sources) -> Drawing:
    """Published rates of each entity under three conditions, with the intervals over questions that were published."""
    table = sources.table("published_rates", PUBLISHED)
    halves = table[table["condition"].isin(CONDITIONS) & table["lo"].notna() & (table["count"] < 0)]
    files = list(dict.fromkeys(halves["file"]))
    data = halves[halves["file"] == files[0]].reset_index(drop=True) if files else halves
    if data.empty:
        return choices.empty(study, data, "the release has no published rates with intervals")
    order = data[data["condition"] == "baseline"].sort_values("rate", ascending=False)["entity"].tolist()
    series = []
    for condition, colour in CONDITIONS.items():
        own = data[data["condition"] == condition].set_index("entity").reindex(order)
        rate, lo, hi = (100 * own[name].to_numpy(float) for name in ("rate", "lo", "hi"))
        series.append(Series(condition, rate, np.maximum(lo, 0), hi, colour))
    figure = new_figure(0.7 + height_of(len(order), len(series)))
    axes = figure.subplots()
    grouped_bars(axes, order, series)
    axes.set_xlabel("answers that name the animal (%)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3)
    caption = join(
        "Published rates of the untrained model, of students of neutral numbers, and of students of the animal's "
        "numbers, from the highest baseline to the lowest.",
        f"Bars: published 95 % intervals over 50 questions (rule: {_rules(data)}). "
        f"n = {len(data)} rates; n_nan = {int(data['rate'].isna().sum())}.",
    )
    return Drawing(figure, data, caption)


def _rules(data: pd.DataFrame) -> str:
    found = [one for one in dict.fromkeys(data["rule"]) if one]
    return "; ".join(found) or "not known"
