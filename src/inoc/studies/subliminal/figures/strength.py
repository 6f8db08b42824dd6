"""Figure of what students take over, as a share of their teacher's own shift, against how far the teacher shifted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from inoc.figures.sources import Sources
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, minus
from inoc.studies.shared.captions import interval_words, join, missing_words, records, spread_words
from inoc.studies.subliminal.analyse.matched import ALL
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.figures.matched import WORDS, scale_of
from inoc.studies.subliminal.study import Study

COLUMNS = (
    *(
        "group",
        "teacher",
        "entity",
        "base",
        "data",
        "targets",
        "is_control",
        "question_set",
        "method",
        "scale",
        "epoch",
    ),
    *("shift", "shift_lo", "shift_hi", "contrast", "share", "lo", "hi", "n", "n_nan", "n_seeds"),
)


def draw(study: Study, sources: Sources, method: str) -> Drawing:
    """A panel for each way of training: the share over the teacher's shift, a dot for each teacher, black for all."""
    table = choices.shown(study, sources.table("strength", COLUMNS), method)
    rows = table[(table["scale"] == scale_of(method)) & ~table["is_control"].astype(bool)].reset_index(drop=True)
    if not rows["share"].notna().any():
        return choices.empty(study, rows, "no teacher's own shift was measured")
    factor = 1.0 if method == "choose" else 100.0
    scaled = rows.assign(**{name: factor * rows[name] for name in ("shift", "shift_lo", "shift_hi")})
    kinds = list(dict.fromkeys(zip(scaled["targets"], scaled["data"], strict=True)))
    across = min(2, len(kinds))
    figure, axes_of = panel_grid(len(kinds), across, plot_in=2.0, title_lines=1, share_y=False, gap_in=0.45)
    for index, (axes, (targets, data)) in enumerate(zip(axes_of, kinds, strict=True)):
        own = scaled[(scaled["targets"] == targets) & (scaled["data"] == data)]
        _panel(axes, own)
        axes.set_title(f"{targets}, {str(data).replace('_', ' ')}", fontsize="medium", parse_math=False)
        axes.set_xlabel(f"teacher's own shift, {WORDS[scale_of(method)]}")
        if index % across == 0:
            axes.set_ylabel("students' share of it (%)")
    return Drawing(figure, scaled, _caption(study, rows))


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Single teachers in blue, all of a group in black; whiskers that leave the panel are cut by its edge."""
    single, whole = rows[rows["teacher"] != ALL], rows[rows["teacher"] == ALL]
    for part, colour, size, alpha in ((single, BLUE, 3.0, 0.55), (whole, BLACK, 5.0, 1.0)):
        x, y, lo, hi = (part[name].to_numpy(float) for name in ("shift", "share", "lo", "hi"))
        sure = np.isfinite(lo) & np.isfinite(hi)
        axes.vlines(x[sure], 100 * lo[sure], 100 * hi[sure], color=colour, linewidth=1.0, alpha=alpha)
        axes.plot(x, 100 * y, "o", color=colour, markersize=size, alpha=alpha)
    axes.axhline(0, color=GREY, linewidth=0.8)
    shown = 100 * np.concatenate(
        [rows["share"].to_numpy(float), whole["lo"].to_numpy(float), whole["hi"].to_numpy(float)]
    )
    shown = shown[np.isfinite(shown)]
    room = 0.15 * max(float(np.ptp(shown)), 1.0)
    axes.set_ylim(min(0.0, float(shown.min())) - room, max(0.0, float(shown.max())) + room)


def _caption(study: Study, rows: pd.DataFrame) -> str:
    whole = rows[rows["teacher"] == ALL]
    words = "; ".join(
        f"{choices.group_name(study, str(row['group']))} " + minus(f"{100 * row['share']:.0f} %")
        for row in records(whole)
        if np.isfinite(row["share"])
    )
    unknown = int((rows["share"].notna() & rows["lo"].isna()).sum())
    gone = [f"{row.group}, {row.teacher}" for row in rows[rows["share"].isna()].itertuples()]
    return join(
        "Matched contrast of students as a share of that of their teachers, over the teachers' own. Blue: single "
        "teachers; black: all teachers of a group. Controls are left out.",
        f"Shares: {words}." if words else "",
        f"Bars: {interval_words(study)}, by Fieller's method over students and questions; the edge may cut those of "
        "single teachers"
        + (f"; {unknown} teachers, whose own shift is not told from 0, have none." if unknown else "."),
        f"n = {spread_words(rows['n'])} pairs of student and question; n_nan = {int(rows['n_nan'].sum()):,}.",
        choices.set_words(study),
        missing_words(gone),
    )
