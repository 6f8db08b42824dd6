"""Shifts Δ of single tokens under prefixes: their distribution, and rescued tokens."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.bars import height_of
from inoc.plots.glyphs import PowersOfTen
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, GREY, colours_of, new_figure, split
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, failed_words, n_words, seed_words
from inoc.studies.inoculation.figures.plane import suppression_scale
from inoc.studies.inoculation.figures.prompts import against_words
from inoc.studies.inoculation.figures.scatter import ShownPredictor, against_suppression, last_suppression
from inoc.studies.inoculation.runs import prompt_families, prompt_texts
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

QUANTILES = ("q05", "q25", "q50", "q75", "q95")
SUMMARY = ("prompt", "family", "prefix", "rescued", "lo", "hi", "n", "n_nan", *QUANTILES)
BINS = ("prompt", "family", "prefix", "bin_lo", "bin_hi", "n")
RESCUED_COLUMNS = {
    "rescued": "share of rescued tokens",
    "q05": "5 % quantile of Δ (nats)",
    "q95": "95 % quantile of Δ (nats)",
}
LINES_IN, HISTOGRAM_IN = 4.2, 2.6
FAMILY_DASHES = ((), (5.0, 2.0), (1.0, 1.2), (6.0, 1.5, 1.0, 1.5))
NO_TOKENS = "no log-probabilities of tokens are stored"


def draw_rescued(study: Study, sources: Sources) -> Drawing:
    """Rescued tokens, and the tails of Δ, against suppression."""
    table = sources.table("token_summary", SUMMARY)
    parts = [
        table[["prompt", "prefix", "lo", "hi", "n", "n_nan"]].assign(predictor=name, trait="all", value=table[name])
        for name in RESCUED_COLUMNS
    ]
    for part in parts[1:]:
        part[["lo", "hi"]] = np.nan
    columns = [ShownPredictor(name, "all", label) for name, label in RESCUED_COLUMNS.items()]
    figure, data = against_suppression(study, sources, pd.concat(parts, ignore_index=True), columns)
    words = [
        "Share of tokens of the training completions that the prefix rescues: probability below 0.1 without it and",
        "above 0.1 with it; and the 5 % and 95 % quantiles of the token shifts Δ (log-probability with − without).",
    ]
    return Drawing(figure, data, " ".join([*words, against_words(study, data, "tokens")]))


def draw_histogram(study: Study, sources: Sources) -> Drawing:
    """Histogram of Δ for each family, and a box for each prompt."""
    summary = _with_suppression(study, sources, sources.table("token_summary", SUMMARY))
    bins = _known_bins(sources)
    prefixes, prompts = list(study.scoring.prefixes), _order(study, summary)
    boxes_in = height_of(len(prompts), 1)
    figure = new_figure(HISTOGRAM_IN + 0.4 + boxes_in)
    above, below = split(figure, HISTOGRAM_IN + 0.4, boxes_in)
    colours = colours_of(choices.families(study))
    shares = _family_shares(bins)
    for axes, prefix in zip(above.subplots(1, len(prefixes), squeeze=False, sharey=True).flat, prefixes, strict=True):
        _histogram(axes, study, shares[shares["prefix"] == prefix], prefix)
    for axes, prefix in zip(below.subplots(1, len(prefixes), squeeze=False, sharey=True).flat, prefixes, strict=True):
        _boxes(axes, study, summary[summary["prefix"] == prefix].set_index("prompt").reindex(prompts))
    above.legend(handles=_handles(study, colours), loc="outside upper left", ncols=4, handlelength=3.2)
    data = pd.concat([summary.assign(kind="prompt"), shares.assign(kind="family histogram")], ignore_index=True)
    words = [
        "Shifts Δ of the log-probability of single tokens of the training completions, with − without the prefix.",
        "Above: share of tokens in bins of 0.05 nats, all prompts of a family together; Δ is clipped to ±6. Below: for",
        "each prompt the median (line), the middle half (box) and the middle 90 % (whiskers) of its tokens; these are",
        "quantiles of tokens and no intervals; a cross has no tokens. Prompts are ordered by suppression, largest",
        "first;",
    ]
    return Drawing(figure, data, " ".join([*words, _token_words(study, summary)]))


def draw_ccdf(study: Study, sources: Sources) -> Drawing:
    """Share of tokens whose |Δ| is at least some size, a line for each prompt."""
    summary = _with_suppression(study, sources, sources.table("token_summary", SUMMARY))
    lines = _ccdf(_known_bins(sources))
    prefixes = list(study.scoring.prefixes)
    figure = new_figure(LINES_IN)
    grid = figure.subplots(1, len(prefixes), squeeze=False, sharey=True)
    scale = suppression_scale(summary["suppression"].to_numpy(float))
    shades, dashes = colormaps["cividis"], _dashes(study)
    for axes, prefix in zip(grid.flat, prefixes, strict=True):
        own = lines[lines["prefix"] == prefix]
        suppression = summary[summary["prefix"] == prefix].set_index("prompt")["suppression"]
        for prompt, line in own.groupby("prompt", sort=True):
            value = float(suppression.get(prompt, np.nan))
            colour = shades(scale(value)) if np.isfinite(value) else GREY
            (drawn,) = axes.plot(line["size"], line["share"], color=colour, linewidth=1.1, alpha=0.9)
            if dashes[line["family"].iloc[0]]:
                drawn.set_dashes(list(dashes[line["family"].iloc[0]]))
        _label_panel(axes, own.empty, f"{prefix} prefix, n = {own['prompt'].nunique()} prompts")
        axes.set_xlabel("x (nats)")
        axes.set_xlim(0, 6)
        if not own.empty:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(PowersOfTen())
            axes.set_ylim(max(1e-6, float(own["share"].min()) / 2), 1.3)
    grid[0, 0].set_ylabel("share of tokens with |Δ| ≥ x")
    if summary["suppression"].notna().any():
        bar = figure.colorbar(ScalarMappable(scale, "cividis"), ax=list(grid.flat), shrink=0.9, aspect=30)
        bar.set_label("suppression (points)")
    figure.legend(handles=_handles(study), loc="outside upper left", ncols=4, handlelength=3.2)
    columns = ["prompt", "prefix", "suppression", "suppression_lo", "suppression_hi", "n", "n_nan"]
    data = lines.merge(summary[columns], on=["prompt", "prefix"], how="right")
    words = [
        "Share of tokens of the training completions whose log-probability the prefix moves by x nats or more, up or",
        "down; a line for each prompt, its dashes by family. Colour:",
    ]
    return Drawing(figure, data, " ".join([*words, _token_words(study, summary)]))


def _known_bins(sources: Sources) -> pd.DataFrame:
    bins = sources.table("token_shifts", BINS)
    known: pd.DataFrame = bins[bins["bin_lo"].notna() & (bins["n"] > 0)]
    return known


def _with_suppression(study: Study, sources: Sources, summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with the suppression of the unwanted trait; NaN where there is none."""
    columns = {"suppression": "suppression", "lo": "suppression_lo", "hi": "suppression_hi"}
    known = sources.optional("suppression")
    focus = choices.focus_trait(study)
    if known is None or known.empty or focus is None:
        return summary.assign(**dict.fromkeys(columns.values(), np.nan))
    last = last_suppression(study, known, focus)[["prompt", "prefix", *columns]].rename(columns=columns)
    return summary.merge(last, on=["prompt", "prefix"], how="left")


