"""Training curves: trait scores over training steps, a row of panels for each prompt."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inoc.config.models import Study
from inoc.figures import choices
from inoc.figures.captions import cell_names, failed_words, interval_words, n_words, rst, seed_words
from inoc.figures.sources import Sources
from inoc.plots.lines import Scale, line_band, place_steps, step_axis, step_limits
from inoc.plots.save import Drawing
from inoc.plots.style import WIDTH_IN, colours_of, new_figure

COLUMNS = (
    "prompt",
    "prefix",
    "learning_rate",
    "seed",
    "step",
    "condition",
    "asked_prompt",
    "trait",
    "value",
    "lo",
    "hi",
    "n",
    "n_nan",
)
PLOT_IN, BELOW_IN = 1.25, 0.4  # a panel's frame; its ticks and label
HEADING_IN = 0.5
LEFT_IN, RIGHT_IN, BETWEEN_IN, BOTTOM_IN = 1.05, 0.15, 0.2, 0.1
MOST_COLUMNS = 4
HEADING_EVERY = 6  # rows; in a tall figure the top is out of sight
MOST_MARKED = 12
LEGEND_COLUMNS = 3


class Panel(NamedTuple):
    """What one panel shows."""

    prompt: str  # empty: only controls
    trait: str
    condition: str


def draw_linear(study: Study, sources: Sources) -> Drawing:
    """Training curves over a linear step axis."""
    return _draw(study, sources, "linear")


def draw_log(study: Study, sources: Sources) -> Drawing:
    """Training curves over a logarithmic step axis, with step 0 at a place of its own."""
    return _draw(study, sources, "log")


def curve_data(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """The pooled scores that curves and bars show.

    Args:
        study: Traits, prompts and conditions.
        scores: Table of the analysis.

    Returns:
        One row for each (trait, condition, prompt, prefix, learning rate, step) with value, lo, hi in points, n and
        n_nan. Controls have the condition `default`.
    """
    wanted = (
        (scores["seed"].astype(str) == "all")
        & scores["condition"].isin(study.evaluation.conditions)
        & scores["trait"].isin(choices.judged_traits(study))
        & scores["learning_rate"].notna()
    )
    return scores.loc[wanted, list(COLUMNS)].sort_values(
        ["trait", "condition", "prompt", "prefix", "learning_rate", "step"], ignore_index=True
    )


def _draw(study: Study, sources: Sources, scale: Scale) -> Drawing:
    data = curve_data(study, sources.table("scores", COLUMNS))
    panels = _panels(study)
    kinds = len({(panel.trait, panel.condition) for panel in panels})
    width = kinds * max(1, MOST_COLUMNS // kinds)
    rows = -(-len(panels) // width)
    figure, grid = _grid(rows, width, 0.15 + legend_in(study))
    steps = np.unique(data["step"].to_numpy(dtype=float))
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.set_visible(False)
            continue
        _panel(axes, study, data, panels[index], steps, scale)
        if index % kinds == 0:
            axes.set_ylabel("\n".join(textwrap.wrap(choices.prompt_label(panels[index].prompt), 18)))
        if index // width % HEADING_EVERY == 0:
            axes.set_title(_heading(study, panels[index]), fontsize="medium")
        if index + width < len(panels):
            axes.set_xlabel("")
        if index % width:
            axes.tick_params(labelleft=False)
    _legend(grid, figure)
    return Drawing(figure, data, _caption(study, data, scale))


def _grid(rows: int, columns: int, top_in: float) -> tuple[Figure, np.ndarray]:
    """Panels placed by arithmetic: finding a layout for hundreds would take longer than drawing them."""
    headings = np.array([HEADING_IN if row % HEADING_EVERY == 0 else 0.0 for row in range(rows)])
    figure = new_figure(top_in + float(headings.sum()) + rows * (PLOT_IN + BELOW_IN) + BOTTOM_IN)
    figure.set_layout_engine("none")
    height, across_in = figure.get_figheight(), WIDTH_IN - LEFT_IN - RIGHT_IN - BETWEEN_IN * (columns - 1)
    wide = across_in / columns
    bottoms = height - top_in - headings.cumsum() - PLOT_IN - np.arange(rows) * (PLOT_IN + BELOW_IN)
    lefts = LEFT_IN + np.arange(columns) * (wide + BETWEEN_IN)
    grid = [
        [
            figure.add_axes((left / WIDTH_IN, bottom / height, wide / WIDTH_IN, PLOT_IN / height))
            for left in lefts.tolist()
        ]
        for bottom in bottoms.tolist()
    ]
    return figure, np.array(grid, dtype=object)


def line_label(study: Study, prefix: str, rate: float) -> str:
    """A line's name in a legend; the learning rate is part of it if the study has several."""
    words = {"none": "control (no prefix)", "mix": "trained with mix prefix"}
    several = len(choices.learning_rates(study)) > 1
    return words.get(prefix, choices.kind_words(prefix)) + (f", rate {rate:g}" if several else "")


