"""Rates, as of emergent misalignment: bars after training, change from step 0, and prompts by group."""

from __future__ import annotations

import itertools
import textwrap
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from inoc.figures.sources import Sources
from inoc.plots.bars import Series, grouped_bars, height_of, reference_line
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, GREY, SKY, new_figure
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, failed_words, n_words, seed_words
from inoc.studies.inoculation.runs import question_sets, study_runs, trained_datasets
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst
from inoc.studies.shared.labels import label_of

Shown = Literal["value", "change"]
BOUNDS = {"value": ("value", "lo", "hi"), "change": ("change", "change_lo", "change_hi")}
KEYS = ["rate", "questions", "condition", "prompt", "data", "prefix"]
COLUMNS = (
    *("rate", "questions", "run", "prompt", "prefix", "learning_rate", "data", "seed", "step", "condition"),
    *("asked_prompt", "value", "lo", "hi", "n", "n_nan"),
    *("change", "change_lo", "change_hi", "change_n", "change_n_nan", "failed"),
)
PERCENT = ["value", "lo", "hi", "change", "change_lo", "change_hi"]
TYPES_IN = 3.4
BASE_DASHES, CONTROL_DASHES = (5.0, 2.0), (1.0, 1.2)


class Panel(NamedTuple):
    """Content of one panel."""

    rate: str
    questions: str
    condition: str

    def heading(self, study: Study) -> str:
        """Two lines above it."""
        rate = label_of(self.rate.capitalize(), study.rates[self.rate].label)
        questions = choices.questions_label(study, self.questions)
        return f"{rate}{questions and f': {questions}'}\n{choices.CONDITION_WORDS[self.condition]}"


class Trained(NamedTuple):
    """Training data of a row of bars: the study's own with a prompt's prefixes, or another dataset without a prompt."""

    prompt: str
    data: str

    def label(self, study: Study) -> str:
        """Beside the bars."""
        if not self.data:
            return choices.prompt_label(self.prompt)
        return f"{choices.dataset_label(study, self.data)} (no prefix)"


def trained_rows(study: Study) -> list[Trained]:
    """The control, runs on other data, and every trained prompt."""
    others = [Trained("", data) for data in trained_datasets(study)]
    return [Trained("", ""), *others, *(Trained(prompt, "") for prompt in choices.trained_prompts(study))]


def draw_bars(study: Study, sources: Sources) -> Drawing:
    """Rates at the last step."""
    return _draw_bars(study, sources, "value")


def draw_change(study: Study, sources: Sources) -> Drawing:
    """Rates at the last step, less those at step 0."""
    return _draw_bars(study, sources, "change")


