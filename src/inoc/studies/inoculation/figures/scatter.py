"""Scatters of prompts: predictors against suppression, and the plane of the first two components."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from inoc.figures.sources import Sources
from inoc.plots.labels import place_labels
from inoc.plots.save import Drawing
from inoc.plots.scatter import Band, Points, correlation_text, regression, scatter_intervals, statistics_box
from inoc.plots.style import GREY, colours_of, markers_of, new_figure, settle, split
from inoc.stats.bootstrap import Resampler
from inoc.stats.correlation import fit_line, pearson, spearman
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, failed_words, interval_words, n_words, rst, seed_words
from inoc.studies.inoculation.figures.clouds import held_out_r2
from inoc.studies.inoculation.figures.keylist import KeyList
from inoc.studies.inoculation.runs import prompt_families, prompt_texts
from inoc.studies.inoculation.study import Study

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
COMPONENTS = ("level", "prefix", "method", "component", "share", "lo", "hi")
COORDINATES = ("level", "prefix", "method", "prompt", "component", "value", "lo", "hi")
PREDICTORS = ("prompt", "prefix", "trait", "predictor", "value", "lo", "hi", "n", "n_nan")
ROW_IN = 2.75
PLANE_IN = 5.3
MOST_NAMED = 14
FARTHEST_PT = 35.0
"""Labels without a free place nearer than this are left out; the numbers of the CSV file have them."""
STATISTICS = {"n": "n_prompts"} | {
    name: name for name in ("r", "r_lo", "r_hi", "rho", "rho_lo", "rho_hi", "r2_out", "r2_out_lo", "r2_out_hi")
}
"""Column of `prediction` → column of the figure's data."""


class Heuristic(NamedTuple):
    """A predictor as one column of the combined scatter."""

    predictor: str
    trait: str  # "all" if no trait enters
    label: str


def heuristics(study: Study, predictors: pd.DataFrame, trait: str) -> list[Heuristic]:
    """The four predictors of the combined scatter.

    PPD is that over completions that show only the other trait, if there are any; else that over neutral ones.

    Args:
        study: Its other trait is a wanted one for an unwanted trait, and the other way round.
        predictors: Table of the analysis.
        trait: Whose suppression is predicted.
    """
    unwanted = study.traits[trait].role == "unwanted"
    other = choices.wanted_trait(study) if unwanted else choices.focus_trait(study)
    there = set(zip(predictors["predictor"], predictors["trait"], strict=True))
    ppd = (
        Heuristic("cross_ppd", other, f"{choices.trait_label(study, other)} PPD (nats/token)")
        if other is not None and ("cross_ppd", other) in there
        else Heuristic("ppd", "all", "PPD (nats/token)")
    )
    gap_trait = next((one for one in (other, trait, "all") if ("ph_minus_ppd", one) in there), "all")
    gap = (
        "PH − PPD (nats/token)"
        if gap_trait == "all"
        else f"PH − {choices.trait_label(study, str(gap_trait))} PPD (nats/token)"
    )
    return [
        Heuristic("elicitation", trait, "elicitation (points)"),
        Heuristic("ph", "all", "PH (nats/token)"),
        ppd,
        Heuristic("ph_minus_ppd", str(gap_trait), gap),
    ]


def draw_combined(study: Study, sources: Sources) -> Drawing:
    """Elicitation, PH, PPD and PH − PPD against suppression; a row for fixed and a row for mix."""
    focus = choices.focus_trait(study)
    assert focus is not None  # the catalogue has this figure only for studies with an unwanted trait
    predictors = sources.table("predictors", PREDICTORS)
    figure, data = against_suppression(study, sources, predictors, heuristics(study, predictors, focus))
    return Drawing(figure, data, _combined_caption(study, data))


