"""Training loss of every run, a panel for each prompt."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.lines import Layout, LineGrid, step_axis, value_axis
from inoc.plots.save import Drawing
from inoc.stats.means import mean_interval
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.curves import legend_in, line_legend, line_marks
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst
from inoc.tables import LOSSES, with_defaults

KEYS = ["prompt", "prefix", "learning_rate"]
COLUMNS = (*KEYS, "seed", "step", "loss")
ACROSS = 4
PLOT_IN = 1.1


def draw(study: Study, sources: Sources) -> Drawing:
    """Loss over training steps, a line for each run; the mean over seeds and its interval are in the data only."""
    table = with_defaults(sources.table("losses", COLUMNS), LOSSES)
    # Losses on other data are of other tokens; they are in the table.
    runs = thinned(table[table["data"] == ""], study.training.log_every)
    pooled = pool_seeds(runs, study.statistics.confidence)
    seeds, logged = sorted(runs["seed"].unique()), set(runs["prompt"])
    panels = [prompt for prompt in choices.trained_prompts(study) if prompt in logged] or [""]
    layout = Layout(min(ACROSS, len(panels)), PLOT_IN, above_in=0.3, top_in=0.1 + legend_in(study))
    x, y = step_axis(runs["step"].to_numpy(dtype=float), "linear"), value_axis(runs["loss"].to_numpy(), "nats/token")
    grid = LineGrid(len(panels), layout, x, y)
    lines = {key: line.sort_values("step") for key, line in runs.groupby([*KEYS, "seed"], sort=True)}
    for index, prompt in enumerate(panels):
        grid.heading(index, choices.prompt_label(prompt))
        for (rate, prefix), mark in line_marks(study).items():
            own = prompt if prefix != "none" else ""
            for line in (lines.get((own, prefix, rate, seed)) for seed in seeds):
                if line is not None:
                    steps, loss = line["step"].to_numpy(dtype=float), line["loss"].to_numpy(dtype=float)
                    grid.line(index, steps, loss, mark._replace(width=1.0))
    figure = grid.finish()
    line_legend(figure, study)
    single = runs.assign(
        seed=runs["seed"].astype(str), lo=np.nan, hi=np.nan, n=1, n_nan=runs["loss"].isna().astype(int)
    )
    columns = [*KEYS, "seed", "step", "loss", "lo", "hi", "n", "n_nan"]
    return Drawing(figure, pd.concat([pooled, single])[columns].reset_index(drop=True), _caption(study, runs))


def thinned(losses: pd.DataFrame, every: int) -> pd.DataFrame:
    """Fewer points of each run: means over `every` steps, at the last of these.

    Args:
        losses: Losses in nats per token, one row for each run and step.
        every: Steps between two points.

    Returns:
        The columns of `COLUMNS`, sorted. A run whose points are further apart keeps them; the last point of a run may
        be the mean of fewer steps. A mean over a loss that is not finite is NaN.
    """
    window = (-(-losses["step"] // every)).rename("window")
    groups = losses.groupby([*KEYS, "seed", window], sort=True)
    found = groups.agg(step=("step", "max"), loss=("loss", lambda values: values.mean(skipna=False)))
    return found.reset_index().sort_values([*KEYS, "seed", "step"], ignore_index=True)[list(COLUMNS)]


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


def _caption(study: Study, runs: pd.DataFrame) -> str:
    n_runs = len(runs[[*KEYS, "seed"]].drop_duplicates())
    seeds = sorted(int(seed) for seed in runs["seed"].unique())
    return " ".join(
        [
            f"Training loss of {rst(study.title)} in nats per trained token, averaged since the previous point:",
            f"a line for each of n = {n_runs} runs (training seeds {', '.join(map(str, seeds))}), not pooled;",
            "the control is repeated in every panel. The means over seeds are not drawn; the CSV file has them",
            f"(seed “all”) with their t {interval_words(study)}.",
            *_unlogged(study, runs),
            f"n_nan = {int(runs['loss'].isna().sum())} points have no finite loss.",
        ]
    )


def _unlogged(study: Study, runs: pd.DataFrame) -> list[str]:
    absent = [prompt for prompt in choices.trained_prompts(study) if prompt not in set(runs["prompt"])]
    return [f"Of {len(absent)} trained prompts there are no losses: {rst(', '.join(absent))}."] if absent else []
