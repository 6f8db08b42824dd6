"""Two large scatters, fixed and mix, of one predictor against suppression: figures to show in a talk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from inoc.figures.sources import Sources
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.scatter import Band, Points, regression, scatter_intervals
from inoc.plots.style import GREY, minus
from inoc.stats.bootstrap import Resampler
from inoc.stats.curves import Curve, linear_curve
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, counted_words, seed_words
from inoc.studies.inoculation.figures.pairs import (
    KEYS,
    TARGETS,
    Association,
    association,
    own_outcomes,
    r_text,
    resampler_of,
    trait_looks,
)
from inoc.studies.inoculation.runs import prompt_families
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, p_text

PREDICTORS = ("prompt", "prefix", "trait", "predictor", "value", "lo", "hi", "n", "n_nan")
PLOT_IN = 3.6
WORDS = {
    "elicitation": "elicitation (points)",
    "ph": "PH (nats/token)",
    "pc1": "PC1 (nats)",
    "pc2": "PC2 (nats)",
}


class Line(NamedTuple):
    """A trait's line in a panel."""

    curve: Curve
    association: Association


def draw(study: Study, sources: Sources, predictor: str) -> Drawing:
    """One predictor against the suppression of each trait, in a large panel for each kind of prefix.

    Args:
        study: The study.
        sources: Its tables.
        predictor: A key of `WORDS`.
    """
    pairs = _pairs(study, sources, predictor)
    prefixes, traits = choices.trained_prefixes(study), choices.judged_traits(study)
    figure, panels = panel_grid(
        len(prefixes), len(prefixes), plot_in=PLOT_IN, title_lines=1 + len(traits), legend_lines=0
    )
    resampler, parts = resampler_of(study), []
    for axes, prefix in zip(panels, prefixes, strict=True):
        rows = pairs[pairs["prefix"] == prefix]
        lines = {trait: _line(rows[rows["trait"] == trait], resampler) for trait in traits}
        _panel(axes, study, rows, lines)
        axes.set_xlabel(WORDS[predictor])
        axes.set_title(f"{'fixed prefix' if prefix == 'fixed' else 'rephrasings (mix)'}", fontsize="medium")
        parts += [rows[rows["trait"] == trait].assign(**_columns(line)) for trait, line in lines.items()]
    panels[0].set_ylabel("suppression (points)")
    data = pd.concat(parts, ignore_index=True)
    return Drawing(figure, data, _caption(study, data, predictor))


def _pairs(study: Study, sources: Sources, predictor: str) -> pd.DataFrame:
    """Outcomes of own and neutral prompts beside the predictor, which may belong to a trait or to none."""
    table = sources.table("predictors", PREDICTORS)
    rows = table[table["predictor"] == predictor]
    outcomes = own_outcomes(study, sources, TARGETS["own"])
    kept = ["value", "lo", "hi", "n", "n_nan"]
    named = rows[["prompt", "prefix", "trait", *kept]].rename(columns={name: f"x_{name}" for name in kept[1:]})
    if (rows["trait"] == "all").any():
        return outcomes.merge(named.drop(columns="trait"), on=["prompt", "prefix"], how="left")
    return outcomes.merge(named, on=KEYS, how="left")


def _line(rows: pd.DataFrame, resampler: Resampler) -> Line:
    x, y = rows["value"].to_numpy(float), rows["y"].to_numpy(float)
    return Line(
        linear_curve(x, y, resampler.confidence), association(x, y, [str(one) for one in rows["prompt"]], resampler)
    )


def _panel(axes: Axes, study: Study, rows: pd.DataFrame, lines: dict[str, Line]) -> None:
    colours, markers = trait_looks(study)
    for trait, (curve, found) in lines.items():
        r2 = minus(f"R² = {curve.r2:.2f}") if np.isfinite(curve.r2) else "R² not known"
        label = f"{choices.trait_label(study, trait)}: {r_text(found)}, {r2}, {p_text(found.p)}, n = {curve.n}"
        dashes = () if study.traits[trait].role == "unwanted" else (5.0, 2.0)
        if curve.x.size:
            regression(axes, Band(curve.x, *curve.band), curve.n, colour=colours[trait], dashes=dashes)
        axes.plot([], [], color=colours[trait], marker=markers[trait], label=label, dashes=dashes or (1, 0))
    columns = ("value", "x_lo", "x_hi", "y", "lo", "hi")
    x, x_lo, x_hi, y, y_lo, y_hi = (rows[name].to_numpy(float) for name in columns)
    family_of = prompt_families(study)
    own = np.array([family_of[prompt] == trait for prompt, trait in zip(rows["prompt"], rows["trait"], strict=True)])
    colour_of, marker_of = ([names[trait] for trait in rows["trait"]] for names in (colours, markers))
    scatter_intervals(axes, Points(x, x_lo, x_hi, y, y_lo, y_hi, colour_of, marker_of, own), size=38)
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=1)
    axes.margins(x=0.1, y=0.1)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.08), borderaxespad=0, handlelength=2.2)


def _columns(line: Line) -> dict[str, float]:
    found = line.curve.parameters
    return {
        "r": line.association.r,
        "r_lo": line.association.r_lo,
        "r_hi": line.association.r_hi,
        "p": line.association.p,
        "r2": line.curve.r2,
        "n_prompts": line.curve.n,
        "slope": found.get("slope", float("nan")),
        "intercept": found.get("intercept", float("nan")),
    }


def _caption(study: Study, data: pd.DataFrame, predictor: str) -> str:
    what = {
        "elicitation": "how much it elicits the trait from the untrained model",
        "ph": "PH, the mean shift of the log-probability of training completions that it causes in the untrained model",
        "pc1": "its coordinate on the first principal component of those shifts (columns centred, not scaled)",
    }[predictor]
    names = cell_names(data, "prefix", "trait")
    known = data.rename(columns={"n": "y_n", "n_nan": "y_n_nan"}).rename(columns={"x_n": "n", "x_n_nan": "n_nan"})
    return " ".join(
        [
            "Each prompt's suppression of a trait (control − run, points, asked without a prefix, last step, learning",
            f"rate {choices.main_rate(study):g}) against {what}.",
            "Filled: prompts of the trait's own family; hollow: neutral ones, which appear once for each trait; those",
            "of another family are left out. Lines: least squares for each trait, with the interval of their mean; r",
            "is Pearson's, with prompts drawn anew; p lets prompts change places; R² is in the sample.",
            f"Whiskers, bands and brackets: {interval_words(study)}.",
            seed_words(study),
            "Suppression:",
            counted_words(study, data, names, "y", "pairs of completions for each point"),
            "Predictor:",
            counted_words(study, known, names, "value", "examples or instructions for each point"),
        ]
    )