def against_suppression(
    study: Study, sources: Sources, values: pd.DataFrame, columns: list[Heuristic]
) -> tuple[Figure, pd.DataFrame]:
    """Some numbers of each prompt against the suppression of the unwanted trait: a row each for fixed and for mix.

    Args:
        study: The study.
        sources: Its tables.
        values: One row for each prompt, prefix, predictor and trait, with value, lo, hi, n and n_nan.
        columns: What of them is shown.

    Returns:
        The figure, whose points carry numbers that a list below it resolves, and what it shows.
    """
    suppression = last_suppression(study, sources.table("suppression", SUPPRESSION), str(choices.focus_trait(study)))
    prefixes, prompts = choices.trained_prefixes(study), choices.trained_prompts(study)
    key = KeyList(study, prompts)
    plot_in = 0.2 + ROW_IN * len(prefixes)
    figure = new_figure(plot_in + key.height_in)
    above, below = split(figure, plot_in, key.height_in)
    grid = above.subplots(len(prefixes), len(columns), squeeze=False, sharey=True)
    key.write(below)
    plotted = []
    for down, prefix in enumerate(prefixes):
        for across, heuristic in enumerate(columns):
            pairs = pairs_of(study, values, suppression, heuristic, prefix)
            _combined_panel(grid[down, across], study, pairs)
            found = _statistics(sources.optional("prediction"), study, heuristic, pairs)
            statistics_box(grid[down, across], statistics_lines(found))
            grid[down, across].set_xlabel(heuristic.label)
            grid[down, across].xaxis.set_major_locator(MaxNLocator(5))
            plotted.append(pairs.assign(**found))
        grid[down, 0].set_ylabel(f"{prefix}: suppression (points)")
    settle(figure)
    for axes, pairs in zip(grid.flat, plotted, strict=True):
        numbers = [str(key.numbers[prompt]) for prompt in pairs["prompt"]]
        place_labels(
            axes, pairs["value"].to_numpy(float), pairs["suppression"].to_numpy(float), numbers, farthest_pt=FARTHEST_PT
        )
    return figure, pd.concat(plotted, ignore_index=True)


def last_suppression(study: Study, table: pd.DataFrame, trait: str) -> pd.DataFrame:
    """Suppression of a trait at the last step and the main learning rate, pooled over seeds."""
    chosen = table[
        (table["seed"].astype(str) == "all")
        & (table["trait"] == trait)
        & (table["learning_rate"] == choices.main_rate(study))
    ]
    last: pd.DataFrame = chosen[chosen["step"] == chosen["step"].max()].reset_index(drop=True)
    return last


def pairs_of(
    study: Study, predictors: pd.DataFrame, suppression: pd.DataFrame, heuristic: Heuristic, prefix: str
) -> pd.DataFrame:
    """Each trained prompt's predictor and suppression, NaN where one is not known.

    Args:
        study: Its prompts.
        predictors: Table of the analysis.
        suppression: As `last_suppression` gives it.
        heuristic: Which predictor.
        prefix: How the prompts were scored and trained.

    Returns:
        Columns prompt, value, lo, hi, n, n_nan of the predictor; suppression and its own lo, hi, n, n_nan; family;
        `fitted` marks the unwanted trait's own and the neutral prompts.
    """
    prompts = choices.trained_prompts(study)
    rows = predictors[
        (predictors["predictor"] == heuristic.predictor)
        & (predictors["trait"] == heuristic.trait)
        & (predictors["prefix"] == prefix)
    ]
    left = rows.set_index("prompt").reindex(prompts)[["value", "lo", "hi", "n", "n_nan"]]
    right = suppression[suppression["prefix"] == prefix].set_index("prompt").reindex(prompts)
    right = right[["suppression", "lo", "hi", "n", "n_nan"]].add_prefix("suppression_")
    right = right.rename(columns={"suppression_suppression": "suppression"})
    families = prompt_families(study)
    own = [families[prompt] in (choices.focus_trait(study), "neutral") for prompt in prompts]
    pairs: pd.DataFrame = left.join(right).assign(
        family=[families[prompt] for prompt in prompts],
        fitted=own,
        prefix=prefix,
        predictor=heuristic.predictor,
    )
    return pairs.reset_index(names="prompt")


