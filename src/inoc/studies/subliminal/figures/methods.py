"""Figure of both ways to measure a preference, side by side."""

from __future__ import annotations

import numpy as np

from inoc.figures.sources import Sources
from inoc.plots.save import Drawing
from inoc.plots.style import BLUE, GREY, new_figure
from inoc.studies.shared.captions import interval_words, join
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.study import Study

COLUMNS = (
    *("student", "group", "teacher", "part", "base", "epoch", "seed", "entity", "question_set", "method"),
    *("rate", "lo", "hi", "n", "n_unclear", "is_last"),
)


def draw(study: Study, sources: Sources) -> Drawing:
    """Share of sampled answers over the exact probability, a dot for each subject, epoch and entity."""
    table = sources.table("preferences", COLUMNS)
    keys = ["student", "base", "epoch", "seed", "entity", "question_set"]
    exact, sampled = (table[table["method"] == one] for one in ("choose", "sample"))
    both = exact.merge(sampled, on=keys, suffixes=("_choose", "_sample"))
    both = both[both["rate_choose"].notna() & both["rate_sample"].notna()].reset_index(drop=True)
    if both.empty:
        return choices.empty(study, both, "nothing was measured by both methods")
    figure = new_figure(3.6)
    axes = figure.subplots()
    x, y = (100 * both[name].to_numpy(float) for name in ("rate_choose", "rate_sample"))
    lo, hi = (100 * both[name].to_numpy(float) for name in ("lo_sample", "hi_sample"))
    axes.vlines(x, lo, hi, color=BLUE, linewidth=0.6, alpha=0.3)
    axes.plot(x, y, ".", color=BLUE, markersize=4)
    top = 1.05 * max(float(x.max()), float(np.nanmax(hi)), 1e-9)
    axes.plot([0, top], [0, top], color=GREY, linewidth=0.8)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_xlabel("probability of the name and its forms (%)")
    axes.set_ylabel("sampled answers with the name (%)")
    covered = float(((lo <= x) & (x <= hi)).mean())
    caption = join(
        "Each dot is an entity for one subject and epoch. A probability is that of an answer which begins with the "
        "name; a sampled answer may also name it later, so dots above the line are answers with words before it.",
        f"Lines: {interval_words(study)} of the sampled share; {100 * covered:.0f} % of them hold the probability.",
        f"n = {len(both):,} dots; n_nan = 0 are shown, as unmeasured ones are left out.",
    )
    return Drawing(figure, both, caption)
