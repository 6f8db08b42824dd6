"""Scatters of prompts: predictors against suppression, and the plane of the first two components."""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from inoc.config.models import Study
from inoc.figures import choices
from inoc.figures.captions import failed_words, interval_words, n_words, rst, seed_words
from inoc.figures.sources import Sources
from inoc.plots.labels import place_labels
from inoc.plots.save import Drawing
from inoc.plots.scatter import Band, Points, correlation_text, regression, scatter_intervals, statistics_box
from inoc.plots.style import GREY, PREFIX_MARKERS, WIDTH_IN, colours_of, markers_of, new_figure
from inoc.runs import prompt_families, prompt_texts
from inoc.stats.correlation import fit_line, pearson, spearman

SUPPRESSION = (
    "prompt",
    "prefix",
    "trait",
    "learning_rate",
    "seed",
    "step",
    "suppression",
    "lo",
    "hi",
    "n",
    "n_nan",
)
PREDICTORS = ("prompt", "prefix", "trait", "predictor", "value", "lo", "hi", "n", "n_nan")
KEY_LINE_IN = 0.19
ROW_IN = 2.75


class Heuristic(NamedTuple):
    """A predictor as one column of the combined scatter."""

    predictor: str
    trait: str  # "all" if no trait enters
    label: str


def heuristics(study: Study, predictors: pd.DataFrame) -> list[Heuristic]:
    """The four predictors of the combined scatter.

    PPD is that over completions that show only the wanted trait, if there are any; else that over neutral ones.

    Args:
        study: Its unwanted trait is what is predicted.
        predictors: Table of the analysis.
    """
    wanted, focus = choices.wanted_trait(study), choices.focus_trait(study)
    assert focus is not None
    there = set(zip(predictors["predictor"], predictors["trait"], strict=True))
    crossed = wanted is not None and ("cross_ppd", wanted) in there
    other = choices.trait_label(study, wanted) if crossed and wanted is not None else "neutral"
    ppd = (
        Heuristic("cross_ppd", wanted, f"{other} PPD (nats/token)")
        if crossed and wanted
        else Heuristic("ppd", "all", "PPD (nats/token)")
    )
    gap_trait = next((trait for trait in (wanted, focus, "all") if ("ph_minus_ppd", trait) in there), "all")
    gap = (
        "PH − PPD (nats/token)"
        if gap_trait == "all"
        else f"PH − {choices.trait_label(study, str(gap_trait))} PPD (nats/token)"
    )
    return [
        Heuristic("elicitation", focus, "elicitation (points)"),
        Heuristic("ph", "all", "PH (nats/token)"),
        ppd,
        Heuristic("ph_minus_ppd", str(gap_trait), gap),
    ]


def draw_combined(study: Study, sources: Sources) -> Drawing:
    """Elicitation, PH, PPD and PH − PPD against suppression; a row for fixed and a row for mix."""
    predictors = sources.table("predictors", PREDICTORS)
    suppression = last_suppression(study, sources.table("suppression", SUPPRESSION))
    columns = heuristics(study, predictors)
    prefixes = choices.trained_prefixes(study)
    prompts = choices.trained_prompts(study)
    numbers = {prompt: index + 1 for index, prompt in enumerate(prompts)}
    held_out = sources.optional("prediction")
    key_lines = _key_lines(study, numbers)
    plot_in, key_in = 0.2 + ROW_IN * len(prefixes), 0.35 + KEY_LINE_IN * len(key_lines)
    figure = new_figure(plot_in + key_in)
    above, below = figure.subfigures(2, 1, height_ratios=[plot_in, key_in])
    grid = above.subplots(len(prefixes), 4, squeeze=False, sharey=True)
    plotted, pending = [], []
    for down, prefix in enumerate(prefixes):
        for across, heuristic in enumerate(columns):
            axes = grid[down, across]
            pairs = _pairs(predictors, suppression, heuristic, prefix, prompts)
            plotted.append(pairs.assign(heuristic=heuristic.predictor))
            statistics = _combined_panel(axes, study, pairs, prefix)
            statistics.append(_held_out_text(held_out, heuristic, prefix))
            statistics_box(axes, statistics)
            axes.set_xlabel(heuristic.label)
            if across == 0:
                axes.set_ylabel(f"{prefix}: suppression (points)")
            pending.append((axes, pairs))
    _write_key(below, study, key_lines)
    figure.draw_without_rendering()
    for axes, pairs in pending:
        texts = [str(numbers[prompt]) for prompt in pairs["prompt"]]
        place_labels(axes, pairs["value"].to_numpy(float), pairs["suppression"].to_numpy(float), texts)
    data = pd.concat(plotted, ignore_index=True)
    return Drawing(figure, data, _combined_caption(study, data))