def _order(study: Study, summary: pd.DataFrame) -> list[str]:
    """Prompts by their largest suppression, descending; those without one last, in the file's order."""
    most = summary.groupby("prompt")["suppression"].max()
    place = {prompt: index for index, prompt in enumerate(prompt_texts(study))}
    known = {prompt: float(most.get(prompt, np.nan)) for prompt in place}
    return sorted(place, key=lambda prompt: (np.isnan(known[prompt]), -np.nan_to_num(known[prompt]), place[prompt]))


def _family_shares(bins: pd.DataFrame) -> pd.DataFrame:
    """Share of a family's tokens in each bin, as `value`."""
    pooled = bins.groupby(["prefix", "family", "bin_lo", "bin_hi"], as_index=False)["n"].sum()
    total = pooled.groupby(["prefix", "family"])["n"].transform("sum")
    shares: pd.DataFrame = pooled.assign(value=pooled["n"] / total)
    return shares


def _ccdf(bins: pd.DataFrame) -> pd.DataFrame:
    """Share of tokens with |Δ| ≥ size, for every edge of a bin that some token lies beyond."""
    rows = []
    for (prefix, prompt, family), own in bins.groupby(["prefix", "prompt", "family"], sort=True):
        nearest = np.minimum(own["bin_lo"].abs(), own["bin_hi"].abs()).round(6)
        sizes, index = np.unique(nearest, return_inverse=True)
        beyond = np.bincount(index, weights=own["n"].to_numpy(float))[::-1].cumsum()[::-1]
        rows += [(prefix, prompt, family, size, share) for size, share in zip(sizes, beyond / beyond[0], strict=True)]
    return pd.DataFrame(rows, columns=["prefix", "prompt", "family", "size", "share"])


