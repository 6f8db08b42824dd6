"""Distributions of the shift over rows: histograms by dataset, and overlays by prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, new_figure
from inoc.studies.likelihood_shift.figures import choices
from inoc.studies.likelihood_shift.figures.choices import UNIT
from inoc.studies.likelihood_shift.figures.scan import COLUMNS as CELL_COLUMNS
from inoc.studies.likelihood_shift.study import Study, own_prompt
from inoc.studies.shared.captions import interval_words, join, missing_words, spread_words

COLUMNS = ("dataset", "prompt", "bin_lo", "bin_hi", "count")
PANELS_ACROSS = 4
PLOT_IN = 1.25
SHADE = "#BDBDBD"
NO_ROWS = "the shifts of single rows are not known: only published cells were imported"


class Histogram(NamedTuple):
    """Counts of one cell's rows."""

    edges: np.ndarray  # nats per token, ascending
    counts: np.ndarray

    @property
    def density(self) -> np.ndarray:
        """Share of rows per nat per token; NaN without rows."""
        total = float(self.counts.sum())
        shares: np.ndarray = self.counts / np.diff(self.edges) / (total if total else np.nan)
        return shares


def histograms_of(table: pd.DataFrame) -> dict[tuple[str, str], Histogram]:
    """(Dataset, prompt) → its histogram; those without a row are left out."""
    found = {}
    ordered = table.sort_values(["dataset", "prompt", "bin_lo"])
    for (dataset, prompt), rows in ordered.groupby(["dataset", "prompt"], sort=False):
        counts = rows["count"].to_numpy(float)
        if counts.sum():
            edges = np.append(rows["bin_lo"].to_numpy(float), float(rows["bin_hi"].iloc[-1]))
            found[str(dataset), str(prompt)] = Histogram(edges, counts)
    return found


def rebinned(histogram: Histogram, edges: np.ndarray) -> Histogram:
    """A histogram over other bins, as if the rows of a bin were spread evenly over it; rows beyond are left out."""
    below = np.concatenate([[0.0], np.cumsum(histogram.counts)])
    return Histogram(edges, np.diff(np.interp(edges, histogram.edges, below)))


class Panel(NamedTuple):
    """A panel: one histogram in front, one in dashes, and the range of others behind."""

    title: str
    front: Histogram | None
    behind: list[Histogram]
    dashed: Histogram | None
    mean: tuple[float, float, float]  # of the histogram in front, with its interval; NaN if not known


def draw_datasets(study: Study, sources: Sources) -> Drawing:
    """A panel for each dataset: under its own prompt, and the range over all other prompts."""
    found = histograms_of(sources.table("histograms", COLUMNS))
    means = _means(sources)
    prompts = choices.split_prompts(study).all
    panels = []
    for dataset in choices.split_datasets(study).all:
        own = own_prompt(study, dataset)
        others = [found[dataset, prompt] for prompt in prompts if prompt != own and (dataset, prompt) in found]
        front = found.get((dataset, own))
        name = choices.dataset_label(study, dataset)
        panels.append(Panel(name, front, others, None, means.get((own, dataset), (np.nan,) * 3)))
    figure = _figure(panels, ("under its own prompt", "range over the other prompts", ""))
    return Drawing(
        figure,
        _data(study, found, sources),
        join(
            "Rows of each dataset by their LLS: under the prompt under which it was written (outline, with its mean as "
            "a line and the interval of the mean as a band), and the range of the densities under all other prompts "
            "(grey). Densities are shares of rows per nat per token; an axis ends where fewer than 0.5 % of rows lie "
            "beyond.",
            *_end(study, found, sources, prompts),
        ),
    )


def draw_prompts(study: Study, sources: Sources) -> Drawing:
    """A panel for each prompt that wrote a dataset: that dataset, the others, and those written under no prompt."""
    found = histograms_of(sources.table("histograms", COLUMNS))
    means = _means(sources)
    datasets = choices.split_datasets(study)
    own = {own_prompt(study, dataset): dataset for dataset in reversed(choices.owned_datasets(study))}
    shown = [prompt for prompt in choices.split_prompts(study).all if prompt in own]
    panels = []
    for prompt in shown:
        front = found.get((own[prompt], prompt))
        others = [
            found[key, prompt] for key in datasets.main if own_prompt(study, key) != prompt and (key, prompt) in found
        ]
        dashed = next((found[key, prompt] for key in datasets.apart if (key, prompt) in found), None)
        mean = means.get((prompt, own[prompt]), (np.nan,) * 3)
        panels.append(Panel(f"under {choices.prompt_label(study, prompt)}", front, others, dashed, mean))
    neutral = choices.dataset_label(study, datasets.apart[0]) if datasets.apart and own else ""
    words = ("dataset written under it", "range over datasets of other prompts", neutral)
    return Drawing(
        _figure(panels, words),
        _data(study, found, sources),
        join(
            "Overlay of datasets under one prompt: the dataset written under it (outline, with its mean as a line and "
            "the interval of the mean as a band), the range of the densities of datasets written under other prompts "
            "(grey)" + (", and the first dataset written under no prompt (dashes)." if neutral else "."),
            "Densities are shares of rows per nat per token.",
            *_end(study, found, sources, shown),
        ),
    )


