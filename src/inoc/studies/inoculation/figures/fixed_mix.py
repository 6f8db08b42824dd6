"""Ten comparisons of each fixed prefix with its mix, against the difference in suppression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.save import Drawing
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import alike_words, cell_names, counted_words, seed_words
from inoc.studies.inoculation.figures.clouds import Cloud, correlations_of, draw_clouds, r_and_p_lines, with_suppression
from inoc.studies.inoculation.figures.pairs import resampler_of
from inoc.studies.inoculation.figures.scatter import SUPPRESSION, last_suppression
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

COLUMNS = ("prompt", "view", "heuristic", "value", "constant", "n", "n_nan")
ACROSS = 4
VIEWS: Final = {"raw": "raw", "pca1": "PCA rank 1", "svd1": "SVD rank 1"}
LABELS: Final = {
    "ph_ratio": "PH mix / fixed",
    "variance_difference": "σ² mix − fixed",
    "gamma_mix": "γ of mix",
    "snr_mix": "SNR of mix",
    "cosine": "cosine fixed, mix",
    "effective_rank": "effective rank of mix",
    "snr_ratio": "SNR mix / fixed",
    "mald_ratio": "MALD mix / fixed",
    "absolute_snr_mix": "MALD / σ of mix",
    "absolute_snr_ratio": "MALD / σ, mix / fixed",
}
"""The ten, in the order of `inoc.studies.inoculation.analyse.fixed_mix.FixedMix`."""
Outcome = Callable[[pd.DataFrame], pd.DataFrame]


def of_mix(suppression: pd.DataFrame) -> pd.DataFrame:
    """Suppression by training with the mix."""
    return suppression[suppression["prefix"] == "mix"]


def gap(suppression: pd.DataFrame) -> pd.DataFrame:
    """Suppression by the fixed prefix less that by its mix, points; positive means that the fixed one does more.

    The two intervals are added in quadrature. Both share a control, which cancels, so the interval is too wide
    rather than too narrow.
    """
    columns = ["suppression", "lo", "hi", "n", "n_nan"]
    fixed, mix = (
        suppression[suppression["prefix"] == prefix].set_index("prompt")[columns] for prefix in ("fixed", "mix")
    )
    fixed, mix = fixed.align(mix, join="inner", axis=0)
    value = fixed["suppression"] - mix["suppression"]
    below = np.hypot(fixed["suppression"] - fixed["lo"], mix["hi"] - mix["suppression"])
    above = np.hypot(fixed["hi"] - fixed["suppression"], mix["suppression"] - mix["lo"])
    counted = {"n": np.minimum(fixed["n"], mix["n"]), "n_nan": np.maximum(fixed["n_nan"], mix["n_nan"])}
    found = pd.DataFrame({"suppression": value, "lo": value - below, "hi": value + above, **counted})
    return found.reset_index()


OUTCOMES: Final[dict[str, tuple[Outcome, str, str]]] = {
    "gap": (gap, "gap (points)", "the gap: suppression by the fixed prefix less suppression by its mix"),
    "suppression": (of_mix, "mix suppression (points)", "the suppression by training with the mix"),
}
"""Outcome → its rows, the label of its axis, and words."""


def draw(study: Study, sources: Sources, outcome: str, role: str) -> Drawing:
    """Ten comparisons of fixed prefix and mix against an outcome of training.

    Args:
        study: The study.
        sources: Its tables.
        outcome: A key of `OUTCOMES`.
        role: Of the suppressed trait, `unwanted` or `wanted`.
    """
    trait = choices.trait_in_role(study, role)
    assert trait is not None  # the catalogue has this figure only for studies with such a trait
    table = sources.table("fixed_mix", COLUMNS)
    rows_of, y_label, words = OUTCOMES[outcome]
    outcomes = rows_of(last_suppression(study, sources.table("suppression", SUPPRESSION), trait))
    resampler = resampler_of(study)
    rows: list[list[Cloud]] = []
    for view, view_label in VIEWS.items():
        rows.append([])
        for heuristic, label in LABELS.items():
            own = table[(table["view"] == view) & (table["heuristic"] == heuristic)]
            constant = bool(len(own)) and bool(own["constant"].all())
            values = own[["prompt", "value", "n", "n_nan"]].assign(lo=np.nan, hi=np.nan, view=view, heuristic=heuristic)
            points = with_suppression(values, outcomes).assign(trait=trait, outcome=outcome)
            found = correlations_of(points, resampler, constant=constant)
            rows[-1].append(Cloud(points, label, f"{view_label}:\n{y_label}", found, constant))
    figure, data, alike = draw_clouds(study, rows, ACROSS, r_and_p_lines)
    if alike:
        constants = data[data["constant"]].drop_duplicates(["view", "heuristic"])
        alike = [f"{LABELS[row['heuristic']]} ({VIEWS[row['view']]})" for _, row in constants.iterrows()]
    return Drawing(figure, data, _caption(study, data, trait, words) + alike_words(alike))


def _caption(study: Study, data: pd.DataFrame, trait: str, words: str) -> str:
    outcome = data[data["suppression_n"].notna()].drop_duplicates("prompt")
    outcome = outcome.assign(n=outcome["suppression_n"], n_nan=outcome["suppression_n_nan"])
    return " ".join(
        [
            "Ten numbers that compare what a fixed prefix and its mix do to the log-probability of the same training",
            "completions before training (γ: share of shifts above 0; σ: their standard deviation; SNR: mean / σ;",
            f"MALD: mean absolute shift), against {words}, of {rst(choices.trait_label(study, trait))} (points, asked",
            f"without a prefix, last step, learning rate {choices.main_rate(study):g}).",
            "Rows of panels: all shifts, then both matrices projected on the first component of the fixed one, of",
            "the PCA and of the SVD.",
            "Line: least squares with the interval of its mean, over prompts of all families; r is Pearson's, p that",
            "of its t test, one of thirty in this figure and not corrected; n counts prompts.",
            "A number is left out where there is no room for it; the CSV file names every point.",
            f"Whiskers, band and brackets: {interval_words(study)}.",
            seed_words(study),
            counted_words(
                study, outcome, cell_names(outcome), "suppression", "pairs of completions behind each outcome"
            ),
            counted_words(
                study, data, cell_names(data, "view", "heuristic"), "value", "examples behind each comparison"
            ),
        ]
    )