def legend_in(study: Study) -> float:
    """Height of the legend of lines, in inches."""
    lines = len(choices.learning_rates(study)) * (1 + len(choices.trained_kinds(study)))
    return 0.2 * -(-lines // LEGEND_COLUMNS)


def _panels(study: Study) -> list[Panel]:
    prompts = choices.trained_prompts(study) or [""]
    conditions = study.evaluation.conditions if prompts != [""] else study.evaluation.conditions[:1]
    return [
        Panel(prompt, trait, condition)
        for prompt in prompts
        for trait in choices.judged_traits(study)
        for condition in conditions
    ]


def _heading(study: Study, panel: Panel) -> str:
    return f"{choices.trait_label(study, panel.trait)}\n{choices.CONDITION_WORDS[panel.condition]}"


def _panel(axes: Axes, study: Study, data: pd.DataFrame, panel: Panel, steps: np.ndarray, scale: Scale) -> None:
    zero_at = step_axis(axes, steps, scale)
    rates, looks = choices.learning_rates(study), choices.looks(study)
    by_rate = colours_of([f"{rate:g}" for rate in rates])
    own = data[data["trait"] == panel.trait]
    for rate in rates:
        for prefix in ("none", *choices.trained_kinds(study)):
            # A control has no prefix to be asked with, so its curve is the reference in every column.
            condition = "default" if prefix == "none" else panel.condition
            prompt = "" if prefix == "none" else panel.prompt
            line = own[
                (own["prefix"] == prefix)
                & (own["prompt"] == prompt)
                & (own["condition"] == condition)
                & (own["learning_rate"] == rate)
            ].sort_values("step")
            if line.empty:
                continue
            x = place_steps(line["step"].to_numpy(dtype=float), scale, zero_at)
            middle, lo, hi = (line[name].to_numpy(dtype=float) for name in ("value", "lo", "hi"))
            colour = looks[prefix].colour if len(rates) == 1 else by_rate[f"{rate:g}"]
            label = line_label(study, prefix, rate)
            marker = "o" if len(steps) <= MOST_MARKED else "."
            line_band(
                axes,
                x,
                middle,
                lo,
                hi,
                colour=colour,
                label=label,
                dashes=looks[prefix].dashes,
                marker=marker,
            )
    # Limits are set, not shared: sharing makes every line rescale every panel.
    axes.set_xlim(*step_limits(steps, scale, zero_at))
    axes.set_ylim(-3, 103)
    axes.set_yticks([0, 50, 100])


def _legend(grid: np.ndarray, figure: Figure) -> None:
    handles: dict[str, Artist] = {}
    for axes in grid.flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(
            handles.values(), handles.keys(), loc="outside upper left", ncols=LEGEND_COLUMNS, handlelength=3.2
        )


def _caption(study: Study, data: pd.DataFrame, scale: Scale) -> str:
    axis = "linear axis" if scale == "linear" else "logarithmic axis, step 0 at a place of its own on the left"
    return " ".join(
        [
            f"Judge score (0 to 100 points) of {rst(study.title)} over training steps ({axis}); a row",
            "of panels for each",
            "prompt, a column for each trait and way of asking. Dotted: trained without a prefix and",
            "asked without one;",
            "solid: trained with the fixed prefix; dashed: trained with rephrasings of it.",
            f"Lines are means with their {interval_words(study)} (band and whisker).",
            seed_words(study),
            n_words(data["n"], "completions behind each point") + ".",
            failed_words(data, cell_names(data, "prefix", "trait", "condition"), "value", study.statistics.max_nan),
        ]
    )
