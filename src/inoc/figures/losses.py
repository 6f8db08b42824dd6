"""Training loss of every run, a panel for each prompt."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from inoc.config.models import Study
from inoc.figures import choices
from inoc.figures.captions import interval_words, rst
from inoc.figures.curves import LEGEND_COLUMNS, legend_in, line_label
from inoc.figures.sources import Sources
from inoc.plots.lines import loss_line
from inoc.plots.save import Drawing
from inoc.plots.style import colours_of, new_figure
from inoc.stats.means import mean_interval

KEYS = ["prompt", "prefix", "learning_rate"]
COLUMNS = (*KEYS, "seed", "step", "loss")
ACROSS = 4
PANEL_IN = 1.6


def draw(study: Study, sources: Sources) -> Drawing:
    """Loss over training steps, a line for each run; the mean over seeds and its interval are in the data only."""
    table = sources.table("losses", COLUMNS)
    # Losses on other data are of other tokens; they are in the table.
    own = table[table["data"] == ""] if "data" in table else table
    runs = own.sort_values([*KEYS, "seed", "step"], ignore_index=True)
    pooled = pool_seeds(runs, study.statistics.confidence)
    panels = choices.trained_prompts(study) or [""]
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    figure = new_figure(0.6 + legend_in(study) + down * PANEL_IN)
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.set_visible(False)
            continue
        _panel(axes, study, runs, panels[index])
        axes.set_title(choices.prompt_label(panels[index]), fontsize="medium")
        if index % across == 0:
            axes.set_ylabel("loss (nats/token)")
        if index + across >= len(panels):
            axes.set_xlabel("training step")
            axes.tick_params(labelbottom=True)
    figure.legend(handles=_handles(study), loc="outside upper left", ncols=LEGEND_COLUMNS, handlelength=3.2)
    single = runs.assign(
        seed=runs["seed"].astype(str), lo=np.nan, hi=np.nan, n=1, n_nan=runs["loss"].isna().astype(int)
    )
    columns = [*KEYS, "seed", "step", "loss", "lo", "hi", "n", "n_nan"]
    return Drawing(figure, pd.concat([pooled, single])[columns].reset_index(drop=True), _caption(study, runs))


def pool_seeds(runs: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Mean loss over seeds.

    Args:
        runs: Losses in nats per token, one row for each run and step.
        confidence: Level of the t interval.

    Returns:
        One row for each (prompt, prefix, learning rate, step), `seed` is `all`; lo and hi are NaN for a single seed;
        n counts seeds.
    """
    rows = []
    for key, group in runs.groupby([*KEYS, "step"], sort=True):
        mean = mean_interval(group["loss"].to_numpy(dtype=float), confidence)
        rows.append((*key, "all", mean.value, mean.lo, mean.hi, mean.n, mean.n_nan))
    return pd.DataFrame(rows, columns=[*KEYS, "step", "seed", "loss", "lo", "hi", "n", "n_nan"])


def _panel(axes: Axes, study: Study, runs: pd.DataFrame, prompt: str) -> None:
    for (rate, prefix), colour in _colours(study).items():
        own = prompt if prefix != "none" else ""
        lines = runs[(runs["prompt"] == own) & (runs["prefix"] == prefix) & (runs["learning_rate"] == rate)]
        for _, line in lines.groupby("seed", sort=True):
            steps, loss = line["step"].to_numpy(dtype=float), line["loss"].to_numpy(dtype=float)
            loss_line(axes, steps, loss, colour=colour, dashes=choices.looks(study)[prefix].dashes)


def _colours(study: Study) -> dict[tuple[float, str], str]:
    rates = choices.learning_rates(study)
    by_rate = colours_of([f"{rate:g}" for rate in rates])
    prefixes, looks = ["none", *choices.trained_kinds(study)], choices.looks(study)
    return {
        (rate, prefix): looks[prefix].colour if len(rates) == 1 else by_rate[f"{rate:g}"]
        for rate in rates
        for prefix in prefixes
    }


def _handles(study: Study) -> list[Line2D]:
    handles = []
    for (rate, prefix), colour in _colours(study).items():
        line = Line2D([], [], color=colour, label=line_label(study, prefix, rate))
        if dashes := choices.looks(study)[prefix].dashes:
            line.set_dashes(list(dashes))
        handles.append(line)
    return handles


def _caption(study: Study, runs: pd.DataFrame) -> str:
    n_runs = len(runs[[*KEYS, "seed"]].drop_duplicates())
    seeds = sorted(int(seed) for seed in runs["seed"].unique())
    return " ".join(
        [
            f"Training loss of {rst(study.title)} in nats per trained token, averaged since the previous point:",
            f"a line for each of n = {n_runs} runs (training seeds {', '.join(map(str, seeds))}), not pooled;",
            "the control is repeated in every panel. The means over seeds are not drawn; the CSV file has them",
            f"(seed “all”) with their t {interval_words(study)}.",
            f"n_nan = {int(runs['loss'].isna().sum())} points have no finite loss.",
        ]
    )
