"""Scatters of prompts: predictors against suppression."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from inoc.figures.sources import Sources
from inoc.plots.labels import place_labels
from inoc.plots.save import Drawing
from inoc.plots.scatter import Band, Points, correlation_text, regression, scatter_intervals, statistics_box
from inoc.plots.style import GREY, colours_of, markers_of, new_figure, settle, split
from inoc.stats.correlation import fit_line, pearson, spearman
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, counted_words, seed_words
from inoc.studies.inoculation.figures.clouds import held_out_r2
from inoc.studies.inoculation.figures.keylist import KeyList
from inoc.studies.inoculation.figures.pairs import resampler_of
from inoc.studies.inoculation.runs import prompt_families
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

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
COORDINATES = ("level", "prefix", "method", "prompt", "component", "value", "lo", "hi")
PREDICTORS = ("prompt", "prefix", "trait", "predictor", "value", "lo", "hi", "n", "n_nan")
ROW_IN = 2.75
FARTHEST_PT = 35.0
"""Labels without a free place nearer than this are left out; the numbers of the CSV file have them."""
STATISTICS = {"n": "n_prompts"} | {
    name: name for name in ("r", "r_lo", "r_hi", "rho", "rho_lo", "rho_hi", "r2_out", "r2_out_lo", "r2_out_hi")
}
"""Column of `prediction` → column of the figure's data."""


class ShownPredictor(NamedTuple):
    """A predictor as one column of the combined scatter."""

    predictor: str
    trait: str  # "all" if no trait enters
    label: str


def heuristics(study: Study, predictors: pd.DataFrame, trait: str) -> list[ShownPredictor]:
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
        ShownPredictor("cross_ppd", other, f"{choices.trait_label(study, other)} PPD (nats/token)")
        if other is not None and ("cross_ppd", other) in there
        else ShownPredictor("ppd", "all", "PPD (nats/token)")
    )
    gap_trait = next((one for one in (other, trait, "all") if ("ph_minus_ppd", one) in there), "all")
    gap = (
        "PH − PPD (nats/token)"
        if gap_trait == "all"
        else f"PH − {choices.trait_label(study, str(gap_trait))} PPD (nats/token)"
    )
    return [
        ShownPredictor("elicitation", trait, "elicitation (points)"),
        ShownPredictor("ph", "all", "PH (nats/token)"),
        ppd,
        ShownPredictor("ph_minus_ppd", str(gap_trait), gap),
    ]


def draw_combined(study: Study, sources: Sources, role: str = "unwanted") -> Drawing:
    """Elicitation, PH, PPD and PH − PPD against suppression; a row for fixed and a row for mix.

    Args:
        study: The study.
        sources: Its tables.
        role: Role of the trait whose suppression it is.
    """
    trait = choices.trait_in_role(study, role)
    assert trait is not None  # the catalogue has this figure only for studies with such a trait
    predictors = sources.table("predictors", PREDICTORS)
    columns = heuristics(study, predictors, trait)
    figure, data = against_suppression(study, sources, predictors, columns, trait)
    return Drawing(figure, data, _combined_caption(study, data, trait))


