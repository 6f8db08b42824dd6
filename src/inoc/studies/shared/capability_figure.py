"""The cost of training: closed questions answered right, before and after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from inoc.plots.dots import dot_intervals, name_rows, note
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, VERMILION, new_figure
from inoc.studies.shared.capability import ALL_DOMAINS
from inoc.studies.shared.captions import HasStatistics, interval_words, join, rows_words

COLUMNS = ("domain", "accuracy", "lo", "hi", "difference", "difference_lo", "difference_hi", "q", "n", "n_nan")
MOST_ROWS = 60
FDR = 0.05


def shown_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table `capability` that are drawn: over all domains, the first `MOST_ROWS`."""
    return table[table["domain"] == ALL_DOMAINS].head(MOST_ROWS).reset_index(drop=True)


def draw_capability(study: HasStatistics, table: pd.DataFrame, names: Sequence[str], how: str) -> Drawing:
    """Accuracy of each model, and the difference of trained models to the untrained one.

    Args:
        study: Of the level of the intervals.
        table: `capability`.
        names: One for each of `shown_rows`; empty for a trained model without a name of its own.
        how: How the questions were asked, as the end of a sentence.
    """
    rows = shown_rows(table)
    figure = new_figure(1.3 + 0.24 * max(3, len(rows)))
    left, right = figure.subplots(1, 2, sharey=True)
    if rows.empty:
        note(left, "no questions were asked")
        return Drawing(figure, rows, "No questions were asked; n = 0, and there is no interval.")
    spots = np.arange(len(rows), dtype=float)
    trained = (rows["step"] > 0).to_numpy()
    colours = [BLUE if one else BLACK for one in trained]
    accuracy = (rows[name].to_numpy(dtype=float) for name in ("accuracy", "lo", "hi"))
    dot_intervals(left, spots, *accuracy, colours=colours)
    for value in rows.loc[~trained, "accuracy"]:
        left.axvline(float(value), color=GREY, linewidth=0.8, zorder=1)
    apart = [rows[name].to_numpy(dtype=float) for name in ("difference", "difference_lo", "difference_hi")]
    sure = rows["q"].to_numpy(dtype=float) <= FDR
    shades = [VERMILION if one else GREY for one in sure[trained]]
    values, lo, hi = (one[trained] for one in apart)
    dot_intervals(right, spots[trained], values, lo, hi, colours=shades, filled=sure[trained])
    right.axvline(0, color=BLACK, linewidth=0.8)
    name_rows(left, names)
    left.set_xlabel("share of questions answered right")
    right.set_xlabel("difference to the untrained model")
    more = int((table["domain"] == ALL_DOMAINS).sum()) - len(rows)
    caption = join(
        f"Closed questions whose right option is the likeliest one, {how}. Bars are {interval_words(study)}s; those of "
        f"differences are paired by question. Filled on the right: q ≤ {FDR:g} over the trained models.",
        rows_words(rows, "questions to each model"),
        f"{more} more models are in the table." if more else "",
    )
    return Drawing(figure, rows, caption)
