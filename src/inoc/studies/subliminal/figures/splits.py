"""Figure of students on the parts of splits."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from inoc.figures.sources import Sources
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE
from inoc.studies.shared.captions import interval_words, join, missing_words, p_text, records, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.figures.bars import COLUMNS as RATES
from inoc.studies.subliminal.runs import UNTRAINED, part_names
from inoc.studies.subliminal.study import Study

COLUMNS = (
    *("group", "split", "teacher", "by", "entity", "question_set", "method", "statistic", "part"),
    *("value", "lo", "hi", "p", "n", "n_nan", "n_seeds"),
)


def draw(study: Study, sources: Sources, method: str) -> Drawing:
    """Rate after the last epoch, over the parts from the lowest to the highest; the untrained model as a line."""
    table = choices.shown(study, sources.table("split_students", COLUMNS), method)
    rates = table[table["statistic"] == "rate"]
    known = choices.shown(study, sources.table("rates", RATES), method)
    untrained = known[(known["student"] == UNTRAINED) & (known["base"] == "own")]
    panels = [
        (group, entity)
        for group, entity in dict.fromkeys(zip(rates["group"], rates["entity"], strict=True))
        if _is_shown(study, str(group), str(entity))
    ]
    if not panels:
        return choices.empty(study, rates, "no student on a part of a split has been asked")
    across = min(4, len(panels))
    figure, axes_of = panel_grid(len(panels), across, plot_in=1.5, title_lines=2, share_y=False, gap_in=0.45)
    for index, (axes, (group, entity)) in enumerate(zip(axes_of, panels, strict=True)):
        own = rates[(rates["group"] == group) & (rates["entity"] == entity)]
        order = part_names(study.splits[str(study.students[str(group)].split)])
        _panel(axes, own.drop_duplicates("part").set_index("part").reindex(order), order)
        for rate in untrained[untrained["entity"] == entity]["rate"].iloc[:1]:
            axes.axhline(100 * rate, color=BLACK, dashes=(4, 2), linewidth=0.9)
        axes.set_title(f"{choices.group_label(study, str(group))}\n{entity}", fontsize="medium", parse_math=False)
        if index % across == 0:
            axes.set_ylabel("rate (%)")
    data = rates[[(g, e) in set(panels) for g, e in zip(rates["group"], rates["entity"], strict=True)]]
    return Drawing(figure, data.reset_index(drop=True), _caption(study, table, data))


def _is_shown(study: Study, group: str, entity: str) -> bool:
    """Whether an entity is that of the teacher, or of the one whose prompt splits; every one if neither has any."""
    split = study.splits[str(study.students[group].split)]
    own = {study.teachers[key].entity for key in (split.teacher, split.under) if key is not None} - {None}
    if split.trait is not None and study.persona[split.trait].entity is not None:
        own.add(study.persona[split.trait].entity)
    return not own or entity in own


def _panel(axes: Axes, rows: pd.DataFrame, order: list[str]) -> None:
    middle, lo, hi = (100 * rows[name].to_numpy(float) for name in ("value", "lo", "hi"))
    spots = np.arange(len(order))
    axes.bar(spots, np.nan_to_num(middle), color=BLUE, width=0.7)
    sure = np.isfinite(lo) & np.isfinite(hi)
    axes.vlines(spots[sure], lo[sure], hi[sure], color=BLACK, linewidth=1.0)
    axes.set_xticks(spots, order)
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")


def _caption(study: Study, table: pd.DataFrame, data: pd.DataFrame) -> str:
    ends = table[(table["statistic"] == "top_minus_bottom") & table["group"].isin(set(data["group"]))]
    ends = ends[[_is_shown(study, str(g), str(e)) for g, e in zip(ends["group"], ends["entity"], strict=True)]]
    words = "; ".join(
        f"{row['group'].replace('_', ' ')}, {row['entity']}: {100 * row['value']:.1f} points, {p_text(row['p'])}"
        for row in records(ends)
        if np.isfinite(row["value"])
    )
    gone = [f"{row.group}, {row.part}" for row in data[data["value"].isna()].itertuples()]
    return join(
        "Rate of an entity for students on each part of a split, from the lowest values to the highest, after the last "
        "epoch. Line: the untrained model. A split of neutral rows shows what selection alone does.",
        f"Top minus bottom: {words}." if words else "",
        f"Whiskers: {interval_words(study)} over seeds and questions. n = {spread_words(data['n'])} (seed, question) "
        f"pairs; n_nan = {int(data['n_nan'].sum()):,}.",
        choices.set_words(study),
        missing_words(gone),
    )