def _combined_panel(axes: Axes, study: Study, pairs: pd.DataFrame) -> None:
    names = choices.families(study)
    colours, markers = colours_of(names), markers_of(names)
    x, y = pairs["value"].to_numpy(float), pairs["suppression"].to_numpy(float)
    fitted = pairs["fitted"].to_numpy(bool)
    line = fit_line(x[fitted], y[fitted])
    if np.isfinite(line.slope):
        spots = np.linspace(np.nanmin(x[fitted]), np.nanmax(x[fitted]), 60)
        regression(axes, Band(spots, *line.band(spots, study.statistics.confidence)))
    x_lo, x_hi, y_lo, y_hi = (pairs[name].to_numpy(float) for name in ("lo", "hi", "suppression_lo", "suppression_hi"))
    points = Points(
        x,
        x_lo,
        x_hi,
        y,
        y_lo,
        y_hi,
        colours=[colours[family] for family in pairs["family"]],
        markers=[markers[family] for family in pairs["family"]],
        filled=fitted,
    )
    scatter_intervals(axes, points)
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=1)
    axes.margins(x=0.12, y=0.08)


def _statistics(
    table: pd.DataFrame | None, study: Study, heuristic: Heuristic, pairs: pd.DataFrame
) -> dict[str, float]:
    """r, rho and held-out R², each with its bounds, and their n: those of the analysis, or of the panel's points."""
    if table is not None:
        row = table[
            (table["trait"] == choices.focus_trait(study))
            & (table["learning_rate"] == choices.main_rate(study))
            & (table["prefix"] == pairs["prefix"].iloc[0])
            & (table["predictor"] == heuristic.predictor)
            & (table["predictor_trait"] == heuristic.trait)
        ]
        if len(row):
            values = row.iloc[0]
            return {STATISTICS[name]: float(values[name]) for name in STATISTICS}
    own = pairs[pairs["fitted"]]
    x, y = own["value"].to_numpy(float), own["suppression"].to_numpy(float)
    r, rho = (measure(x, y, study.statistics.confidence) for measure in (pearson, spearman))
    known = own[own[["value", "suppression"]].notna().all(axis=1)]
    settings = study.statistics
    resampler = Resampler(settings.resamples, settings.seed, settings.confidence)
    x, y = known["value"].to_numpy(float), known["suppression"].to_numpy(float)
    r2 = held_out_r2(x, y, list(known["prompt"]), resampler)
    found = (r.n, r.value, r.lo, r.hi, rho.value, rho.lo, rho.hi, r2.value, r2.lo, r2.hi)
    return dict(zip(STATISTICS.values(), map(float, found), strict=True))


def statistics_lines(found: dict[str, float]) -> list[str]:
    """r, ρ with n, and held-out R², a line each."""
    n = f", n = {found['n_prompts']:.0f}"
    return [
        correlation_text("r", found["r"], found["r_lo"], found["r_hi"]),
        correlation_text("ρ", found["rho"], found["rho_lo"], found["rho_hi"]) + n,
        correlation_text("held-out R²", found["r2_out"], found["r2_out_lo"], found["r2_out_hi"]),
    ]


