"""Training curves: trait scores over training steps, a row of panels for each prompt."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.lines import Layout, LineGrid, Mark, Scale, place_steps, score_axis, step_axis, zero_position
from inoc.plots.save import Drawing
from inoc.plots.style import GREY, PREFIX_COLOURS, PREFIX_DASHES, colours_of, markers_of
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, failed_words, n_words, seed_words
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

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
CELL = ["trait", "prefix", "prompt", "condition", "learning_rate"]
PLOT_IN = 1.25
HEADING_IN = 0.4
LEFT_IN, PROFILE_LEFT_IN = 1.05, 0.75
PROFILE_IN = 3.1
LEGEND_LINE_IN = 0.2
MOST_COLUMNS = 4
MOST_MARKED = 12
LEGEND_COLUMNS = 3


class Panel(NamedTuple):
    """Prompt, trait and condition of one panel."""

    prompt: str  # empty: only controls
    trait: str
    condition: str


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


class Curves(NamedTuple):
    """Curves by cell, and where their steps are."""

    cells: dict[tuple[object, ...], pd.DataFrame]  # by `CELL`
    steps: np.ndarray
    scale: Scale

    def draw(self, grid: LineGrid, panel: int, cell: tuple[object, ...], mark: Mark) -> None:
        """Draw the curve of a cell, if there is one."""
        if (line := self.cells.get(cell)) is None:
            return
        x = place_steps(line["step"].to_numpy(dtype=float), self.scale, zero_position(self.steps))
        middle, lo, hi = (line[name].to_numpy(dtype=float) for name in ("value", "lo", "hi"))
        grid.line(panel, x, middle, mark, lo, hi)


def _curves(data: pd.DataFrame, scale: Scale) -> Curves:
    cells = {key: line.sort_values("step") for key, line in data.groupby(CELL)}
    return Curves(cells, np.unique(data["step"].to_numpy(dtype=float)), scale)


def draw(study: Study, sources: Sources, scale: Scale) -> Drawing:
    """Scores over training steps, a panel for each prompt, trait and condition.

    Args:
        study: The study.
        sources: Its tables.
        scale: Of the step axis.
    """
    data = curve_data(study, sources.table("scores", COLUMNS))
    curves = _curves(data, scale)
    panels = _panels(study)
    kinds = len({(panel.trait, panel.condition) for panel in panels})
    width = kinds * max(1, MOST_COLUMNS // kinds)
    layout = Layout(width, PLOT_IN, left_in=LEFT_IN, heading_in=HEADING_IN, top_in=0.1 + legend_in(study))
    grid = LineGrid(len(panels), layout, step_axis(curves.steps, scale), score_axis())
    for index, panel in enumerate(panels):
        _panel(grid, index, study, curves, panel)
        if index % width == 0:
            grid.row_name(index, "\n".join(textwrap.wrap(choices.prompt_label(panel.prompt), 18)))
        if grid.begins_block(index):
            grid.heading(index, _heading(study, panel))
    figure = grid.finish()
    line_legend(figure, study)
    return Drawing(figure, data, _caption(study, data, scale))


def draw_profile(study: Study, sources: Sources, scale: Scale) -> Drawing:
    """Scores over training steps, the lines of all prompts in one panel.

    Args:
        study: The study.
        sources: Its tables.
        scale: Of the step axis.
    """
    data = curve_data(study, sources.table("scores", COLUMNS))
    data = data[data["learning_rate"] == choices.main_rate(study)].reset_index(drop=True)
    curves = _curves(data, scale)
    marks = _profile_marks(study, len(curves.steps))
    panels = [
        (trait, prefix, condition)
        for trait in choices.judged_traits(study)
        for prefix in choices.trained_kinds(study)
        for condition in study.evaluation.conditions
    ]
    legend = LEGEND_LINE_IN * -(-len(marks) // LEGEND_COLUMNS)
    width = len(study.evaluation.conditions)
    layout = Layout(width, PROFILE_IN, left_in=PROFILE_LEFT_IN, above_in=HEADING_IN, top_in=0.1 + legend, block=1)
    grid = LineGrid(len(panels), layout, step_axis(curves.steps, scale), score_axis("judge score (points)"))
    rate = choices.main_rate(study)
    for index, (trait, prefix, condition) in enumerate(panels):
        for prompt, mark in marks.items():
            own = (trait, prefix, prompt, condition) if prompt else (trait, "none", "", "default")
            curves.draw(grid, index, (*own, rate), mark)
        words = f"{choices.trait_label(study, trait)}, {choices.kind_words(prefix)}"
        grid.heading(index, f"{words}\n{choices.CONDITION_WORDS[condition]}")
    figure = grid.finish()
    handles = [mark_handle(mark, choices.prompt_label(prompt)) for prompt, mark in marks.items()]
    figure.legend(handles=handles, loc="upper left", ncols=LEGEND_COLUMNS, handlelength=3.2)
    return Drawing(figure, data, _profile_caption(study, data, scale))


def _profile_marks(study: Study, n_steps: int) -> dict[str, Mark]:
    prompts = choices.trained_prompts(study)
    colours, markers = colours_of(prompts), markers_of(prompts)
    marks = (
        {"": Mark(PREFIX_COLOURS["none"], dashes=PREFIX_DASHES["none"], band=False)}
        if choices.has_control(study)
        else {}
    )
    # A black line is the control's; the marker tells a repeated colour.
    for prompt in prompts:
        colour = GREY if colours[prompt] == PREFIX_COLOURS["none"] else colours[prompt]
        marks[prompt] = Mark(colour, marker=markers[prompt] if n_steps <= MOST_MARKED else ".", band=False)
    return marks


def line_label(study: Study, prefix: str, rate: float) -> str:
    """A line's name in a legend; the learning rate is part of it if the study has several."""
    words = {"none": "control (no prefix)", "mix": "trained with mix prefix"}
    several = len(choices.learning_rates(study)) > 1
    return words.get(prefix, choices.kind_words(prefix)) + (f", rate {rate:g}" if several else "")


