"""Figure of the matrix teacher × measured entity."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from inoc.figures.sources import Sources
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, minus, new_figure
from inoc.studies.shared.captions import interval_words, join, missing_words, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.study import Study

COLUMNS = (
    *("group", "teacher", "part", "entity", "matched", "question_set", "method", "choice", "reference"),
    *("difference", "lo", "hi", "q", "n", "n_nan", "n_seeds"),
)
CELL_IN = 0.3
BAR_IN = 4.0  # the longest colour bar
MOST_WORDS = 12  # columns with room for a number in each cell


def draw(study: Study, sources: Sources, method: str) -> Drawing:
    """Difference from the untrained model after the last epoch, in points; a panel for each group."""
    table = choices.shown(study, sources.table("transfer", COLUMNS), method)
    rows = table[(table["choice"] == "last") & (table["reference"] == "untrained") & (table["part"] == "")]
    groups = [key for key in study.students if key in set(rows["group"])]
    if not groups:
        return choices.empty(study, rows, "no student has been asked")
    grids = [_grid(study, rows[rows["group"] == key]) for key in groups]
    heights = [0.7 + CELL_IN * len(grid) for grid in grids]
    figure = new_figure(sum(heights) + 0.4)
    axes_of = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    top = max((float(np.nanmax(np.abs(grid.to_numpy()))) for grid in grids if grid.notna().any(axis=None)), default=1.0)
    scale = Scale(-(top or 1.0), top or 1.0)
    image = None
    for axes, key, grid in zip(axes_of, groups, grids, strict=True):
        words = [[minus(f"{value:.1f}") if np.isfinite(value) else "" for value in line] for line in grid.to_numpy()]
        image = heatmap(
            axes,
            grid.to_numpy(float),
            scale,
            rows=[choices.teacher_label(study, one) for one in grid.index],
            columns=[str(one).replace("_", " ") for one in grid.columns],
            words=words if len(grid.columns) <= MOST_WORDS else None,
        )
        for row, teacher in enumerate(grid.index):
            for column, entity in enumerate(grid.columns):
                if study.teachers[str(teacher)].entity == entity:
                    axes.add_patch(
                        Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=BLACK, linewidth=1.4)
                    )
        axes.set_title(choices.group_label(study, key), fontsize="medium", parse_math=False, loc="left")
        axes.tick_params(axis="x", rotation=90 if len(grid.columns) > MOST_WORDS else 0)
    if image is not None:
        figure.colorbar(
            image,
            ax=list(axes_of),
            label="difference from the untrained model (points)",
            shrink=min(0.8, BAR_IN / figure.get_figheight()),
            aspect=20,
            anchor=(0.0, 1.0),
        )
    return Drawing(figure, rows.reset_index(drop=True), _caption(study, rows))


def _grid(study: Study, rows: pd.DataFrame) -> pd.DataFrame:
    teachers = [key for key in study.teachers if key in set(rows["teacher"])]
    entities = list(dict.fromkeys(rows["entity"]))
    found = rows.pivot_table(index="teacher", columns="entity", values="difference", dropna=False)
    return 100 * found.reindex(index=teachers, columns=entities)


def _caption(study: Study, rows: pd.DataFrame) -> str:
    gone = [f"{row.group}, {row.teacher}, {row.entity}" for row in rows[rows["difference"].isna()].itertuples()]
    sure = int(((rows["q"] <= 0.05) & rows["matched"].astype(bool)).sum())
    of = int(rows["matched"].astype(bool).sum())
    return join(
        "Students of each teacher (rows) asked for each entity (columns), minus the untrained model, after the last "
        "epoch, in percentage points. Framed: the teacher's own entity. What training does to an entity by itself is "
        "the same in a column, so compare within columns.",
        f"{sure} of {of} framed cells differ with q ≤ 0.05; {interval_words(study)}s are in the data.",
        f"n = {spread_words(rows['n'])} (seed, question) pairs in each cell; n_nan = {int(rows['n_nan'].sum()):,}.",
        choices.set_words(study),
        missing_words(gone),
    )