def _combined_caption(study: Study, data: pd.DataFrame) -> str:
    focus = choices.trait_label(study, str(choices.focus_trait(study)))
    # One row per predictor would count each outcome four times.
    outcome = data[data["predictor"] == "elicitation"].rename(
        columns={"suppression_n": "outcome_n", "suppression_n_nan": "outcome_n_nan"}
    )
    outcome = outcome.assign(n=outcome["outcome_n"], n_nan=outcome["outcome_n_nan"])
    names = cell_names(outcome, "prefix")
    known = cell_names(data, "prefix", "predictor")
    others = (
        "" if data["fitted"].all() else " Hollow: prompts of other families, which enter neither line nor statistics."
    )
    return " ".join(
        [
            f"Each prompt's suppression of the unwanted trait ({rst(focus)}; control − run, points,",
            "asked without a prefix,",
            f"last step, learning rate {choices.main_rate(study):g}) against what the untrained model",
            "tells of the prompt:",
            "elicitation, PH (mean shift of the log-probability of training completions that the",
            "prompt causes), PPD (mean",
            "absolute shift on completions that lack the unwanted trait) and PH − PPD; a row of panels each for fixed",
            f"prefixes and for rephrasings (mix), as far as they were trained.{others}",
            "Line: least squares with the interval of its mean; r is Pearson's, ρ Spearman's, n the",
            "number of prompts for",
            "which every predictor is known. Held-out R² is that of prompts left out in turn,",
            "against the mean of the others;",
            f"it may be negative. Whiskers, band and brackets: {interval_words(study)}.",
            seed_words(study),
            "Suppression:",
            n_words(outcome["n"], "pairs of completions for each prompt") + ";",
            failed_words(outcome, names, "suppression", study.statistics.max_nan),
            "Predictors:",
            n_words(data["n"], "examples or instructions for each prompt") + ";",
            failed_words(data, known, "value", study.statistics.max_nan),
        ]
    )


def draw_components(study: Study, sources: Sources) -> Drawing:
    """Prompts in the plane of the first two components, coloured by suppression."""
    coordinates = _pointwise(sources.table("coordinates", COORDINATES))
    shares = _pointwise(sources.table("components", COMPONENTS))
    figure, data = draw_planes(study, sources, coordinates, shares, {one: one for one in study.scoring.prefixes})
    return Drawing(figure, data, _plane_caption(study, data))


def draw_planes(
    study: Study, sources: Sources, coordinates: pd.DataFrame, shares: pd.DataFrame, prefixes: dict[str, str]
) -> tuple[Figure, pd.DataFrame]:
    """A plane of the first two components for each prefix that suppression is known of.

    Args:
        study: The study.
        sources: Its tables.
        coordinates: Rows of `coordinates`, of one level and method.
        shares: Rows of `components`, of the same.
        prefixes: Prefix of the suppression → prefix in the two tables.

    Returns:
        The figure, and what it shows.
    """
    known, focus = sources.optional("suppression"), choices.focus_trait(study)
    suppression = None if known is None or focus is None else last_suppression(study, known, focus)
    prompts = list(prompt_texts(study))
    panels = {
        prefix: _plane(_of(coordinates, own, prefix), _of(shares, own, prefix), suppression, prefix)
        for prefix, own in prefixes.items()
    }
    data = pd.concat(panels.values(), ignore_index=True)
    key = KeyList(study, prompts if len(prompts) > MOST_NAMED else [])
    figure = new_figure(PLANE_IN + key.height_in)
    above: Figure | SubFigure = figure
    if key.prompts:
        above, below = split(figure, PLANE_IN, key.height_in)
        key.write(below)
    grid = above.subplots(1, len(prefixes), squeeze=False)
    scale = suppression_scale(data["suppression"].to_numpy(float))
    for axes, prefix in zip(grid.flat, prefixes, strict=True):
        _plane_panel(axes, study, panels[prefix], scale, prefix)
    if data["suppression"].notna().any():
        bar = above.colorbar(ScalarMappable(scale, "cividis"), ax=list(grid.flat), shrink=0.8, aspect=30)
        bar.set_label("suppression (points)")
    above.legend(handles=_family_handles(study), loc="outside upper left", ncols=4)
    settle(figure)
    for axes, prefix in zip(grid.flat, prefixes, strict=True):
        plane = panels[prefix]
        names = [key.label(prompt) for prompt in plane["prompt"]]
        place_labels(axes, plane["pc1"].to_numpy(float), plane["pc2"].to_numpy(float), names, marker_pt=8)
    return figure, data


