"""Training loss of every run, a panel for each prompt, with the mean over seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from inoc.config.models import Study
from inoc.figures import choices
from inoc.figures.captions import interval_words, rst
from inoc.figures.sources import Sources
from inoc.plots.lines import loss_line
from inoc.plots.save import Drawing
from inoc.plots.style import PREFIX_COLOURS, PREFIX_DASHES, colours_of, new_figure
from inoc.stats.means import mean_interval

KEYS = ["prompt", "prefix", "learning_rate"]
COLUMNS = (*KEYS, "seed", "step", "loss")
ACROSS = 4
PANEL_IN = 1.6


def draw(study: Study, sources: Sources) -> Drawing:
    """Loss over training steps: a thin line for each seed, the interval of the mean over seeds as a band."""
    runs = sources.table("losses", COLUMNS).sort_values([*KEYS, "seed", "step"], ignore_index=True)
    pooled = pool_seeds(runs, study.statistics.confidence)
    panels = choices.trained_prompts(study) or [""]
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    figure = new_figure(0.8 + down * PANEL_IN)
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.set_visible(False)
            continue
        _panel(axes, study, runs, pooled, panels[index])
        axes.set_title(choices.prompt_label(panels[index]), fontsize="medium")
        if index % across == 0:
            axes.set_ylabel("loss (nats/token)")
        if index + across >= len(panels):
            axes.set_xlabel("training step")
            axes.tick_params(labelbottom=True)
    losses = runs["loss"].dropna()
    if len(losses):
        room = 0.06 * max(1e-6, float(losses.max() - losses.min()))
        # The interval of a mean over two seeds can dwarf the curves; it is cut at the panel, and whole in the CSV.
        grid[0, 0].set_ylim(float(losses.min()) - room, float(losses.max()) + room)
    figure.legend(handles=_handles(study), loc="outside upper left", ncols=3, handlelength=3.2)
    single = runs.assign(
        seed=runs["seed"].astype(str), lo=np.nan, hi=np.nan, n=1, n_nan=runs["loss"].isna().astype(int)
    )
    columns = [*KEYS, "seed", "step", "loss", "lo", "hi", "n", "n_nan"]
    return Drawing(figure, pd.concat([pooled, single])[columns].reset_index(drop=True), _caption(study, runs, pooled))


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


def _panel(axes: Axes, study: Study, runs: pd.DataFrame, pooled: pd.DataFrame, prompt: str) -> None:
    for (rate, prefix), colour in _colours(study).items():
        own = prompt if prefix != "none" else ""
        chosen = [
            frame[(frame["prompt"] == own) & (frame["prefix"] == prefix) & (frame["learning_rate"] == rate)]
            for frame in (runs, pooled)
        ]
        for _, line in chosen[0].groupby("seed", sort=True):
            steps, loss = line["step"].to_numpy(dtype=float), line["loss"].to_numpy(dtype=float)
            loss_line(axes, steps, loss, colour=colour, dashes=PREFIX_DASHES[prefix])
        band = chosen[1]
        axes.fill_between(band["step"], band["lo"], band["hi"], color=colour, alpha=0.12, linewidth=0, zorder=1)


def _colours(study: Study) -> dict[tuple[float, str], str]:
    rates = choices.learning_rates(study)
    by_rate = colours_of([f"{rate:g}" for rate in rates])
    prefixes = ["none", *choices.trained_prefixes(study)]
    return {
        (rate, prefix): PREFIX_COLOURS[prefix] if len(rates) == 1 else by_rate[f"{rate:g}"]
        for rate in rates
        for prefix in prefixes
    }


def _handles(study: Study) -> list[Line2D]:
    handles = []
    for (rate, prefix), colour in _colours(study).items():
        label = "control (no prefix)" if prefix == "none" else f"trained with {prefix} prefix"
        label += f", learning rate {rate:g}" if len(choices.learning_rates(study)) > 1 else ""
        line = Line2D([], [], color=colour, label=label)
        if PREFIX_DASHES[prefix]:
            line.set_dashes(list(PREFIX_DASHES[prefix]))
        handles.append(line)
    return handles


def _caption(study: Study, runs: pd.DataFrame, pooled: pd.DataFrame) -> str:
    n_runs = len(runs[[*KEYS, "seed"]].drop_duplicates())
    seeds = sorted(int(seed) for seed in runs["seed"].unique())
    single = "" if (pooled["n"] > 1).any() else " With one seed there is no interval of the mean, and none is drawn."
    return " ".join(
        [
            f"Training loss of {rst(study.title)} in nats per trained token, averaged since the previous point:",
            f"a thin line for each of n = {n_runs} runs (training seeds {', '.join(map(str, seeds))});",
            f"the control is repeated in every panel. Bands: t {interval_words(study)} of the mean over seeds, cut at the",
            f"panel's edge.{single}",
            f"n_nan = {int(runs['loss'].isna().sum())} points have no finite loss.",
        ]
    )
