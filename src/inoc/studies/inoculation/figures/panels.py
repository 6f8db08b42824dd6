"""A panel for each heuristic against the outcome it predicts: own suppression, that of the other trait, fixed − mix."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.scatter import Band, Points, regression, scatter_intervals, statistics_box
from inoc.plots.style import GREY, PREFIX_COLOURS, PREFIX_DASHES, PREFIX_MARKERS, minus, new_figure
from inoc.stats.bootstrap import Resampler
from inoc.stats.curves import DIFFERENCE_ENDS, RESAMPLES, SUPPRESSION_ENDS, Curve, linear_curve, logistic_curve
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import alike_words, cell_names, failed_words, n_words, seed_words
from inoc.studies.inoculation.figures.pairs import (
    KEYS,
    TARGETS,
    UNKNOWN,
    Association,
    Target,
    association,
    heuristic_label,
    heuristic_order,
    heuristic_pairs,
    own_outcomes,
    r_text,
    resampler_of,
)
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, p_text, rst

Kind = Literal["linear", "logistic"]
COLUMNS = 4
SIGNS = {"fixed": "○", "mix": "□"}


class Fit(NamedTuple):
    """A curve through the points of one kind of prefix."""

    curve: Curve
    association: Association  # unknown for a logistic, which no correlation describes


def draw(study: Study, sources: Sources, outcome: str, kind: Kind) -> Drawing:
    """A panel for each heuristic, against an outcome of training.

    Args:
        study: The study.
        sources: Its tables.
        outcome: A key of `TARGETS`.
        kind: Of the fitted curve.
    """
    target = TARGETS[outcome]
    pairs = heuristic_pairs(study, sources, target)
    shown = heuristic_order([str(key) for key in pairs["heuristic"].dropna()])
    known = [key for key in shown if pairs.loc[pairs["heuristic"] == key, "value"].notna().any()]
    shown = [key for key in known if pairs.loc[pairs["heuristic"] == key, "value"].nunique() > 1]
    alike = [heuristic_label(key) for key in known if key not in shown]
    prefixes = [prefix for prefix in target.prefixes if prefix in choices.trained_prefixes(study)]
    if not shown:
        return _empty(study, sources, target)
    figure, panels = panel_grid(len(shown), COLUMNS, title_lines=2 * len(prefixes))
    resampler, parts = resampler_of(study), []
    for axes, key in zip(panels, shown, strict=True):
        rows = pairs[pairs["heuristic"] == key]
        fits = {prefix: fit_rows(rows[rows["prefix"] == prefix], target, kind, resampler) for prefix in prefixes}
        _panel(axes, study, rows, fits)
        statistics_box(axes, [line for prefix, fit in fits.items() for line in _lines(prefix, fit, kind)])
        axes.set_xlabel(heuristic_label(key))
        parts += [rows[rows["prefix"] == prefix].assign(**_columns(fit)) for prefix, fit in fits.items()]
    figure.supylabel(target.words, fontsize="medium", x=0.01)
    figure.legend(handles=_handles(study, prefixes), loc="upper left", ncols=4, handlelength=3)
    data = pd.concat(parts, ignore_index=True)
    return Drawing(figure, data, _caption(study, data, target, kind) + alike_words(alike))


def _empty(study: Study, sources: Sources, target: Target) -> Drawing:
    """No prompt has any heuristic: the outcomes are in the CSV, and the panel says so."""
    data = own_outcomes(study, sources, target).assign(heuristic="", value=float("nan"))
    figure = new_figure(2.4)
    note(figure.subplots(), "no heuristic is known of the prompts that were trained")
    return Drawing(figure, data, _caption(study, data, target, "linear"))


def fit_rows(rows: pd.DataFrame, target: Target, kind: Kind, resampler: Resampler) -> Fit:
    """A curve and a correlation; whole prompts are drawn anew.

    Args:
        rows: Columns prompt, value and y.
        target: Says where the ends of a logistic may lie.
        kind: Of the curve.
        resampler: Source of draws and permutations.
    """
    x, y = rows["value"].to_numpy(float), rows["y"].to_numpy(float)
    prompts = [str(prompt) for prompt in rows["prompt"]]
    if kind == "linear":
        return Fit(linear_curve(x, y, resampler.confidence), association(x, y, prompts, resampler))
    ends = DIFFERENCE_ENDS if target.outcome == "gap" else SUPPRESSION_ENDS
    curve = logistic_curve(
        x,
        y,
        prompts,
        ends=ends,
        resamples=min(RESAMPLES, resampler.resamples),
        seed=resampler.seed,
        confidence=resampler.confidence,
    )
    return Fit(curve, UNKNOWN)


def _panel(axes: Axes, study: Study, rows: pd.DataFrame, fits: dict[str, Fit]) -> None:
    for prefix, (curve, _) in fits.items():
        if curve.x.size:
            regression(
                axes,
                Band(curve.x, *curve.band),
                curve.n,
                colour=PREFIX_COLOURS[prefix],
                dashes=PREFIX_DASHES[prefix],
                shade=0.13,
            )
    x, y, lo, hi = (rows[name].to_numpy(float) for name in ("value", "y", "lo", "hi"))
    unknown = np.full(len(rows), np.nan)
    unwanted = [study.traits[trait].role == "unwanted" for trait in rows["trait"]]
    colours = [PREFIX_COLOURS[prefix] for prefix in rows["prefix"]]
    markers = [PREFIX_MARKERS[prefix] for prefix in rows["prefix"]]
    points = Points(x, unknown, unknown, y, lo, hi, colours, markers, np.array(unwanted, dtype=bool))
    scatter_intervals(axes, points, size=20)
    axes.axhline(0, color=GREY, linewidth=0.7, zorder=1)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=3)


def _lines(prefix: str, fit: Fit, kind: Kind) -> list[str]:
    curve = fit.curve
    sign = SIGNS[prefix]
    if kind == "linear":
        return [
            f"{sign} {r_text(fit.association)}",
            f"    {_r2_text(curve)}, {p_text(fit.association.p)}, n = {curve.n}",
        ]
    if not curve.x.size:
        return [f"{sign} no curve: one position", f"    n = {curve.n}"]
    first = "line, not logistic" if curve.kind == "linear" else "logistic"
    return [f"{sign} {first}: {_r2_text(curve)}", f"    F-test {p_text(curve.p)}, n = {curve.n}"]


def _r2_text(curve: Curve) -> str:
    return minus(f"R² = {curve.r2:.2f}") if np.isfinite(curve.r2) else "R² not known"


def _columns(fit: Fit) -> dict[str, float | str]:
    curve = fit.curve
    return {
        "r": fit.association.r,
        "r_lo": fit.association.r_lo,
        "r_hi": fit.association.r_hi,
        "p": fit.association.p,
        "n_points": curve.n,
        "curve": curve.kind,
        "r2": curve.r2,
        "f": curve.f,
        "f_p": curve.p,
        "parameters": "; ".join(f"{name} = {value:.6g}" for name, value in curve.parameters.items()),
        "note": curve.note,
    }


def _handles(study: Study, prefixes: list[str]) -> list[Line2D]:
    words = {"fixed": "fixed prefix", "mix": "rephrasings (mix)"}
    handles = [
        Line2D([], [], color=PREFIX_COLOURS[prefix], marker=PREFIX_MARKERS[prefix], label=words[prefix])
        for prefix in prefixes
    ]
    for handle, prefix in zip(handles, prefixes, strict=True):
        if PREFIX_DASHES[prefix]:
            handle.set_dashes(list(PREFIX_DASHES[prefix]))
    for role, face, word in (("unwanted", GREY, "filled"), ("wanted", "white", "hollow")):
        names = [
            choices.trait_label(study, trait)
            for trait in choices.judged_traits(study)
            if study.traits[trait].role == role
        ]
        if names:
            label = f"{word}: {', '.join(names)} ({role})"
            handles.append(Line2D([], [], color=GREY, marker="o", linestyle="", markerfacecolor=face, label=label))
    return handles


_ROWS = {
    "suppression": "the suppression of the row's own trait (control − run, points, asked without a prefix)",
    "cross": "the suppression of the trait that the prompt does not point to (control − run, points)",
    "gap": "the suppression by the fixed prefix less that by its rephrasings (points, paired over instructions), "
    "with the heuristics of the rephrasings",
}


def _caption(study: Study, data: pd.DataFrame, target: Target, kind: Kind) -> str:
    outcome = data.drop_duplicates(KEYS)
    unlike = sorted({str(note) for note in data["note"] if note}) if "note" in data else []
    curve = (
        "Line: least squares with the interval of its mean; r is Pearson's, its interval draws whole prompts anew and "
        "p lets prompts change places; R² is in the sample."
        if kind == "linear"
        else "Curve: least-squares logistic with free ends; band: prompts drawn anew; R² is in the sample, and the F "
        "test compares with the mean, as if points were independent." + "".join(f" {rst(why)}." for why in unlike)
    )
    tests = data.drop_duplicates(["heuristic", "prefix"])
    count = len(tests) if data["heuristic"].any() else 0
    points = n_words(tests["n_points"], "points a curve") if "n_points" in tests else "n = 0 points a curve"
    return " ".join(
        [
            f"Each heuristic, known before training, against {_ROWS[target.outcome]} at the last step and",
            f"learning rate {choices.main_rate(study):g}: a point for each prompt that points to the trait, and for",
            f"each neutral one, by kind of prefix. {curve}",
            f"These are {count} tests, of which some will look good by chance: see the figure of all correlations.",
            f"Whiskers, band and brackets: {interval_words(study)}.",
            seed_words(study),
            points + ";",
            n_words(outcome["n"], "pairs of completions behind each point") + ".",
            failed_words(outcome, cell_names(outcome, "prefix", "trait"), "y", study.statistics.max_nan),
        ]
    )