def _dashes(study: Study) -> dict[str, tuple[float, ...]]:
    return {family: FAMILY_DASHES[index % len(FAMILY_DASHES)] for index, family in enumerate(choices.families(study))}


def _handles(study: Study, colours: Mapping[str, str] | None = None) -> list[Line2D]:
    """Lines of the families, for a legend; without colours of their own they are grey."""
    dashes = _dashes(study)
    return [
        Line2D(
            [],
            [],
            color=GREY if colours is None else colours[family],
            dashes=dashes[family],
            label=f"{choices.family_label(study, family)} prompts",
        )
        for family in choices.families(study)
    ]


def _label_panel(axes: Axes, empty: object, title: str) -> None:
    axes.set_title(title, fontsize="medium")
    if empty:
        axes.text(0.5, 0.5, NO_TOKENS, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _histogram(axes: Axes, study: Study, shares: pd.DataFrame, prefix: str) -> None:
    for family, colour in colours_of(choices.families(study)).items():
        own = shares[shares["family"] == family].sort_values("bin_lo")
        if own.empty:
            continue
        middle = (own["bin_lo"] + own["bin_hi"]) / 2
        (line,) = axes.plot(middle, own["value"], color=colour, linewidth=1.2, drawstyle="steps-mid")
        if _dashes(study)[family]:
            line.set_dashes(list(_dashes(study)[family]))
    _label_panel(axes, shares.empty, f"{prefix} prefix")
    axes.set_xlim(-6, 6)
    axes.set_xlabel("Δ (nats)")
    if not shares.empty:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(PowersOfTen())
    if axes.get_subplotspec() is not None and axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_ylabel("share of tokens")


def _boxes(axes: Axes, study: Study, summary: pd.DataFrame) -> None:
    families, colours = prompt_families(study), colours_of(choices.families(study))
    known = summary[list(QUANTILES)].notna().all(axis=1).to_numpy()
    spots = np.arange(len(summary), dtype=float)
    names = dict(zip(("whislo", "q1", "med", "q3", "whishi"), QUANTILES, strict=True))
    boxes = [
        {**{ours: float(row[theirs]) for ours, theirs in names.items()}, "fliers": []}
        for _, row in summary[known].iterrows()
    ]
    drawn = axes.bxp(
        boxes,
        positions=spots[known].tolist(),
        orientation="horizontal",
        widths=0.62,
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        medianprops={"color": BLACK, "linewidth": 1.4},
        whiskerprops={"color": GREY},
        capprops={"color": GREY},
        boxprops={"linewidth": 0.6},
    )
    for patch, prompt in zip(drawn["boxes"], summary.index[known], strict=True):
        patch.set_facecolor(colours[families[prompt]])
    axes.plot(np.zeros((~known).sum()), spots[~known], "x", color=GREY, markersize=6)
    axes.axvline(0, color=BLACK, linewidth=0.8)
    axes.set_yticks(spots, [choices.prompt_label(prompt) for prompt in summary.index])
    axes.set_ylim(len(summary) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Δ (nats)")


def _token_words(study: Study, summary: pd.DataFrame) -> str:
    """Caption on suppression, n and failures."""
    focus = choices.focus_trait(study)
    if focus is None or summary["suppression"].isna().all():
        suppression_words = f"suppression was not measured, so no {interval_words(study)} and no training seed enters."
    else:
        suppression_words = (
            f"suppression of the unwanted trait ({rst(choices.trait_label(study, focus))}; control − run in points, "
            f"last step, asked without a prefix); its {interval_words(study)} is in the CSV file. {seed_words(study)}"
        )
    failures = failed_words(summary, cell_names(summary, "prefix"), "q50", study.statistics.max_nan)
    return " ".join([suppression_words, n_words(summary["n"], "tokens for each prompt") + ";", failures])
