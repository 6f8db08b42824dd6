"""Rates, as of emergent misalignment: bars after training, change from step 0, and prompts by group."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from inoc.config.models import Study
from inoc.figures import choices
from inoc.figures.captions import cell_names, failed_words, interval_words, n_words, rst, seed_words
from inoc.figures.sources import Sources
from inoc.plots.bars import Series, grouped_bars, height_of, reference_line
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, GREY, PREFIX_COLOURS, PREFIX_HATCHES, PREFIX_MARKERS, SKY, new_figure

Shown = Literal["value", "change"]
BOUNDS = {"value": ("value", "lo", "hi"), "change": ("change", "change_lo", "change_hi")}
KEYS = ["rate", "condition", "prompt", "prefix"]
COLUMNS = (
    *("rate", "run", "prompt", "prefix", "learning_rate", "seed", "step", "condition", "asked_prompt", "value"),
    *("lo", "hi", "n", "n_nan", "change", "change_lo", "change_hi", "change_n", "change_n_nan", "failed"),
)
PERCENT = ["value", "lo", "hi", "change", "change_lo", "change_hi"]
TYPES_IN = 3.4
BASE_DASHES, CONTROL_DASHES = (5.0, 2.0), (1.0, 1.2)


class Panel(NamedTuple):
    """What one panel shows."""

    rate: str
    condition: str

    def heading(self, study: Study) -> str:
        """Two lines above it."""
        return f"{study.rates[self.rate].label or self.rate.capitalize()}\n{choices.CONDITION_WORDS[self.condition]}"


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
        Line2D([], [], color=PREFIX_COLOURS[prefix], marker=PREFIX_MARKERS[prefix], linestyle="", label=label)
        for prefix, label in (("none", "control"), ("fixed", "fixed prefix"), ("mix", "rephrasings (mix)"))
    ]
    handles.append(Line2D([], [], color=SKY, dashes=BASE_DASHES, label="untrained model, asked without prefix"))
    figure.legend(handles=handles, loc="outside upper left", ncols=4)
    words = f"Rates at the last training step of {rst(study.title)}, a column for each group of prompts"
    return Drawing(figure, data, _caption(study, data, words, "value"))


def _draw_bars(study: Study, sources: Sources, shown: Shown) -> Drawing:
    data, base = _data(study, sources)
    prompts, prefixes, panels = ["", *choices.trained_prompts(study)], choices.trained_prefixes(study), _panels(study)
    down = -(-len(panels) // 2)
    figure = new_figure(0.8 + down * (0.4 + height_of(len(prompts), len(prefixes))))
    grid = figure.subplots(down, min(2, len(panels)), squeeze=False, sharey=True)
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.set_visible(False)
            continue
        _bars_panel(axes, prompts, prefixes, _of(data, panels[index]), shown)
        axes.set_title(panels[index].heading(study), fontsize="medium")
        if shown == "value":
            _base_line(axes, base, panels[index], vertical=True)
            axes.set_xlim(0, 103)
            axes.set_xlabel("rate (%)")
        else:
            axes.axvline(0, color=BLACK, linewidth=0.9)
            axes.set_xlabel("change from step 0 (percentage points)")
    _bars_legend(figure, prefixes, base=shown == "value")
    words = {
        "value": "Rates at the last training step",
        "change": "Rates at the last training step less those of the same run at step 0, paired over instructions",
    }
    whose = f"{words[shown]}, for each training prompt of {rst(study.title)}"
    return Drawing(figure, data, _caption(study, data, whose, shown))


def _panels(study: Study) -> list[Panel]:
    return [Panel(rate, condition) for rate in study.rates for condition in study.evaluation.conditions]


def _data(study: Study, sources: Sources) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows at the last step, and those of the untrained model without a prefix; seeds pooled, in percent."""
    table = sources.table("rates", COLUMNS)
    table = table[(table["seed"].astype(str) == "all") & table["rate"].isin(list(study.rates))]
    table = table.assign(**{name: 100 * table[name].astype(float) for name in PERCENT})
    base = table[(table["run"] == "base") & (table["asked_prompt"] == "")].set_index("rate")
    rows = table[
        (table["run"] != "base")
        & (table["learning_rate"] == choices.main_rate(study))
        & table["condition"].isin(study.evaluation.conditions)
    ]
    data: pd.DataFrame = rows[rows["step"] == rows["step"].max()].sort_values(KEYS, ignore_index=True)
    return data, base