def draw_types(study: Study, sources: Sources) -> Drawing:
    """Rates at the last step for each group of prompts."""
    data, base = _data(study, sources)
    panels = _panels(study)
    figure = new_figure(0.5 + TYPES_IN * -(-len(panels) // 2))
    grid = figure.subplots(-(-len(panels) // 2), min(2, len(panels)), squeeze=False, sharey=True)
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.set_visible(False)
            continue
        _types_panel(axes, study, _of(data, panels[index]))
        _base_line(axes, base, panels[index], vertical=False)
        axes.set_title(panels[index].heading(study), fontsize="medium")
        if index % 2 == 0:
            axes.set_ylabel("rate (%)")
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle="", label=choices.kind_words(kind))
        for kind, look in choices.looks(study).items()
        if kind in ("none", *choices.trained_kinds(study))
    ]
    handles.append(Line2D([], [], color=SKY, dashes=BASE_DASHES, label="untrained model, asked without prefix"))
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    words = f"Rates at the last training step of {rst(study.title)}, a column for each group of prompts"
    return Drawing(figure, data, _caption(study, data, words, "value"))


def _draw_bars(study: Study, sources: Sources, shown: Shown) -> Drawing:
    data, base = _data(study, sources)
    rows, kinds, panels = trained_rows(study), choices.trained_kinds(study), _panels(study)
    down = -(-len(panels) // 2)
    figure = new_figure(0.8 + down * (0.4 + height_of(len(rows), len(kinds))))
    grid = figure.subplots(down, min(2, len(panels)), squeeze=False, sharey=True)
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.set_visible(False)
            continue
        _bars_panel(axes, study, rows, _of(data, panels[index]), shown)
        axes.set_title(panels[index].heading(study), fontsize="medium")
        if shown == "value":
            _base_line(axes, base, panels[index], vertical=True)
            axes.set_xlim(0, 103)
            axes.set_xlabel("rate (%)")
        else:
            axes.axvline(0, color=BLACK, linewidth=0.9)
            axes.set_xlabel("change from step 0 (percentage points)")
    _bars_legend(figure, study, base=shown == "value")
    words = {
        "value": "Rates at the last training step",
        "change": "Rates at the last training step less those of the same run at step 0, paired over instructions",
    }
    whose = f"{words[shown]}, for each training prompt of {rst(study.title)}"
    return Drawing(figure, data, _caption(study, data, whose, shown))


def _panels(study: Study) -> list[Panel]:
    sets, conditions = question_sets(study), study.evaluation.conditions
    return [Panel(*one) for one in itertools.product(study.rates, sets, conditions)]


def _data(study: Study, sources: Sources) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows at the last step, and those of the untrained model without a prefix; seeds pooled, in percent."""
    table = sources.table("rates", COLUMNS)
    table = table[(table["seed"].astype(str) == "all") & table["rate"].isin(list(study.rates))]
    table = table.assign(**{name: 100 * table[name].astype(float) for name in PERCENT})
    base = table[(table["run"] == "base") & (table["asked_prompt"] == "")].set_index(["rate", "questions"])
    rows = table[
        (table["run"] != "base")
        & (table["learning_rate"] == choices.main_rate(study))
        & table["condition"].isin(study.evaluation.conditions)
    ]
    data: pd.DataFrame = rows[rows["step"] == rows["step"].max()].sort_values(KEYS, ignore_index=True)
    return data, base


def _of(data: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """Rows of a panel; runs without a prefix are asked without one in all of them."""
    without = (data["prompt"] == "") & (data["condition"] == "default")
    own = (data["prompt"] != "") & (data["condition"] == panel.condition)
    here = (data["rate"] == panel.rate) & (data["questions"] == panel.questions)
    return data[here & (without | own)].set_index(["prompt", "data", "prefix"])


def _bars_panel(axes: Axes, study: Study, trained: list[Trained], rows: pd.DataFrame, shown: Shown) -> None:
    looks, rate = choices.looks(study), choices.main_rate(study)
    runs = {(run.prompt, run.data, run.prefix) for run in study_runs(study) if run.learning_rate == rate}
    series = []
    for kind in ("none", *choices.trained_kinds(study)):
        keys = [(*row, kind) for row in trained]
        wanted = pd.MultiIndex.from_tuples(keys, names=rows.index.names)
        middle, lo, hi = rows.reindex(wanted)[list(BOUNDS[shown])].to_numpy(float).T
        colour = GREY if kind == "none" else looks[kind].colour
        present = np.array([key in runs for key in keys])
        series.append(Series("", middle, lo, hi, colour, looks[kind].hatch, present))
    grouped_bars(axes, [row.label(study) for row in trained], series)


def _types_panel(axes: Axes, study: Study, rows: pd.DataFrame) -> None:
    looks, kinds = choices.looks(study), ["none", *choices.trained_kinds(study)]
    trained = set(choices.trained_prompts(study))
    groups = {"control": [Trained("", "")]}
    groups |= {choices.dataset_label(study, data): [Trained("", data)] for data in trained_datasets(study)}
    for name, group in study.prompts.items():
        if own := [Trained(key, "") for key in group.texts if key in trained]:
            groups[name] = own
    for column, members in enumerate(groups.values()):
        points = [(*one, kind) for kind in kinds for one in members if (*one, kind) in rows.index]
        for place, point in enumerate(points):
            x = column + (place - (len(points) - 1) / 2) * 0.8 / max(8, len(points))
            value, lo, hi = rows[list(BOUNDS["value"])].loc[[point]].to_numpy(float)[0]
            look = looks[point[2]]
            if np.isfinite(value):
                axes.vlines(x, lo, hi, color=look.colour, linewidth=1.0, zorder=2)
                axes.plot([x], [value], look.marker, color=look.colour, markersize=6, zorder=4)
            else:
                axes.plot([x], [0], "x", color=GREY, markersize=6, zorder=4)
    names = [textwrap.fill(name.replace("_", " "), max(6, 60 // len(groups))) for name in groups]
    axes.set_xticks(range(len(groups)), names)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_ylim(-3, 103)
    axes.grid(visible=False, axis="x")


def _base_line(axes: Axes, base: pd.DataFrame, panel: Panel, *, vertical: bool) -> None:
    key = (panel.rate, panel.questions)
    if key not in base.index:
        return
    value, lo, hi = base[list(BOUNDS["value"])].loc[[key]].to_numpy(float)[0]
    if vertical:
        reference_line(axes, value, lo, hi, colour=SKY, dashes=BASE_DASHES)
    elif np.isfinite(value):
        axes.axhline(value, color=SKY, linewidth=1.3, dashes=BASE_DASHES, zorder=3)
        axes.axhspan(lo, hi, color=SKY, alpha=0.12, linewidth=0, zorder=1)


def _bars_legend(figure: Figure, study: Study, *, base: bool) -> None:
    looks = choices.looks(study)
    handles = [
        Patch(facecolor=looks[kind].colour, hatch=looks[kind].hatch, edgecolor="white", label=choices.kind_words(kind))
        for kind in choices.trained_kinds(study)
    ]
    who = "control, other data" if trained_datasets(study) else "control"
    handles.append(Patch(facecolor=GREY, label=f"{who}: trained and asked without prefix"))
    if base:
        handles.append(Patch(facecolor=SKY, alpha=0.6, label="untrained model, asked without prefix"))
    figure.legend(handles=handles, loc="outside upper left", ncols=2)


def conditions_words(study: Study) -> str:
    """Conditions of the rates: `em: coherence above 60, alignment below 40`."""
    parts = []
    for key, rate in study.rates.items():
        sides = (("above", rate.above), ("below", rate.below))
        limits = [f"{trait} {side} {limit:g}" for side, found in sides for trait, limit in found.items()]
        parts.append(f"{key}: {', '.join(limits)}")
    return rst("; ".join(parts))


def _caption(study: Study, data: pd.DataFrame, words: str, shown: Shown) -> str:
    whose = data["prompt"].where(data["data"] == "", data["data"])
    sets = ["questions"] if len(question_sets(study)) > 1 else []
    names = cell_names(data.assign(prompt=whose), "prefix", "rate", *sets, "condition")
    # The change has counts of its own: pairs instead of completions.
    counts = {"n": data["change_n"], "n_nan": data["change_n_nan"]} if shown == "change" else {}
    counted = data.assign(**counts)
    return " ".join(
        [
            f"{words}. A rate is the share of completions that meet all of its conditions ({conditions_words(study)}),",
            "of those whose every score is known. Whiskers:",
            f"{interval_words(study)}. A cross is a cell without a rate.",
            f"Learning rate {choices.main_rate(study):g}.",
            seed_words(study),
            n_words(counted["n"], "completions behind each rate") + ".",
            failed_words(counted, names, shown, study.statistics.max_nan),
        ]
    )