def legend_in(study: Study) -> float:
    """Height of the legend of lines, in inches."""
    return LEGEND_LINE_IN * -(-len(line_marks(study)) // LEGEND_COLUMNS)


def line_marks(study: Study) -> dict[tuple[float, str], Mark]:
    """Line style per (learning rate, prefix): dashes show the prefix, as do colours if there is one learning rate."""
    rates = choices.learning_rates(study)
    by_rate = colours_of([f"{rate:g}" for rate in rates])
    looks = {kind: choices.looks(study)[kind] for kind in ("none", *choices.trained_kinds(study))}
    return {
        (rate, prefix): Mark(look.colour if len(rates) == 1 else by_rate[f"{rate:g}"], look.dashes)
        for rate in rates
        for prefix, look in looks.items()
    }


def mark_handle(mark: Mark, label: str) -> Line2D:
    """A line for a legend."""
    handle = Line2D([], [], color=mark.colour, marker=mark.marker, linewidth=mark.width, label=label)
    if mark.dashes:
        handle.set_dashes(list(mark.dashes))
    return handle


def line_legend(figure: Figure, study: Study) -> None:
    """Say above the panels what their lines are."""
    handles = [mark_handle(mark, line_label(study, prefix, rate)) for (rate, prefix), mark in line_marks(study).items()]
    figure.legend(handles=handles, loc="upper left", ncols=LEGEND_COLUMNS, handlelength=3.2)


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


def _panel(grid: LineGrid, index: int, study: Study, curves: Curves, panel: Panel) -> None:
    marker = "o" if len(curves.steps) <= MOST_MARKED else "."
    for (rate, prefix), mark in line_marks(study).items():
        # A control has no prefix to be asked with, so its curve is the reference in every column.
        own = (panel.prompt, panel.condition) if prefix != "none" else ("", "default")
        curves.draw(grid, index, (panel.trait, prefix, *own, rate), mark._replace(marker=marker))


def _scale_words(scale: Scale) -> str:
    return "linear axis" if scale == "linear" else "logarithmic axis, step 0 at a place of its own on the left"


def _caption(study: Study, data: pd.DataFrame, scale: Scale) -> str:
    return " ".join(
        [
            f"Judge score (0 to 100 points) of {rst(study.title)} over training steps ({_scale_words(scale)}); a row",
            "of panels for each",
            "prompt, a column for each trait and way of asking. Dotted: trained without a prefix and",
            "asked without one;",
            "solid: trained with the fixed prefix; dashed: trained with rephrasings of it.",
            *_closing(study, data, "band and whisker"),
        ]
    )


def _profile_caption(study: Study, data: pd.DataFrame, scale: Scale) -> str:
    rate = choices.main_rate(study)
    return " ".join(
        [
            f"Judge score (0 to 100 points) of {rst(study.title)} over training steps ({_scale_words(scale)}), all",
            f"prompts together, learning rate {rate:g}; a row of panels for each trait and kind of training prefix, a",
            "column for each way of asking. Dotted and black: the control, trained and asked without a prefix.",
            *_closing(study, data, "whisker"),
        ]
    )


def _closing(study: Study, data: pd.DataFrame, shown: str) -> list[str]:
    return [
        f"Lines are means with their {interval_words(study)} ({shown}).",
        seed_words(study),
        n_words(data["n"], "completions behind each point") + ".",
        failed_words(data, cell_names(data, "prefix", "trait", "condition"), "value", study.statistics.max_nan),
    ]
