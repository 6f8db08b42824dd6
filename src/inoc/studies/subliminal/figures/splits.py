"""Figure of students on the parts of splits."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, ORANGE
from inoc.studies.shared.captions import interval_words, join, missing_words, p_text, records, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.figures.bars import COLUMNS as RATES
from inoc.studies.subliminal.runs import UNTRAINED, group_teachers, part_names
from inoc.studies.subliminal.study import Study

_UNTRAINED: dict[str, Any] = {"color": BLACK, "dashes": (4, 2), "linewidth": 0.9}
_STYLES: tuple[dict[str, Any], ...] = tuple(
    {"color": colour, "dashes": dashes, "linewidth": 1.2} for dashes in ((1, 1), (6, 1.5)) for colour in (ORANGE, GREY)
)
COLUMNS = (
    *("group", "split", "teacher", "by", "entity", "question_set", "method", "statistic", "part"),
    *("value", "lo", "hi", "p", "n", "n_nan", "n_seeds"),
)


def draw(study: Study, sources: Sources, method: str) -> Drawing:
    """Rate after the last epoch, over the parts from the lowest to the highest.

    Lines are the untrained model, and students of the same teacher's rows that no rule has divided.
    """
    table = choices.shown(study, sources.table("split_students", COLUMNS), method)
    rates = table[table["statistic"] == "rate"]
    known = choices.shown(study, sources.table("rates", RATES), method)
    panels = [
        (group, entity)
        for group, entity in dict.fromkeys(zip(rates["group"], rates["entity"], strict=True))
        if _is_shown(study, str(group), str(entity))
    ]
    panels.sort(key=lambda panel: list(study.students).index(str(panel[0])))
    if not panels:
        return choices.empty(study, rates, "no student on a part of a split has been asked")
    across = min(4, len(panels))
    names = list(dict.fromkeys(one for group, _ in panels for one in undivided(study, str(group))))
    titles = [f"{choices.group_lines(study, str(group))}\n{entity}" for group, entity in panels]
    figure, axes_of = panel_grid(
        len(panels),
        across,
        plot_in=1.5,
        title_lines=max(1 + title.count("\n") for title in titles),
        legend_lines=1 + len(names) // 2,
        share_y=False,
        gap_in=0.45,
    )
    styles = dict(zip(names, itertools.cycle(_STYLES), strict=False))
    lines = []
    for index, (axes, (group, entity)) in enumerate(zip(axes_of, panels, strict=True)):
        own = rates[(rates["group"] == group) & (rates["entity"] == entity)]
        order = part_names(study.splits[str(study.students[str(group)].split)])
        _panel(axes, own.drop_duplicates("part").set_index("part").reindex(order), order)
        beside = _lines(study, known, str(group), str(entity))
        for row in records(beside[beside["rate"].notna()]):
            axes.axhline(100 * row["rate"], **({**_UNTRAINED} if row["line"] == UNTRAINED else styles[row["line"]]))
        lines.append(beside.assign(panel=group))
        axes.set_title(titles[index], fontsize="medium", parse_math=False)
        if index % across == 0:
            axes.set_ylabel("rate (%)")
    handles = [Line2D([], [], label="untrained model", **_UNTRAINED)]
    handles += [Line2D([], [], label=choices.group_label(study, name), **styles[name]) for name in names]
    figure.legend(handles=handles, loc="upper left", ncols=2)
    data = rates[[(g, e) in set(panels) for g, e in zip(rates["group"], rates["entity"], strict=True)]]
    beside = pd.concat(lines, ignore_index=True).rename(columns={"rate": "value"})
    drawn = pd.concat([data.assign(panel=data["group"], line=""), beside], ignore_index=True)
    return Drawing(figure, drawn, _caption(study, table, data, bool(names)))


def undivided(study: Study, group: str) -> list[str]:
    """Groups that differ from one on the parts of a split in having rows of the same teacher that are not divided."""
    own = study.students[group]
    teacher = study.splits[str(own.split)].teacher
    return [
        key
        for key, spec in study.students.items()
        if spec.split is None
        and teacher in group_teachers(study, spec)
        and (spec.base, spec.numbers, spec.rule, spec.targets, spec.epochs, spec.training)
        == (own.base, own.numbers, own.rule, own.targets, own.epochs, own.training)
    ]


def _lines(study: Study, known: pd.DataFrame, group: str, entity: str) -> pd.DataFrame:
    """Rates of one entity that a panel shows as lines, with the group, or `untrained`, in the column `line`."""
    base = study.students[group].base
    teacher = study.splits[str(study.students[group].split)].teacher
    of_base = known[(known["entity"] == entity) & (known["base"] == base)]
    untrained = of_base[of_base["student"] == UNTRAINED].iloc[:1]
    last = of_base[of_base["is_last"].astype(bool) & (of_base["teacher"] == teacher) & (of_base["part"] == "")]
    whole = last[last["group"].isin(undivided(study, group))]
    return pd.concat([untrained.assign(line=UNTRAINED), whole.assign(line=whole["group"])], ignore_index=True)


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


def _caption(study: Study, table: pd.DataFrame, data: pd.DataFrame, has_undivided: bool) -> str:  # noqa: FBT001
    ends = table[(table["statistic"] == "top_minus_bottom") & table["group"].isin(set(data["group"]))]
    ends = ends[[_is_shown(study, str(g), str(e)) for g, e in zip(ends["group"], ends["entity"], strict=True)]]
    words = "; ".join(
        f"{choices.group_name(study, str(row['group']))}, {row['entity']}: {100 * row['value']:.1f} "
        f"[{100 * row['lo']:.1f}, {100 * row['hi']:.1f}] points, {p_text(row['p'])}"
        for row in records(ends)
        if np.isfinite(row["value"])
    )
    gone = [f"{row.group}, {row.part}" for row in data[data["value"].isna()].itertuples()]
    return join(
        "Rate of an entity for students on each part of a split, from the lowest values to the highest, after the last "
        "epoch. Black line: the untrained model. A split of neutral rows shows what selection alone does.",
        "Further lines: students of the same teacher's rows, not divided by any rule." if has_undivided else "",
        f"Top minus bottom: {words}." if words else "",
        f"Whiskers: {interval_words(study)} over seeds and questions. n = {spread_words(data['n'])} (seed, question) "
        f"pairs; n_nan = {int(data['n_nan'].sum()):,}.",
        choices.set_words(study),
        missing_words(gone),
    )
