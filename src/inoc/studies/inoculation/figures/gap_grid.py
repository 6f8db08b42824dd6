"""Components and interactions against suppression by the fixed prefix, by the mix, and the gap between them."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from inoc.figures.sources import Sources
from inoc.plots.dots import note
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.scatter import Band, Points, correlation_text, regression, scatter_intervals, statistics_box
from inoc.plots.style import GREY, minus, new_figure
from inoc.stats.bootstrap import Resampler
from inoc.stats.correlation import pearson
from inoc.stats.curves import linear_curve
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, failed_words, n_words, seed_words
from inoc.studies.inoculation.figures.pairs import TARGETS, own_outcomes, resampler_of, trait_looks
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, p_text

PREDICTORS = ("prompt", "prefix", "trait", "predictor", "value")
COMPONENTS = ("pc1", "pc2", "pc3")
PARTS = {"elicitation": "elicitation", "ph": "PH", "pc1": "PC1", "pc2": "PC2", "pc3": "PC3"}
OUTCOMES = {"fixed": "suppression, fixed prefix", "mix": "suppression, mix", "gap": "fixed − mix suppression"}
MOST_INTERACTIONS = 3
FEWEST = 4


class Interaction(NamedTuple):
    """A product of two standardised predictors, and how well it predicts the gap."""

    name: str
    values: np.ndarray  # shape (rows,)
    r: float  # with the gap, both centred for each trait
    p: float  # probability that the strongest candidate reaches |r| when prompts are permuted


def draw(study: Study, sources: Sources) -> Drawing:
    """Rows: PC1 to PC3 and the three interactions that predict the gap best; a line for each trait."""
    rows = _rows(study, sources)
    shown: dict[str, np.ndarray] = {
        PARTS[name]: rows[name].to_numpy(float) for name in COMPONENTS if rows[name].notna().any()
    }
    known = rows[list(COMPONENTS)].notna().any(axis=1)
    traits = [trait for trait in choices.judged_traits(study) if (known & (rows["trait"] == trait)).any()]
    if not traits:
        figure = new_figure(2.4)
        note(figure.subplots(), "no prompt that points to a judged trait has both components and suppression")
        return Drawing(figure, _long(rows, {"": np.full(len(rows), np.nan)}, []), _caption(study, rows, [], 0))
    candidates = interactions(rows, resampler_of(study))
    best = candidates[:MOST_INTERACTIONS]
    shown |= {one.name: one.values for one in best}
    figure, panels = panel_grid(3 * len(shown), 3, plot_in=1.7, title_lines=len(traits), share_y=False, gap_in=0.66)
    for axes, ((name, x), outcome) in zip(panels, itertools.product(shown.items(), OUTCOMES), strict=True):
        _panel(axes, study, rows, x, outcome, traits)
        axes.set_xlabel(name)
        axes.set_ylabel(OUTCOMES[outcome])
    figure.legend(handles=_handles(study, traits), loc="upper left", ncols=4)
    return Drawing(figure, _long(rows, shown, best), _caption(study, rows, best, len(candidates)))


def _rows(study: Study, sources: Sources) -> pd.DataFrame:
    """A row for each prompt of a trait's own family: three outcomes, and predictors of the fixed prefix."""
    own = own_outcomes(study, sources, TARGETS["own"])
    gap = own_outcomes(study, sources, TARGETS["gap"]._replace(prefixes=("fixed",)))
    key = ["prompt", "trait", "family"]
    parts = [own[own["prefix"] == prefix].assign(outcome=prefix) for prefix in ("fixed", "mix")]
    long = pd.concat([*parts, gap.assign(outcome="gap")])
    long = long[long["family"] == long["trait"]]
    wide = pd.DataFrame(index=pd.MultiIndex.from_frame(long[key].drop_duplicates()))
    for outcome in OUTCOMES:
        found = long[long["outcome"] == outcome].set_index(key)
        for column in ("y", "lo", "hi", "n", "n_nan"):
            wide[f"{outcome}_{column}"] = found[column]
    table = sources.table("predictors", PREDICTORS)
    rows = wide.reset_index()
    for name in PARTS:
        chosen = table[(table["prefix"] == "fixed") & (table["predictor"] == name)]
        of_trait = not (chosen["trait"] == "all").any()
        keys = ["prompt", "trait"] if of_trait else ["prompt"]
        values = chosen.drop_duplicates(keys).set_index(keys)["value"]
        places = pd.MultiIndex.from_frame(rows[keys]) if of_trait else pd.Index(rows["prompt"])
        rows[name] = values.reindex(places).to_numpy(float) if len(chosen) else np.nan
    return rows


def interactions(rows: pd.DataFrame, resampler: Resampler) -> list[Interaction]:
    """Products of two standardised predictors, best predictors of the gap first.

    Args:
        rows: Columns trait, gap_y and predictors.
        resampler: Its seed, and how often prompts change places, within their trait.

    Returns:
        Over rows for which all predictors and the gap are known; `values` are NaN elsewhere. Empty for fewer than
        four such rows.
    """
    known = [name for name in PARTS if rows[name].notna().any()]
    complete = rows[[*known, "gap_y"]].notna().all(axis=1).to_numpy()
    traits = rows["trait"].to_numpy()[complete]
    if complete.sum() < FEWEST or len(known) < 2:
        return []
    y = _centred(rows["gap_y"].to_numpy(float)[complete], traits)
    z = {name: _standard(rows[name].to_numpy(float)[complete]) for name in known}
    products = {(one, other): z[one] * z[other] for one, other in itertools.combinations(known, 2)}
    x_CN = np.array([_unit(_centred(values, traits)) for values in products.values()])
    r_C = x_CN @ _unit(y)
    drawn_B = np.abs(_permuted(y, traits, resampler) @ x_CN.T).max(axis=1)
    found = []
    for (one, other), values, r in zip(products, products.values(), r_C, strict=True):
        p = float((1 + (drawn_B >= abs(r) - 1e-12).sum()) / (1 + drawn_B.size))
        whole = np.full(len(rows), np.nan)
        whole[complete] = values
        found.append(Interaction(f"{PARTS[one]} × {PARTS[other]} (sd²)", whole, float(r), p))
    return sorted(found, key=lambda interaction: -abs(interaction.r))