def _of(table: pd.DataFrame, own: str, prefix: str) -> pd.DataFrame:
    return table[table["prefix"] == own].assign(prefix=prefix)


def _pointwise(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["level"] == "point") & (table["method"] == "pca")]


def _plane(
    coordinates: pd.DataFrame, shares: pd.DataFrame, suppression: pd.DataFrame | None, prefix: str
) -> pd.DataFrame:
    own = coordinates[coordinates["prefix"] == prefix]
    plane = pd.DataFrame(index=pd.Index(own["prompt"].unique(), name="prompt"))
    for component in (1, 2):
        spots = own[own["component"] == component].set_index("prompt")
        share = shares[(shares["prefix"] == prefix) & (shares["component"] == component)]
        for source, end in (("value", ""), ("lo", "_lo"), ("hi", "_hi")):
            plane[f"pc{component}{end}"] = spots[source]
        for source, end in (("share", ""), ("lo", "_lo"), ("hi", "_hi")):
            plane[f"share_pc{component}{end}"] = share[source].iloc[0] if len(share) else float("nan")
    columns = ["suppression", "lo", "hi", "n", "n_nan"]
    if suppression is None:
        plane = plane.assign(**dict.fromkeys(columns, float("nan")))
    else:
        plane = plane.join(suppression[suppression["prefix"] == prefix].set_index("prompt")[columns])
    return plane.assign(prefix=prefix).reset_index()


def suppression_scale(values: np.ndarray) -> Normalize:
    """Colours from 0, or the smallest suppression below it, to the largest; in points."""
    known = values[np.isfinite(values)]
    return Normalize(min(0.0, float(known.min())), max(1.0, float(known.max()))) if known.size else Normalize(0, 100)


def _plane_panel(axes: Axes, study: Study, plane: pd.DataFrame, scale: Normalize, prefix: str) -> None:
    families = prompt_families(study)
    markers = markers_of(choices.families(study))
    shades = colormaps["cividis"]
    spots = [plane[name].to_numpy(float) for name in ("pc1", "pc2", "suppression")]
    axes.hlines(spots[1], plane["pc1_lo"], plane["pc1_hi"], color=GREY, linewidth=0.7, alpha=0.6, zorder=2)
    axes.vlines(spots[0], plane["pc2_lo"], plane["pc2_hi"], color=GREY, linewidth=0.7, alpha=0.6, zorder=2)
    for prompt, x, y, suppressed in zip(plane["prompt"], *spots, strict=True):
        known = bool(np.isfinite(suppressed))
        axes.scatter(
            [x],
            [y],
            s=55,
            color=shades(scale(suppressed)) if known else "#D0D0D0",
            marker=markers[families[prompt]],
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
    share, lo, hi = (100 * float(row.get(f"share_pc{component}{end}", float("nan"))) for end in ("", "_lo", "_hi"))
    if not np.isfinite(share):
        return f"PC{component} (share not known)"
    bounds = f" [{lo:.0f}, {hi:.0f}]" if np.isfinite(lo) and np.isfinite(hi) else ""
    return f"PC{component}: {share:.0f}{bounds} % of variance"


def _family_handles(study: Study) -> list[Line2D]:
    return [
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


def _plane_caption(study: Study, data: pd.DataFrame) -> str:
    trained = set(choices.trained_prompts(study))
    measured = data[data["prompt"].isin(trained)]
    names = cell_names(measured, "prefix")
    focus = choices.focus_trait(study)
    colour = (
        "Colour: suppression of the unwanted trait "
        f"({rst(choices.trait_label(study, focus))}; control − run in points, last step, asked without a prefix);"
        " grey: not trained or not measured."
        if focus is not None and len(trained)
        else "Grey: the study trains no run with these prompts."
    )
    words = [
        "Prompts by the first two principal components of the shifts of mean log-probability that",
        "they cause on the training",
        "completions (columns centred, not scaled), in nats per token; in brackets and as whiskers the",
        f"{interval_words(study)} of the share of variance and of the coordinates.",
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