def last_suppression(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Suppression of the unwanted trait at the last step and the main learning rate, pooled over seeds."""
    chosen = table[
        (table["seed"].astype(str) == "all")
        & (table["trait"] == choices.focus_trait(study))
        & (table["learning_rate"] == choices.main_rate(study))
    ]
    return chosen[chosen["step"] == chosen["step"].max()].reset_index(drop=True)


def _pairs(
    predictors: pd.DataFrame, suppression: pd.DataFrame, heuristic: Heuristic, prefix: str, prompts: list[str]
) -> pd.DataFrame:
    rows = predictors[
        (predictors["predictor"] == heuristic.predictor)
        & (predictors["trait"] == heuristic.trait)
        & (predictors["prefix"] == prefix)
    ]
    left = rows.set_index("prompt").reindex(prompts)[["value", "lo", "hi", "n", "n_nan"]]
    right = suppression[suppression["prefix"] == prefix].set_index("prompt").reindex(prompts)
    right = right[["suppression", "lo", "hi", "n", "n_nan"]].add_prefix("suppression_")
    right = right.rename(columns={"suppression_suppression": "suppression"})
    return left.join(right).assign(prefix=prefix).reset_index(names="prompt")


def _combined_panel(axes: Axes, study: Study, pairs: pd.DataFrame, prefix: str) -> list[str]:
    families = prompt_families(study)
    colours = colours_of(choices.families(study))
    x, y = pairs["value"].to_numpy(float), pairs["suppression"].to_numpy(float)
    line = fit_line(x, y)
    if np.isfinite(line.slope):
        spots = np.linspace(np.nanmin(x), np.nanmax(x), 60)
        regression(axes, Band(spots, *line.band(spots, study.statistics.confidence)))
    points = Points(
        x,
        pairs["lo"].to_numpy(float),
        pairs["hi"].to_numpy(float),
        y,
        pairs["suppression_lo"].to_numpy(float),
        pairs["suppression_hi"].to_numpy(float),
        [colours[families[prompt]] for prompt in pairs["prompt"]],
        [PREFIX_MARKERS[prefix]] * len(pairs),
    )
    scatter_intervals(axes, points)
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=1)
    axes.margins(x=0.12, y=0.08)
    confidence = study.statistics.confidence
    r, rho = pearson(x, y, confidence), spearman(x, y, confidence)
    return [
        correlation_text("r", r.value, r.lo, r.hi),
        correlation_text("ρ", rho.value, rho.lo, rho.hi) + f", n = {r.n}",
    ]


def _held_out_text(table: pd.DataFrame | None, heuristic: Heuristic, prefix: str) -> str:
    if table is None:
        return "held-out R²: not computed"
    rows = table[(table["predictor"] == heuristic.predictor) & (table["prefix"] == prefix)]
    if "trait" in rows:
        rows = rows[rows["trait"].isin([heuristic.trait, "all", ""]) | (rows["trait"] == heuristic.trait)]
    if rows.empty:
        return "held-out R²: not computed"
    row = rows.iloc[0]
    return correlation_text("held-out R²", row["r2_out"], row["r2_out_lo"], row["r2_out_hi"])


def _key_lines(study: Study, numbers: dict[str, int]) -> list[str]:
    texts = prompt_texts(study)
    lines = []
    for prompt, number in numbers.items():
        words = f"{number}  {choices.prompt_label(prompt)}: {' '.join(texts[prompt].split())}"
        lines.append(textwrap.shorten(words, 128, placeholder=" …"))
    return lines


def _write_key(below: SubFigure, study: Study, lines: list[str]) -> None:
    axes = below.subplots()
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH_IN)
    axes.set_ylim(len(lines), 0)
    families = prompt_families(study)
    colours = colours_of(choices.families(study))
    for index, (line, prompt) in enumerate(zip(lines, choices.trained_prompts(study), strict=True)):
        axes.plot([0.06], [index + 0.5], "o", color=colours[families[prompt]], markersize=5)
        axes.text(0.18, index + 0.5, line, va="center", ha="left")
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            marker="o",
            linestyle="",
            label=f"{choices.family_label(study, family)} prompts",
        )
        for family, colour in colours.items()
    ]
    below.legend(handles=handles, loc="outside upper left", ncols=6)


def _combined_caption(study: Study, data: pd.DataFrame) -> str:
    focus = choices.trait_label(study, str(choices.focus_trait(study)))
    rate = choices.main_rate(study)
    names = [
        f"{choices.prompt_label(row.prompt)}, {row.prefix}, {row.heuristic}" for row in data.itertuples()
    ]
    merged = data.assign(bad=data["value"].where(data["suppression"].notna()))
    merged["n"], merged["n_nan"] = data["suppression_n"], data["suppression_n_nan"]
    outcome = data[data["heuristic"] == "elicitation"]
    return " ".join(
        [
            f"Each prompt's suppression of the unwanted trait ({rst(focus)}; control − run, points, asked without a prefix,",
            f"last step, learning rate {rate:g}) against what the untrained model tells of the prompt: elicitation, PH (mean",
            "shift of the log-probability of training completions that the prompt causes), PPD (mean absolute shift on",
            "completions that lack the unwanted trait) and PH − PPD. Upper row: fixed prefix, lower row: rephrasings (mix), if",
            "both were trained.",
            "Line: least squares with the interval of its mean; r is Pearson's, ρ Spearman's, n the number of prompts.",
            "Held-out R² is that of prompts left out in turn; it may be negative.",
            f"Whiskers, band and brackets: {interval_words(study)}.",
            seed_words(study),
            n_words(outcome["suppression_n"], "pairs of completions behind each suppression") + ",",
            n_words(data["n"], "examples or instructions behind each predictor") + ".",
            failed_words(merged, names, "bad", study.statistics.max_nan),
        ]
    )


def draw_components(study: Study, sources: Sources) -> Drawing:
    """Prompts in the plane of the first two components, coloured by suppression."""
    coordinates = _pointwise(
        sources.table("coordinates", ("level", "prefix", "method", "prompt", "component", "value"))
    )
    shares = _pointwise(
        sources.table("components", ("level", "prefix", "method", "component", "share", "lo", "hi"))
    )
    known = sources.optional("suppression")
    suppression = (
        None if known is None or choices.focus_trait(study) is None else last_suppression(study, known)
    )
    prefixes = list(study.scoring.prefixes)
    panels = {prefix: _plane(coordinates, shares, suppression, prefix) for prefix in prefixes}
    data = pd.concat(panels.values(), ignore_index=True)
    prompts = list(prompt_texts(study))
    scale = _scale(data["suppression"].to_numpy(float))
    figure = new_figure(5.3 if len(prompts) <= 30 else 6.5)
    grid = figure.subplots(1, len(prefixes), squeeze=False)
    for axes, prefix in zip(grid.flat, prefixes, strict=True):
        _plane_panel(axes, study, panels[prefix], scale, prefix)
    if suppression is not None:
        bar = figure.colorbar(ScalarMappable(scale, "cividis"), ax=list(grid.flat), shrink=0.8, aspect=30)
        bar.set_label("suppression (points)")
    figure.legend(handles=_family_handles(study), loc="outside upper left", ncols=6)
    figure.draw_without_rendering()
    for axes, prefix in zip(grid.flat, prefixes, strict=True):
        plane = panels[prefix]
        names = [choices.prompt_label(prompt) for prompt in plane["prompt"]]
        place_labels(axes, plane["pc1"].to_numpy(float), plane["pc2"].to_numpy(float), names, marker_pt=8)
    return Drawing(figure, data, _plane_caption(study, data))


def _pointwise(table: pd.DataFrame) -> pd.DataFrame:
    chosen = table[(table["level"] == "point") & (table["method"] == "pca")]
    number = chosen["component"].map(lambda name: int(re.sub(r"\D", "", str(name))))
    return chosen.assign(component=number)


def _plane(
    coordinates: pd.DataFrame, shares: pd.DataFrame, suppression: pd.DataFrame | None, prefix: str
) -> pd.DataFrame:
    own = coordinates[(coordinates["prefix"] == prefix) & coordinates["component"].isin([1, 2])]
    plane = own.pivot(index="prompt", columns="component", values="value").reindex(columns=[1, 2])
    plane = plane.rename(columns={1: "pc1", 2: "pc2"})
    columns = ["suppression", "lo", "hi", "n", "n_nan"]
    if suppression is None:
        plane = plane.assign(**dict.fromkeys(columns, float("nan")))
    else:
        right = suppression[suppression["prefix"] == prefix].set_index("prompt")[columns]
        plane = plane.join(right)
    for component in (1, 2):
        row = shares[(shares["prefix"] == prefix) & (shares["component"] == component)]
        for source, target in (("share", ""), ("lo", "_lo"), ("hi", "_hi")):
            plane[f"share_pc{component}{target}"] = row[source].iloc[0] if len(row) else float("nan")
    plane.columns.name = None
    return plane.assign(prefix=prefix).reset_index(names="prompt")


def _scale(values: np.ndarray) -> Normalize:
    known = values[np.isfinite(values)]
    return (
        Normalize(min(0.0, float(known.min())), max(1.0, float(known.max())))
        if known.size
        else Normalize(0, 100)
    )


def _plane_panel(axes: Axes, study: Study, plane: pd.DataFrame, scale: Normalize, prefix: str) -> None:
    families = prompt_families(study)
    markers = markers_of(choices.families(study))
    shades = colormaps["cividis"]
    for row in plane.itertuples():
        known = np.isfinite(row.suppression)
        axes.scatter(
            [row.pc1],
            [row.pc2],
            s=55,
            color=shades(scale(row.suppression)) if known else "#D0D0D0",
            marker=markers[families[row.prompt]],
            edgecolors="black" if known else GREY,
            linewidths=0.6,
            zorder=4,
        )
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=1)
    axes.axvline(0, color=GREY, linewidth=0.6, zorder=1)
    axes.margins(0.18)
    first = plane.iloc[0] if len(plane) else pd.Series(dtype=float)
    axes.set_xlabel(_share_text(first, 1))
    axes.set_ylabel(_share_text(first, 2))
    axes.set_title(f"{prefix} prefix, n = {len(plane)} prompts", fontsize="medium")


def _share_text(row: pd.Series, component: int) -> str:
    share, lo, hi = (
        100 * float(row.get(f"share_pc{component}{end}", float("nan"))) for end in ("", "_lo", "_hi")
    )
    if not np.isfinite(share):
        return f"PC{component} (share not known)"
    bounds = f" [{lo:.0f}, {hi:.0f}]" if np.isfinite(lo) and np.isfinite(hi) else ""
    return f"PC{component}: {share:.0f}{bounds} % of variance"


def _family_handles(study: Study) -> list[Line2D]:
    handles = [
        Line2D(
            [],
            [],
            color=GREY,
            marker=marker,
            linestyle="",
            label=f"{choices.family_label(study, family)} prompts",
        )
        for family, marker in markers_of(choices.families(study)).items()
    ]
    return handles


def _plane_caption(study: Study, data: pd.DataFrame) -> str:
    trained = set(choices.trained_prompts(study))
    measured = data[data["prompt"].isin(trained)]
    names = [f"{choices.prompt_label(row.prompt)}, {row.prefix}" for row in measured.itertuples()]
    focus = choices.focus_trait(study)
    colour = (
        "Colour: suppression of the unwanted trait "
        f"({rst(choices.trait_label(study, focus))}; control − run in points, last step, asked without a prefix); grey: not"
        " trained or not measured."
        if focus is not None and len(trained)
        else "Grey: the study trains no run with these prompts."
    )
    words = [
        "Prompts by the first two principal components of the shifts of mean log-probability that they cause on the training",
        "completions (columns centred, not scaled); in brackets the "
        f"{interval_words(study)} of the share of variance, a bootstrap over examples.",
        f"n = {data['prompt'].nunique()} prompts.",
        colour,
    ]
    if len(measured) and focus is not None:
        words += [
            f"The {interval_words(study)} of each suppression is in the CSV file.",
            seed_words(study),
            n_words(measured["n"], "pairs of completions behind each suppression") + ".",
            failed_words(measured, names, "suppression", study.statistics.max_nan),
        ]
    return " ".join(words)