def against_suppression(
    study: Study,
    sources: Sources,
    values: pd.DataFrame,
    columns: list[ShownPredictor],
    trait: str | None = None,
) -> tuple[Figure, pd.DataFrame]:
    """Some numbers of each prompt against the suppression of a trait: a row each for fixed and for mix.

    Args:
        study: The study.
        sources: Its tables.
        values: One row for each prompt, prefix, predictor and trait, with value, lo, hi, n and n_nan.
        columns: What of them is shown.

    Returns:
        The figure, whose points carry numbers that a list below it resolves, and what it shows.
    """
    trait = trait or str(choices.focus_trait(study))
    suppression = last_suppression(study, sources.table("suppression", SUPPRESSION), trait)
    prefixes, prompts = choices.trained_prefixes(study), choices.trained_prompts(study)
    key = KeyList(study, prompts)
    plot_in = 0.2 + ROW_IN * len(prefixes)
    figure = new_figure(plot_in + key.height_in)
    above, below = split(figure, plot_in, key.height_in)
    # Fixed prefix and mix are compared, so they share their scales.
    grid = above.subplots(len(prefixes), len(columns), squeeze=False, sharey=True, sharex="col")
    key.write(below)
    plotted = []
    for down, prefix in enumerate(prefixes):
        for across, heuristic in enumerate(columns):
            pairs = pairs_of(study, values, suppression, heuristic, prefix, trait)
            _combined_panel(grid[down, across], study, pairs)
            found = _statistics(sources.optional("prediction"), study, heuristic, pairs, trait)
            statistics_box(grid[down, across], statistics_lines(found))
            grid[down, across].set_xlabel(heuristic.label)
            grid[down, across].tick_params(labelbottom=True)
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
    study: Study,
    predictors: pd.DataFrame,
    suppression: pd.DataFrame,
    heuristic: ShownPredictor,
    prefix: str,
    trait: str | None = None,
) -> pd.DataFrame:
    """Each trained prompt's predictor and suppression, NaN where one is not known.

    Args:
        study: Its prompts.
        predictors: Table of the analysis.
        suppression: As `last_suppression` gives it.
        heuristic: Which predictor.
        prefix: How the prompts were scored and trained.
        trait: Whose suppression it is; default: the unwanted trait.

    Returns:
        Columns prompt, value, lo, hi, n, n_nan of the predictor; suppression and its own lo, hi, n, n_nan; family;
        `fitted` marks the trait's own and the neutral prompts.
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
    own = [families[prompt] in (trait or choices.focus_trait(study), "neutral") for prompt in prompts]
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
        n = int(np.isfinite(x[fitted] + y[fitted]).sum())
        regression(axes, Band(spots, *line.band(spots, study.statistics.confidence)), n)
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
    table: pd.DataFrame | None, study: Study, heuristic: ShownPredictor, pairs: pd.DataFrame, trait: str
) -> dict[str, float]:
    """r, rho and held-out R², each with its bounds, and their n: those of the analysis, or of the panel's points."""
    if table is not None:
        row = table[
            (table["trait"] == trait)
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
    x, y = known["value"].to_numpy(float), known["suppression"].to_numpy(float)
    r2 = held_out_r2(x, y, list(known["prompt"]), resampler_of(study))
    found = (r.n, r.value, r.lo, r.hi, rho.value, rho.lo, rho.hi, r2.value, r2.lo, r2.hi)
    return dict(zip(STATISTICS.values(), map(float, found), strict=True))


def statistics_lines(found: dict[str, float]) -> list[str]:
    """r, ρ and held-out R² with their intervals, and n."""
    n = f"n = {found['n_prompts']:.0f}"
    held_out = correlation_text("held-out R²", found["r2_out"], found["r2_out_lo"], found["r2_out_hi"])
    first, _, interval = held_out.partition(" [")
    return [
        correlation_text("r", found["r"], found["r_lo"], found["r_hi"]),
        correlation_text("ρ", found["rho"], found["rho_lo"], found["rho_hi"]),
        # The interval has a line of its own: both are too wide for a panel.
        first if interval else f"{first}, {n}",
        f"[{interval}, {n}" if interval else "",
    ]


def _combined_caption(study: Study, data: pd.DataFrame, trait: str) -> str:
    label, role = choices.trait_label(study, trait), study.traits[trait].role
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
            f"Each prompt's suppression of the {role} trait ({rst(label)}; control − run, points,",
            "asked without a prefix,",
            f"last step, learning rate {choices.main_rate(study):g}) against what the untrained model",
            "tells of the prompt:",
            "elicitation, PH (mean shift of the log-probability of training completions that the",
            "prompt causes), PPD (mean",
            f"absolute shift on completions that lack the {role} trait) and PH − PPD; a row of panels each for fixed",
            f"prefixes and for rephrasings (mix), as far as they were trained.{others}",
            "Line: least squares with the interval of its mean; r is Pearson's, ρ Spearman's, n the",
            "number of prompts for",
            "which every predictor is known. Held-out R² is that of prompts left out in turn,",
            "against the mean of the others;",
            f"it may be negative. Whiskers, band and brackets: {interval_words(study)}.",
            seed_words(study),
            "Suppression:",
            counted_words(study, outcome, names, "suppression", "pairs of completions for each prompt"),
            "Predictors:",
            counted_words(study, data, known, "value", "examples or instructions for each prompt"),
        ]
    )