def _standard(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    standard: np.ndarray = (values - values.mean()) / (spread if spread > 0 else 1.0)
    return standard


def _centred(values: np.ndarray, traits: np.ndarray) -> np.ndarray:
    """Values less the mean of the row's trait: a difference between traits is no relation within them."""
    centred = values.copy()
    for trait in np.unique(traits):
        centred[traits == trait] -= values[traits == trait].mean()
    return centred


def _unit(values: np.ndarray) -> np.ndarray:
    length = float(np.sqrt((values**2).sum()))
    unit: np.ndarray = values / length if length > 0 else values
    return unit


def _permuted(y: np.ndarray, traits: np.ndarray, resampler: Resampler) -> np.ndarray:
    """Unit outcomes with prompts in other places, within their trait; shape (resamples, rows)."""
    rng = np.random.default_rng([resampler.seed, 6, y.size])
    drawn = np.tile(_unit(y), (resampler.resamples, 1))
    for trait in np.unique(traits):
        own = traits == trait
        drawn[:, own] = rng.permuted(drawn[:, own], axis=1)
    return drawn


def _panel(axes: Axes, study: Study, rows: pd.DataFrame, x: np.ndarray, outcome: str, traits: list[str]) -> None:
    colours, markers = trait_looks(study)
    y, lo, hi = (rows[f"{outcome}_{column}"].to_numpy(float) for column in ("y", "lo", "hi"))
    words = []
    for trait in traits:
        own = (rows["trait"] == trait).to_numpy()
        curve = linear_curve(x[own], y[own], study.statistics.confidence)
        found = pearson(x[own], y[own], study.statistics.confidence)
        if curve.x.size:
            dashes = () if study.traits[trait].role == "unwanted" else (5.0, 2.0)
            regression(axes, Band(curve.x, *curve.band), curve.n, colour=colours[trait], dashes=dashes, shade=0.12)
        text = correlation_text("r", found.value, found.lo, found.hi)
        words.append(f"{choices.trait_label(study, trait)}: {text}, n = {found.n}")
    unknown = np.full(len(rows), np.nan)
    shades, marks = ([names[trait] for trait in rows["trait"]] for names in (colours, markers))
    scatter_intervals(axes, Points(x, unknown, unknown, y, lo, hi, shades, marks, np.ones(len(rows), bool)), size=22)
    statistics_box(axes, words)
    axes.axhline(0, color=GREY, linewidth=0.7, zorder=1)
    axes.margins(x=0.08)


def _handles(study: Study, traits: list[str]) -> list[Line2D]:
    colours, markers = trait_looks(study)
    return [
        Line2D(
            [], [], color=colours[trait], marker=markers[trait], label=f"{choices.trait_label(study, trait)} prompts"
        )
        for trait in traits
    ]


def _long(rows: pd.DataFrame, shown: dict[str, np.ndarray], best: list[Interaction]) -> pd.DataFrame:
    """A row for each point of a panel."""
    chosen = {one.name: one for one in best}
    unknown = Interaction("", np.zeros(0), float("nan"), float("nan"))
    parts = []
    for name, x in shown.items():
        for outcome in OUTCOMES:
            columns = {f"{outcome}_{column}": column for column in ("y", "lo", "hi", "n", "n_nan")}
            part = rows[["prompt", "family", "trait", *columns]].rename(columns=columns)
            one = chosen.get(name, unknown)
            parts.append(part.assign(predictor=name, value=x, outcome=outcome, r_gap=one.r, p_of_strongest=one.p))
    return pd.concat(parts, ignore_index=True)


def _caption(study: Study, rows: pd.DataFrame, best: list[Interaction], candidates: int) -> str:
    outcome = pd.concat(
        [
            rows.rename(columns={f"{name}_{column}": column for column in ("y", "n", "n_nan")}).assign(
                prefix=OUTCOMES[name]
            )[["prompt", "trait", "prefix", "y", "n", "n_nan"]]
            for name in OUTCOMES
        ]
    )
    tests = "; ".join(
        minus(f"{one.name.removesuffix(' (sd²)')}: r = {one.r:.2f} with the gap, {p_text(one.p)}") for one in best
    )
    chosen = (
        f"Of {candidates} products of two standardised predictors, those {len(best)} are shown that tell the gap best. "
        "They were chosen after looking, so their r is too large; p is how often the strongest of all candidates "
        f"reaches it when prompts change places within their trait: {tests}."
        if best
        else "Too few prompts for interactions."
    )
    return " ".join(
        [
            "Principal components of the shifts by the fixed prefix, and interactions, against the suppression by",
            "the fixed prefix, by its rephrasings (mix), and the difference of the two, for prompts that point to the",
            "trait.",
            chosen,
            "Lines: least squares for each trait, with the interval of the mean; r is Pearson's, with Fisher's",
            "interval.",
            f"Whiskers, bands and brackets: {interval_words(study)}.",
            seed_words(study),
            n_words(outcome["n"], "pairs of completions behind each point") + ".",
            failed_words(outcome, cell_names(outcome, "prefix", "trait"), "y", study.statistics.max_nan),
        ]
    )
