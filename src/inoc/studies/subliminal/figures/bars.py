"""Figure of preferences: the untrained model, the neutral student and the own teacher's student, for each entity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.bars import Series, grouped_bars, height_of
from inoc.plots.save import Drawing
from inoc.plots.style import BLUE, GREY, ORANGE, new_figure
from inoc.studies.shared.captions import interval_words, join, missing_words, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.runs import UNTRAINED, group_neutral
from inoc.studies.subliminal.study import Study

COLUMNS = (
    *("student", "group", "teacher", "part", "base", "epoch", "entity", "question_set", "method"),
    *("rate", "lo", "hi", "n", "n_unclear", "n_seeds", "is_last"),
)
LIGHT = "#C4C4C4"
LABELS = {"untrained": "untrained model", "neutral": "student of neutral rows", "own": "student of own teacher"}


def draw(study: Study, sources: Sources, method: str) -> Drawing:
    """Bars for each entity, sorted by the untrained model's rate, a panel for each group of whole teachers."""
    table = choices.shown(study, sources.table("rates", COLUMNS), method)
    groups = [key for key, spec in study.students.items() if spec.split is None]
    panels = {key: found for key in groups if len(found := _panel(study, table, key))}
    if not panels:
        return choices.empty(study, table, "no student of a teacher with a measured entity has been asked")
    heights = [0.35 + height_of(found["entity"].nunique(), 3) for found in panels.values()]
    figure = new_figure(sum(heights) + 0.5)
    axes_of = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (key, found) in zip(axes_of, panels.items(), strict=True):
        order = _order(found)
        grouped_bars(axes, [entity.replace("_", " ") for entity in order], _series(found, order))
        axes.set_title(choices.group_label(study, key), fontsize="medium", parse_math=False, loc="left")
        axes.set_xlim(left=0)
    axes_of[-1].set_xlabel("probability of the name (%)" if method == "choose" else "answers with the name (%)")
    # A panel may lack a bar, such as that of neutral rows, which others have.
    named = {label: one for axes in axes_of for one, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    shown = [label for label in LABELS.values() if label in named]
    figure.legend([named[label] for label in shown], shown, loc="outside upper left", ncols=3)
    data = pd.concat([found.assign(panel=key) for key, found in panels.items()], ignore_index=True)
    return Drawing(figure, data, _caption(study, data, method))


def _panel(study: Study, table: pd.DataFrame, group: str) -> pd.DataFrame:
    """Rows of a group: untrained, neutral and own, for the entities of its teachers."""
    base = study.students[group].base
    last = table[(table["group"] == group) & table["is_last"].astype(bool)]
    own = last[
        [study.teachers[key].entity == entity for key, entity in zip(last["teacher"], last["entity"], strict=True)]
    ]
    entities = list(dict.fromkeys(own["entity"]))
    untrained = table[(table["student"] == UNTRAINED) & (table["base"] == base)]
    neutral = last[last["teacher"] == group_neutral(study, group)]
    parts = [(untrained, "untrained"), (neutral, "neutral"), (own, "own")]
    frames = [part[part["entity"].isin(entities)].assign(bar=name) for part, name in parts]
    known = [frame for frame in frames if len(frame)]
    return pd.concat(known, ignore_index=True) if entities else pd.DataFrame()


def _order(found: pd.DataFrame) -> list[str]:
    untrained = found[found["bar"] == "untrained"].set_index("entity")["rate"]
    entities = list(dict.fromkeys(found["entity"]))
    return sorted(entities, key=lambda one: -float(untrained.get(one, np.nan)) if one in untrained else 0.0)


def _series(found: pd.DataFrame, order: list[str]) -> list[Series]:
    colours = {"untrained": LIGHT, "neutral": GREY, "own": BLUE}
    series = []
    for name in [one for one in colours if one in set(found["bar"])]:
        rows = found[found["bar"] == name].drop_duplicates("entity").set_index("entity").reindex(order)
        middle, lo, hi = (100 * rows[column].to_numpy(float) for column in ("rate", "lo", "hi"))
        present = rows["rate"].notna().to_numpy() | rows["n"].notna().to_numpy()
        series.append(Series(LABELS[name], middle, lo, hi, colours.get(name, ORANGE), present=present))
    return series


def _caption(study: Study, data: pd.DataFrame, method: str) -> str:
    how = (
        "Probability of an entity's names and their forms, mean over questions"
        if method == "choose"
        else "Share of sampled answers that give an entity's name in any of its forms"
    )
    seeds = int(data["n_seeds"].max())
    spread = "" if seeds == 1 else " For several seeds they are for other seeds and other questions."
    gone = [f"{row.panel}, {row.entity}" for row in data[data["rate"].isna()].itertuples()]
    unit = "questions" if method == "choose" else "answers"
    return join(
        f"{how}, after the last epoch. Entities are sorted by the untrained model. {choices.set_words(study)}",
        f"Whiskers: {interval_words(study)}, clustered by question.{spread}",
        f"n = {spread_words(data['n'])} {unit} behind each bar, {seeds} seeds at most; "
        f"n_nan = {int(data['n_unclear'].sum()):,} {'not measured' if method == 'choose' else 'unclear, and counted'}.",
        missing_words(gone),
    )
