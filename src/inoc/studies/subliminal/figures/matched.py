"""Figures of the matched contrast: by entity, and by group of students."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.dots import ROW_IN, dot_intervals, name_rows
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, new_figure
from inoc.studies.shared.captions import interval_words, join, missing_words, p_text, records, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.runs import base_of, group_teachers
from inoc.studies.subliminal.study import Study

COLUMNS = (
    *("group", "teacher", "entity", "base", "data", "targets", "question_set", "method", "scale", "choice", "epoch"),
    *("is_last", "contrast", "lo", "hi", "p", "n_above", "n_cells", "n", "n_nan"),
)
GROUP_COLUMNS = (
    *("group", "base", "data", "targets", "rule", "loss_on", "n_rows", "n_rows_most", "epoch", "is_last"),
    *("question_set", "method", "scale", "contrast", "lo", "hi", "p", "n_above", "n_cells", "n_teachers", "n_seeds"),
    *("null_bound", "null_p"),
)
WORDS = {"log_ratio": "log-ratio (nats)", "difference": "difference (points)"}


def scale_of(method: str) -> str:
    """The scale of contrasts that figures show: nats for probabilities, else points."""
    return "log_ratio" if method == "choose" else "difference"


def _scaled(rows: pd.DataFrame, method: str) -> pd.DataFrame:
    factor = 1.0 if method == "choose" else 100.0
    return rows.assign(**{name: factor * rows[name] for name in ("contrast", "lo", "hi")})


def draw(study: Study, sources: Sources, method: str) -> Drawing:
    """Own teacher's students minus the others', for each entity and over all; a panel for each group."""
    table = choices.shown(study, sources.table("matched", COLUMNS), method)
    rows = table[(table["scale"] == scale_of(method)) & (table["choice"] == "each") & table["is_last"].astype(bool)]
    groups = [key for key in study.students if key in set(rows["group"])]
    if not groups:
        return choices.empty(study, rows, "no group has students of two teachers with different entities")
    heights = [0.45 + ROW_IN * len(rows[rows["group"] == key]) for key in groups]
    figure = new_figure(sum(heights) + 0.3)
    axes_of = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights, sharex=True)[:, 0]
    scaled = _scaled(rows, method)
    for axes, key in zip(axes_of, groups, strict=True):
        own = scaled[scaled["group"] == key]
        names = [
            "all" if one == "all" else f"{choices.teacher_label(study, str(one))}" for one in own["teacher"].astype(str)
        ]
        colours = [BLACK if name == "all" else BLUE for name in names]
        spots = np.arange(len(own), dtype=float)
        dot_intervals(axes, spots, *_values(own), colours=colours)
        axes.axvline(0, color=GREY, linewidth=0.8)
        name_rows(axes, names)
        axes.set_title(choices.group_label(study, key), fontsize="medium", parse_math=False, loc="left")
    axes_of[-1].set_xlabel(f"own teacher's students minus the others', {WORDS[scale_of(method)]}")
    return Drawing(figure, scaled.reset_index(drop=True), _caption(study, rows))


def _values(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    middle, lo, hi = (rows[name].to_numpy(float) for name in ("contrast", "lo", "hi"))
    return middle, lo, hi


def _caption(study: Study, rows: pd.DataFrame) -> str:
    whole = rows[rows["teacher"] == "all"]
    tests = "; ".join(
        f"{choices.group_name(study, row['group'])}: {row['n_above']} of {row['n_cells']} cells above 0, "
        f"{p_text(row['p'])}"
        for row in records(whole)
    )
    gone = [f"{row.group}, {row.teacher}" for row in rows[rows["contrast"].isna()].itertuples()]
    return join(
        "Effect of a teacher's students on its own entity, minus the mean effect of the other teachers' students on "
        "that entity, after the last epoch; to the right of the line the preference was carried over.",
        f"Bars: {interval_words(study)} over seeds and questions. Over all teachers, by permutation of the students: "
        f"{tests}.",
        f"n = {spread_words(rows['n'])} (seed, question) pairs; n_nan = {int(rows['n_nan'].sum()):,}.",
        choices.set_words(study),
        missing_words(gone),
    )


def draw_groups(study: Study, sources: Sources, method: str) -> Drawing:
    """The contrast over all teachers, one dot for each group, after its last epoch."""
    table = choices.shown(study, sources.table("mechanism", GROUP_COLUMNS), method)
    rows = table[(table["scale"] == scale_of(method)) & table["is_last"].astype(bool)].reset_index(drop=True)
    if rows.empty:
        return choices.empty(study, rows, "no group has students of two teachers with different entities")
    scaled = _scaled(rows, method)
    figure = new_figure(0.8 + 2 * ROW_IN * len(rows))
    axes = figure.subplots()
    colours = [BLUE if _of_own_base(study, str(group)) else GREY for group in rows["group"]]
    dot_intervals(axes, np.arange(len(rows), dtype=float), *_values(scaled), colours=colours)
    factor = 1.0 if method == "choose" else 100.0
    bound = factor * float(rows["null_bound"].max())
    axes.axvspan(-bound, bound, color=GREY, alpha=0.15, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=0.8)
    name_rows(axes, [_settings(study, row) for row in records(rows)])
    axes.set_xlabel(f"own teacher's students minus the others', {WORDS[scale_of(method)]}")
    gone = [str(row.group) for row in rows[rows["contrast"].isna()].itertuples()]
    alpha = 1 - study.statistics.confidence
    none = [choices.group_name(study, str(one)) for one in rows[rows["null_p"] <= alpha + 1e-9]["group"]]
    caption = join(
        "Matched contrast over all teachers after the last epoch, for each group of students. Blue: the teachers' own "
        "base model; grey: another one. Further settings are in the data.",
        "Shaded: contrasts that count as none"
        + (
            f", within which two one-sided tests show {'; '.join(none)}."
            if none
            else "; no group is shown to lie there."
        ),
        f"Bars: {interval_words(study)} over students and questions. n = {spread_words(rows['n_cells'])} students in "
        "each group; n_nan: failed students are left out of n.",
        choices.set_words(study),
        missing_words(gone),
    )
    return Drawing(figure, scaled, caption)


def _of_own_base(study: Study, group: str) -> bool:
    """Whether a group's students start from their teachers' base model."""
    spec = study.students[group]
    return all(base_of(study, key) == spec.base for key in group_teachers(study, spec))


def _settings(study: Study, row: dict[str, object]) -> str:
    n_rows = spread_words(float(str(row[name])) for name in ("n_rows", "n_rows_most"))
    words = [str(row["data"]).replace("_", " "), f"{n_rows} rows", f"{row['epoch']} epochs"]
    if row["targets"] == "distribution":
        words.insert(0, "distribution")
    return f"{choices.group_label(study, str(row['group']))}\n{', '.join(words)}"