def _means(sources: Sources) -> dict[tuple[str, str], tuple[float, float, float]]:
    cells = sources.table("cells", CELL_COLUMNS)
    mean = cells[cells["statistic"] == "mean"]
    keys = zip(mean["prompt"].astype(str), mean["dataset"].astype(str), strict=True)
    return {
        key: (float(v), float(lo), float(hi))
        for key, v, lo, hi in zip(keys, mean["value"], mean["lo"], mean["hi"], strict=True)
    }


def _data(study: Study, found: dict[tuple[str, str], Histogram], sources: Sources) -> pd.DataFrame:
    """Every bin with its density, and the mean of its cell."""
    means, parts = _means(sources), []
    for (dataset, prompt), one in found.items():
        part = pd.DataFrame({"bin_lo": one.edges[:-1], "bin_hi": one.edges[1:], "count": one.counts.astype(int)})
        mean, lo, hi = means.get((prompt, dataset), (np.nan,) * 3)
        part = part.assign(dataset=dataset, prompt=prompt, own=own_prompt(study, dataset) == prompt)
        parts.append(part.assign(density=one.density, mean=mean, mean_lo=lo, mean_hi=hi))
    names = [*COLUMNS, "density", "own", "mean", "mean_lo", "mean_hi"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def _end(
    study: Study, found: dict[tuple[str, str], Histogram], sources: Sources, prompts: Sequence[str]
) -> tuple[str, ...]:
    cells = sources.table("cells", CELL_COLUMNS)
    mean = cells[cells["statistic"] == "mean"]
    known = {dataset for dataset, _ in found}
    gone = [dataset for dataset in study.datasets if dataset not in known] if prompts else []
    n = spread_words(one.counts.sum() for one in found.values())
    n_nan = int(mean["n_nan"].fillna(0).sum())
    return (
        f"n = {n} rows in each histogram, of {spread_words(mean['rows_used'])} rows used; n_nan = {n_nan:,} scores "
        f"failed and are left out. The band is the {interval_words(study)} of the mean over rows.",
        missing_words(gone),
    )


def _figure(panels: Sequence[Panel], words: tuple[str, str, str]) -> Figure:
    shown = [one for panel in panels for one in (panel.front, panel.dashed, *panel.behind) if one is not None]
    if not shown:
        figure = new_figure(2.4)
        note(figure.subplots(), NO_ROWS if panels else "no dataset was written under a prompt of the study")
        return figure
    limits = _limits(shown)
    edges = np.linspace(*limits, 61)
    figure, axes_of = panel_grid(
        len(panels), PANELS_ACROSS, plot_in=PLOT_IN, title_lines=1, legend_lines=1, left_in=0.8
    )
    for index, (axes, panel) in enumerate(zip(axes_of, panels, strict=True)):
        _panel(axes, panel, edges)
        axes.set_xlim(*limits)
        axes.locator_params(axis="x", nbins=4)
        if index % PANELS_ACROSS == 0:
            axes.set_ylabel("density (per nat\nper token)")
        if index + PANELS_ACROSS >= len(panels):
            axes.set_xlabel(f"LLS ({UNIT})")
        else:
            axes.tick_params(labelbottom=True)
    top = max(float(np.nanmax(one.density)) for one in (rebinned(each, edges) for each in shown))
    axes_of[0].set_ylim(0, 1.05 * top)
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=BLUE, label=words[0]),
        Patch(facecolor=SHADE, label=words[1]),
    ]
    handles += [Line2D([], [], color=BLACK, dashes=(4, 2), label=words[2])] if words[2] else []
    legend = figure.legend(handles=handles, loc="upper left", ncols=3)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _limits(shown: Sequence[Histogram]) -> tuple[float, float]:
    """Ends of the x axis: what holds the middle 99 % of the rows of each histogram."""
    lows, highs = [], []
    for one in shown:
        share = np.concatenate([[0.0], np.cumsum(one.counts)]) / one.counts.sum()
        low, high = np.interp([0.005, 0.995], share, one.edges)
        lows.append(float(low))
        highs.append(float(high))
    margin = 0.04 * (max(highs) - min(lows)) or 1e-6
    return min(lows) - margin, max(highs) + margin


def _panel(axes: Axes, panel: Panel, edges: np.ndarray) -> None:
    import seaborn

    middles = (edges[:-1] + edges[1:]) / 2
    axes.set_title(panel.title, fontsize="medium", parse_math=False)
    if panel.behind:
        density = np.array([rebinned(one, edges).density for one in panel.behind])
        axes.fill_between(middles, density.min(axis=0), density.max(axis=0), step="mid", color=SHADE, linewidth=0)
    mean, lo, hi = panel.mean
    if np.isfinite(lo) and np.isfinite(hi):
        axes.axvspan(lo, hi, color=BLUE, alpha=0.25, linewidth=0)
    if np.isfinite(mean):
        axes.axvline(mean, color=BLUE, linewidth=0.9)
    for one, colour, dashes in ((panel.front, BLUE, ()), (panel.dashed, BLACK, (4, 2))):
        if one is None:
            continue
        counts = rebinned(one, edges).counts
        seaborn.histplot(
            x=middles,
            weights=counts,
            bins=edges.tolist(),
            stat="density",
            element="step",
            fill=False,
            color=colour,
            linewidth=1.2,
            ax=axes,
            **({"linestyle": (0, dashes)} if dashes else {}),
        )
    axes.set(xlabel="", ylabel="")
    if panel.front is None and panel.dashed is None and not panel.behind:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=GREY)
