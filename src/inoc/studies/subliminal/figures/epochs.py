"""Figure of the own entity's rate by epoch, beside the mean of the other teachers' students."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY
from inoc.studies.shared.captions import interval_words, join, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.figures.bars import COLUMNS
from inoc.studies.subliminal.runs import UNTRAINED
from inoc.studies.subliminal.study import Study

MOST_PANELS = 24


def draw(study: Study, sources: Sources, method: str) -> Drawing:
    """A panel for each group and entity: its own teacher's students by epoch, and those of the other teachers."""
    table = choices.shown(study, sources.table("rates", COLUMNS), method)
    trained = table[(table["group"] != "") & (table["part"] == "")]
    own = trained[
        [study.teachers[key].entity == one for key, one in zip(trained["teacher"], trained["entity"], strict=True)]
    ]
    panels = list(dict.fromkeys(zip(own["group"], own["entity"], strict=True)))[:MOST_PANELS]
    if not panels:
        return choices.empty(study, table, "no student of a teacher with a measured entity has been asked")
    across = min(4, len(panels))
    titles = [f"{choices.group_lines(study, str(group))}\n{entity}" for group, entity in panels]
    lines = max(1 + title.count("\n") for title in titles)
    figure, axes_of = panel_grid(len(panels), across, plot_in=1.25, title_lines=lines, share_y=False, gap_in=0.45)
    data = []
    for index, (axes, (group, entity)) in enumerate(zip(axes_of, panels, strict=True)):
        column = trained[(trained["group"] == group) & (trained["entity"] == entity)]
        mine = own[(own["group"] == group) & (own["entity"] == entity)]
        others = column[~column["teacher"].isin(set(mine["teacher"]))]
        untrained = table[(table["student"] == UNTRAINED) & (table["entity"] == entity)]
        untrained = untrained[untrained["base"] == study.students[str(group)].base]
        _panel(axes, mine, others, untrained)
        axes.set_title(titles[index], fontsize="medium", parse_math=False)
        axes.set_xlabel("epoch")
        if index % across == 0:
            axes.set_ylabel("rate (%)")
        data += [mine.assign(panel=group, line="own"), others.assign(panel=group, line="others")]
    handles = [
        Line2D([], [], color=BLUE, marker="o", label="own teacher"),
        Line2D([], [], color=GREY, label="mean of the other teachers"),
        Line2D([], [], color=BLACK, dashes=(4, 2), label="untrained"),
    ]
    figure.legend(handles=handles, loc="upper left", ncols=3)
    drawn = pd.concat(data, ignore_index=True)
    left_out = own[["group", "entity"]].drop_duplicates().shape[0] - len(panels)
    return Drawing(figure, drawn, _caption(study, drawn, method, left_out))


def _panel(axes: Axes, own: pd.DataFrame, others: pd.DataFrame, untrained: pd.DataFrame) -> None:
    for _, one in own.sort_values("epoch").groupby("teacher", sort=False):
        axes.plot(one["epoch"], 100 * one["rate"], color=BLUE, marker="o", markersize=3)
        axes.fill_between(one["epoch"], 100 * one["lo"], 100 * one["hi"], color=BLUE, alpha=0.15, linewidth=0)
    if len(others):
        mean = others.groupby("epoch")["rate"].mean()
        axes.plot(mean.index, 100 * mean.to_numpy(), color=GREY)
    if len(untrained):
        axes.axhline(100 * float(untrained["rate"].iloc[0]), color=BLACK, dashes=(4, 2), linewidth=0.9)
    axes.set_ylim(bottom=0)
    axes.set_xticks(sorted(own["epoch"].unique())[:: max(1, own["epoch"].nunique() // 5)])


def _caption(study: Study, data: pd.DataFrame, method: str, left_out: int) -> str:
    how = "Probability" if method == "choose" else "Share of answers"
    more = f"{left_out} further panels are in the table `preferences`." if left_out > 0 else ""
    return join(
        f"{how} of an entity by epoch, for students of its own teacher and for those of the other teachers. The last "
        "epoch is the result; a best epoch, chosen on the same answers, is too large by the choice itself.",
        f"Bands: {interval_words(study)}, clustered by question, for several seeds over seeds and questions.",
        f"n = {spread_words(data['n'])} behind each point; n_nan = {int(data['n_unclear'].sum()):,} unclear.",
        choices.set_words(study),
        more.replace("`", ""),
    )
