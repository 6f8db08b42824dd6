"""The cost of training: closed questions answered right, before and after."""

from __future__ import annotations

import numpy as np

from inoc.figures.sources import Sources
from inoc.plots.dots import dot_intervals, name_rows, note
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, VERMILION, new_figure
from inoc.studies.inoculation.analyse.rows import ALL
from inoc.studies.inoculation.capability import UNTRAINED
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, join, rows_words

COLUMNS = ("run", "domain", "accuracy", "lo", "hi", "difference", "difference_lo", "difference_hi", "q", "n", "n_nan")
MOST_ROWS = 60
FDR = 0.05


def draw(study: Study, sources: Sources) -> Drawing:
    """Accuracy of each run at its last step, and its difference to the untrained model."""
    table = sources.table("capability", COLUMNS)
    rows = table[table["domain"] == ALL].head(MOST_ROWS).reset_index(drop=True)
    figure = new_figure(1.3 + 0.24 * max(3, len(rows)))
    left, right = figure.subplots(1, 2, sharey=True)
    if rows.empty:
        note(left, "no questions were asked")
        return Drawing(figure, rows, "No questions were asked; n = 0, and there is no interval.")
    spots = np.arange(len(rows), dtype=float)
    untrained = (rows["run"] == UNTRAINED).to_numpy()
    colours = [BLACK if one else BLUE for one in untrained]
    accuracy = (rows[name].to_numpy(dtype=float) for name in ("accuracy", "lo", "hi"))
    dot_intervals(left, spots, *accuracy, colours=colours)
    for value in rows.loc[untrained, "accuracy"]:
        left.axvline(float(value), color=GREY, linewidth=0.8, zorder=1)
    apart = [rows[name].to_numpy(dtype=float) for name in ("difference", "difference_lo", "difference_hi")]
    sure = rows["q"].to_numpy(dtype=float) <= FDR
    trained = ~untrained
    shades = [VERMILION if one else GREY for one in sure[trained]]
    values, lo, hi = (one[trained] for one in apart)
    dot_intervals(right, spots[trained], values, lo, hi, colours=shades, filled=sure[trained])
    right.axvline(0, color=BLACK, linewidth=0.8)
    name_rows(left, ["untrained" if name == UNTRAINED else str(name) for name in rows["run"]])
    left.set_xlabel("share of questions answered right")
    right.set_xlabel("difference to the untrained model")
    more = int((table["domain"] == ALL).sum()) - len(rows)
    caption = join(
        "Closed questions whose right option is the likeliest one, at the last step of each run, asked without a "
        f"prefix. Bars are {interval_words(study)}s; those of differences are paired by question. Filled on the right: "
        f"q ≤ {FDR:g} over the runs.",
        rows_words(rows, "questions to each model"),
        f"{more} more runs are in the table." if more else "",
    )
    return Drawing(figure, rows, caption)