def _of(data: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """Rows of a panel, by prompt and prefix; the control is asked without a prefix in all of them."""
    control = (data["prompt"] == "") & (data["condition"] == "default")
    own = (data["prompt"] != "") & (data["condition"] == panel.condition)
    return data[(data["rate"] == panel.rate) & (control | own)].set_index(["prompt", "prefix"])


def _bars_panel(axes: Axes, prompts: list[str], prefixes: list[str], rows: pd.DataFrame, shown: Shown) -> None:
    treated = np.array([bool(prompt) for prompt in prompts])
    series = []
    for prefix in ("none", *prefixes):
        wanted = pd.MultiIndex.from_tuples([(prompt, prefix) for prompt in prompts], names=rows.index.names)
        middle, lo, hi = rows.reindex(wanted)[list(BOUNDS[shown])].to_numpy(float).T
        colour = GREY if prefix == "none" else PREFIX_COLOURS[prefix]
        present = ~treated if prefix == "none" else treated
        series.append(Series("", middle, lo, hi, colour, PREFIX_HATCHES[prefix], present))
    grouped_bars(axes, [choices.prompt_label(prompt) for prompt in prompts], series)


def _types_panel(axes: Axes, study: Study, rows: pd.DataFrame) -> None:
    trained = set(choices.trained_prompts(study))
    groups = {name: [key for key in group.texts if key in trained] for name, group in study.prompts.items()}
    groups = {"control": [""], **{name: keys for name, keys in groups.items() if keys}}
    for column, keys in enumerate(groups.values()):
        points = [(key, prefix) for prefix in ("none", "fixed", "mix") for key in keys if (key, prefix) in rows.index]
        for place, point in enumerate(points):
            x = column + (place - (len(points) - 1) / 2) * 0.8 / max(8, len(points))
            value, lo, hi = rows[list(BOUNDS["value"])].loc[[point]].to_numpy(float)[0]
            colour = PREFIX_COLOURS[point[1]]
            if np.isfinite(value):
                axes.vlines(x, lo, hi, color=colour, linewidth=1.0, zorder=2)
                axes.plot([x], [value], PREFIX_MARKERS[point[1]], color=colour, markersize=6, zorder=4)
            else:
                axes.plot([x], [0], "x", color=GREY, markersize=6, zorder=4)
    axes.set_xticks(range(len(groups)), [name.replace("_", " ") for name in groups])
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_ylim(-3, 103)
    axes.grid(visible=False, axis="x")


def _base_line(axes: Axes, base: pd.DataFrame, panel: Panel, *, vertical: bool) -> None:
    if panel.rate not in base.index:
        return
    value, lo, hi = base.loc[[panel.rate], list(BOUNDS["value"])].to_numpy(float)[0]
    if vertical:
        reference_line(axes, value, lo, hi, colour=SKY, dashes=BASE_DASHES)
    elif np.isfinite(value):
        axes.axhline(value, color=SKY, linewidth=1.3, dashes=BASE_DASHES, zorder=3)
        axes.axhspan(lo, hi, color=SKY, alpha=0.12, linewidth=0, zorder=1)


def _bars_legend(figure: Figure, prefixes: list[str], *, base: bool) -> None:
    words = {"fixed": "trained with fixed prefix", "mix": "trained with rephrasings (mix)"}
    handles = [
        Patch(facecolor=PREFIX_COLOURS[one], hatch=PREFIX_HATCHES[one], edgecolor="white", label=words[one])
        for one in prefixes
    ]
    handles.append(Patch(facecolor=GREY, label="control: trained and asked without prefix"))
    if base:
        handles.append(Patch(facecolor=SKY, alpha=0.6, label="untrained model, asked without prefix"))
    figure.legend(handles=handles, loc="outside upper left", ncols=2)


def conditions_words(study: Study) -> str:
    """What the rates count: `em: coherence above 60, alignment below 40`."""
    parts = []
    for key, rate in study.rates.items():
        sides = (("above", rate.above), ("below", rate.below))
        limits = [f"{trait} {side} {limit:g}" for side, found in sides for trait, limit in found.items()]
        parts.append(f"{key}: {', '.join(limits)}")
    return rst("; ".join(parts))


def _caption(study: Study, data: pd.DataFrame, words: str, shown: Shown) -> str:
    names = cell_names(data, "prefix", "rate", "condition")
    # Beside the change there are other counts: pairs instead of completions.
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
