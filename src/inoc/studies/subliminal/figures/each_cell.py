"""Figure of every single student's contrast, with those that failed marked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.dots import ROW_IN, dot_intervals, name_rows
from inoc.plots.save import Drawing
from inoc.plots.style import BLUE, GREY, ORANGE, new_figure
from inoc.studies.shared.captions import interval_words, join, missing_words, records, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.figures.matched import WORDS, scale_of
from inoc.studies.subliminal.study import Study

COLUMNS = (
    *("panel", "group", "base", "teacher_base", "is_control", "teacher", "entity", "seed", "question_set", "method"),
    *("scale", "epoch", "contrast", "lo", "hi", "is_above", "n", "n_nan"),
)
MOST_ROWS, MOST_NAMED = 150, 40


def draw(study: Study, sources: Sources, method: str) -> Drawing:
    """A dot for each student on its teacher's own entity, a panel for each group; what is not above zero is orange."""
    table = choices.shown(study, sources.table("cells", COLUMNS), method)
    rows = table[(table["scale"] == scale_of(method)) & ~table["is_control"].astype(bool)]
    left_out = max(0, len(rows) - MOST_ROWS)
    rows = rows.head(MOST_ROWS).reset_index(drop=True)
    if rows.empty:
        return choices.empty(study, rows, "no group has students of two teachers with different entities")
    factor = 1.0 if method == "choose" else 100.0
    scaled = rows.assign(**{name: factor * rows[name] for name in ("contrast", "lo", "hi")})
    groups = list(dict.fromkeys(scaled["group"]))
    heights = [0.45 + ROW_IN * int((scaled["group"] == key).sum()) for key in groups]
    figure = new_figure(sum(heights) + 0.3)
    axes_of = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights, sharex=True)[:, 0]
    for axes, key in zip(axes_of, groups, strict=True):
        own = scaled[scaled["group"] == key]
        colours = [BLUE if above else ORANGE for above in own["is_above"].astype(bool)]
        values = [own[name].to_numpy(float) for name in ("contrast", "lo", "hi")]
        dot_intervals(axes, np.arange(len(own), dtype=float), *values, colours=colours)
        axes.axvline(0, color=GREY, linewidth=0.8)
        name_rows(axes, [_name(study, row) for row in records(own)])
        axes.set_title(choices.group_label(study, str(key)), fontsize="medium", parse_math=False, loc="left")
    axes_of[-1].set_xlabel(f"own teacher's student minus the others', {WORDS[scale_of(method)]}")
    return Drawing(figure, scaled, _caption(study, rows, left_out))


def _name(study: Study, row: dict[str, object]) -> str:
    return f"{choices.teacher_label(study, str(row['teacher']))}, {row['seed']}"


def _caption(study: Study, rows: pd.DataFrame, left_out: int) -> str:
    known = rows[rows["contrast"].notna()]
    failed = known[~known["is_above"].astype(bool)]
    counts = "; ".join(
        f"{str(panel).replace('_', ' ')}: {int(own['is_above'].sum())} of {len(own)} above 0"
        for panel, own in known.groupby("panel", sort=False)
    )
    named = ", ".join(f"{row['group']} {row['teacher']} {row['seed']}" for row in records(failed.head(MOST_NAMED)))
    named += f", and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
    gone = [f"{row.group}, {row.teacher}, {row.seed}" for row in rows[rows["contrast"].isna()].itertuples()]
    return join(
        "Effect of every student on its teacher's own entity, minus the mean effect of the other teachers' students of "
        "the same seed, after the last epoch. The number after a name is the seed. Controls are left out.",
        f"{counts}.",
        f"Not above 0, in orange: {named}.".replace("_", " ") if named else "No student is at or below 0.",
        f"Bars: {interval_words(study)} over questions, for this very student. n = {spread_words(rows['n'])} "
        f"questions; n_nan = {int(rows['n_nan'].sum()):,}.",
        choices.set_words(study),
        f"{left_out} more students are in the table cells." if left_out else "",
        missing_words(gone),
    )
