"""Heuristics from the untrained model against the suppression of the unwanted or of the wanted trait."""

from __future__ import annotations

import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.save import Drawing
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, counted_words, seed_words
from inoc.studies.inoculation.figures.clouds import Cloud, correlations_of, draw_clouds
from inoc.studies.inoculation.figures.pairs import resampler_of
from inoc.studies.inoculation.figures.scatter import (
    COORDINATES,
    PREDICTORS,
    SUPPRESSION,
    ShownPredictor,
    heuristics,
    last_suppression,
    pairs_of,
    statistics_lines,
)
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

ACROSS = 4
EXTENDED = (
    ShownPredictor("gamma", "all", "γ: share of shifts above 0"),
    ShownPredictor("sigma", "all", "σ of shifts (nats/token)"),
    ShownPredictor("snr", "all", "SNR: PH / σ"),
    ShownPredictor("pc1", "all", "PC1 by response"),
    ShownPredictor("pc2", "all", "PC2 by response"),
    ShownPredictor("token_pc1", "all", "PC1 by token"),
    ShownPredictor("token_pc2", "all", "PC2 by token"),
)


def draw_basic(study: Study, sources: Sources, role: str) -> Drawing:
    """Elicitation, PH, PPD and PH − PPD against suppression.

    Args:
        study: The study.
        sources: Its tables.
        role: Of the suppressed trait, `unwanted` or `wanted`.
    """
    trait = choices.trait_in_role(study, role)
    assert trait is not None  # the catalogue has this figure only for studies with such a trait
    predictors = sources.table("predictors", PREDICTORS)
    words = (
        "elicitation of that trait, PH (mean shift of the log-probability of training completions that the prompt "
        "causes), PPD (mean absolute shift on completions of the other trait alone, or neutral ones) and PH − PPD"
    )
    return _draw(study, sources, trait, predictors, heuristics(study, predictors, trait), words)


def draw_extended(study: Study, sources: Sources, role: str) -> Drawing:
    """Spread and components of the shifts against suppression.

    Args:
        study: The study.
        sources: Its tables.
        role: Of the suppressed trait, `unwanted` or `wanted`.
    """
    trait = choices.trait_in_role(study, role)
    assert trait is not None  # as above
    predictors = pd.concat([sources.table("predictors", PREDICTORS), _token_components(sources)], ignore_index=True)
    words = (
        "of the shifts of the log-probability of training completions that the prompt causes, the share above zero "
        "(γ), the standard deviation (σ), mean / σ (SNR), and the first two principal components by response and by "
        "token, where tokens are stored"
    )
    return _draw(study, sources, trait, predictors, list(EXTENDED), words)


def _token_components(sources: Sources) -> pd.DataFrame:
    """Coordinates by token as rows of `predictors`."""
    table = sources.table("coordinates", (*COORDINATES, "n", "n_nan"))
    own = table[(table["level"] == "token") & (table["method"] == "pca") & table["component"].isin((1, 2))]
    named = own.assign(predictor="token_pc" + own["component"].astype(str), trait="all")
    return named[list(PREDICTORS)]


def _draw(
    study: Study, sources: Sources, trait: str, predictors: pd.DataFrame, columns: list[ShownPredictor], words: str
) -> Drawing:
    suppression = last_suppression(study, sources.table("suppression", SUPPRESSION), trait)
    resampler = resampler_of(study)
    there = set(zip(predictors["predictor"], predictors["trait"], strict=True))
    unknown = [column.label for column in columns if (column.predictor, column.trait) not in there]
    columns = [column for column in columns if column.label not in unknown] or columns
    rows: list[list[Cloud]] = []
    for prefix in choices.trained_prefixes(study):
        rows.append([])
        for heuristic in columns:
            points = pairs_of(study, predictors, suppression, heuristic, prefix).drop(columns="fitted")
            statistics = correlations_of(points, resampler, held_out=True)
            y_label, label = f"{prefix}: suppression (points)", heuristic.label
            rows[-1].append(Cloud(points.assign(trait=trait), label, y_label, statistics, compared=label))
    figure, data, _ = draw_clouds(study, rows, ACROSS, statistics_lines)
    return Drawing(figure, data, _caption(study, data, trait, words, unknown))


def _caption(study: Study, data: pd.DataFrame, trait: str, words: str, unknown: list[str]) -> str:
    outcome = data.drop_duplicates(["prompt", "prefix"])
    outcome = outcome.assign(n=outcome["suppression_n"], n_nan=outcome["suppression_n_nan"])
    known = data[data["n"].notna()]
    return " ".join(
        [
            f"Each prompt's suppression of {rst(choices.trait_label(study, trait))} (control − run, points, asked",
            f"without a prefix, last step, learning rate {choices.main_rate(study):g}) against what the untrained",
            f"model tells of it: {words}.",
            f"Not known of this study, and left out: {rst('; '.join(unknown))}." if unknown else "",
            "Rows of panels: fixed prefixes, then rephrasings (mix), as far as they were trained.",
            "Prompts of all families enter line and statistics. Line: least squares with the interval of its mean;",
            "r is Pearson's, ρ Spearman's, n the number of prompts with both numbers. Held-out R² is that of",
            "prompts left out in turn, against the mean of the others; it may be negative.",
            "A number is left out where there is no room for it; the CSV file names every point.",
            f"Whiskers, band and brackets: {interval_words(study)}.",
            seed_words(study),
            "Suppression:",
            counted_words(
                study, outcome, cell_names(outcome, "prefix"), "suppression", "pairs of completions for each prompt"
            ),
            "Predictors:",
            counted_words(
                study,
                known,
                cell_names(known, "prefix", "predictor"),
                "value",
                "examples or instructions for each prompt",
            ),
        ]
    )
