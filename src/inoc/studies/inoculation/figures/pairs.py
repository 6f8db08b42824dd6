"""Heuristics and the outcomes they predict, as rows that panels draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.style import colours_of, markers_of, minus
from inoc.stats.bootstrap import Resampler
from inoc.stats.clusters import clustered_r, grouped, permuted_p
from inoc.stats.correlation import FEWEST_FOR_INTERVAL, pearson
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.study import Study

VALUES = ("prompt", "family", "prefix", "trait", "own", "heuristic", "value")
KEYS = ["prompt", "prefix", "trait"]
OUTCOME_ENDS = ("", "_lo", "_hi", "_n", "_n_nan")

NAMES = {
    "H1": "elicitation (points)",
    "H2": "PH (nats/token)",
    "H3": "own axis, by response",
    "H4": "own axis, by token",
    "H5": "distance from neutral",
    "H6": "spread of rephrasings",
    "H7": "z(H1) + z(H4) + z(H5) − z(H6)",
    "H9a": "cosine to the other trait",
    "H9b": "±SV2, by token",
    "H10": "±PC2, by token",
    "H11": "mean |Δ| (nats)",
    "H12": "H11 − H14 (nats)",
    "H13": "mean Δ² (nats²)",
    "H14": "mean Δ (nats)",
    "HA2": "mean Δ where |Δ| > 0.5",
    "HA3": "mean Δ, largest quarter",
    "HA4": "mean 1 − e^−|Δ|",
    "HA5": "HA4 where |Δ| > 0.5",
    "HB1": "first share of variance",
    "HB2": "simulated decay of loss",
    "HB3": "persistent positions (share)",
    "HB4": "H2 · HB1",
    "HB5": "components to half",
    "HB6": "simulated residual loss",
}
"""Heuristic → what it is, in a few words."""


def heuristic_label(key: str) -> str:
    """`H2: PH (nats/token)`."""
    return f"{key}: {NAMES[key]}" if key in NAMES else key


def heuristic_order(keys: Sequence[str]) -> list[str]:
    """Heuristics in the order of their names, unknown ones last."""
    place = {key: index for index, key in enumerate(NAMES)}
    return sorted(dict.fromkeys(keys), key=lambda key: (place.get(key, len(place)), key))


class Target(NamedTuple):
    """An outcome that heuristics predict, and the rows that have it."""

    outcome: str  # suppression, cross or gap
    prefixes: tuple[str, ...]
    words: str  # on the axis


TARGETS = {
    "own": Target("suppression", ("fixed", "mix"), "suppression (points)"),
    "cross": Target("cross", ("fixed", "mix"), "suppression of the other trait (points)"),
    "gap": Target("gap", ("mix",), "fixed − mix suppression (points)"),
}


def outcome_columns(outcome: str) -> dict[str, str]:
    """Column of `outcomes` → its name in a figure's data."""
    ours = ("y", "lo", "hi", "n", "n_nan")
    theirs = (
        ("suppression", "lo", "hi", "n", "n_nan")
        if outcome == "suppression"
        else tuple(f"{outcome}{end}" for end in OUTCOME_ENDS)
    )
    return dict(zip(theirs, ours, strict=True))


def own_outcomes(study: Study, sources: Sources, target: Target) -> pd.DataFrame:
    """Outcomes at the main learning rate, of prompts of the row's trait and of neutral ones.

    Returns:
        prompt, family, prefix, trait, y, lo, hi, n, n_nan; sorted by trait, then prompt.
    """
    renamed = outcome_columns(target.outcome)
    table = sources.table("outcomes", ("prompt", "family", "prefix", "trait", "learning_rate", "own", *renamed))
    chosen = table[
        table["own"].astype(bool)
        & (table["learning_rate"] == choices.main_rate(study))
        & table["prefix"].isin(target.prefixes)
        & table["trait"].isin(choices.judged_traits(study))
    ]
    kept: pd.DataFrame = chosen[[*KEYS, "family", *renamed]].rename(columns=renamed)
    order = {trait: index for index, trait in enumerate(choices.judged_traits(study))}
    return kept.sort_values(
        KEYS, key=lambda column: column.map(order) if column.name == "trait" else column, ignore_index=True
    )


def heuristic_pairs(study: Study, sources: Sources, target: Target) -> pd.DataFrame:
    """Every heuristic beside the outcome it predicts: `own_outcomes` with the columns heuristic and value."""
    values = sources.table("heuristic_values", VALUES)[[*KEYS, "heuristic", "value"]]
    return own_outcomes(study, sources, target).merge(values, on=KEYS, how="left")


class Looks(NamedTuple):
    """Trait → its colour and marker, those that its prompts have in other figures."""

    colours: dict[str, str]
    markers: dict[str, str]


def trait_looks(study: Study) -> Looks:
    """Colours and markers of traits: those of the prompts that point to them."""
    names = list(dict.fromkeys([*choices.families(study), *choices.judged_traits(study)]))
    return Looks(colours_of(names), markers_of(names))


class Association(NamedTuple):
    """Correlation of a heuristic with an outcome."""

    r: float
    r_lo: float  # prompts drawn anew
    r_hi: float
    p: float  # prompts permuted
    n_points: int


UNKNOWN = Association(float("nan"), float("nan"), float("nan"), float("nan"), 0)


def association(x: np.ndarray, y: np.ndarray, prompts: Sequence[str], resampler: Resampler) -> Association:
    """Pearson's r over points whose unit is the prompt.

    Args:
        x: Heuristic, shape (points,); NaN are left out.
        y: Outcome.
        prompts: The prompt of each point.
        resampler: Source of draws and permutations.
    """
    both = np.isfinite(x) & np.isfinite(y)
    found = pearson(x, y)
    if np.isnan(found.value):
        return Association(found.value, found.lo, found.hi, found.p, found.n)
    units = grouped([prompt for prompt, keep in zip(prompts, both, strict=True) if keep])
    drawn = clustered_r(x[None, both], y[both], units, resampler)[:, 0]
    lo, hi = resampler.bounds(drawn) if units.n >= FEWEST_FOR_INTERVAL else (UNKNOWN.r_lo, UNKNOWN.r_hi)
    return Association(found.value, lo, hi, float(permuted_p(x[None, both], y[both], units, resampler)[0]), found.n)


def resampler_of(study: Study) -> Resampler:
    """The study's own draws."""
    settings = study.statistics
    return Resampler(settings.resamples, settings.seed, settings.confidence)


def r_text(found: Association) -> str:
    """`r = 0.91 [0.80, 0.96]`."""
    if not np.isfinite(found.r):
        return "r not computable"
    bounds = f" [{found.r_lo:.2f}, {found.r_hi:.2f}]" if np.isfinite(found.r_lo) else ""
    return minus(f"r = {found.r:.2f}{bounds}")
