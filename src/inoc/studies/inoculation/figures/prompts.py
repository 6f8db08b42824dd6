"""Properties of the prompts themselves: sentence embeddings and self-perplexity."""

from __future__ import annotations

import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.save import Drawing
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.captions import cell_names, counted_words, failed_words, n_words, seed_words
from inoc.studies.inoculation.figures.plane import COMPONENTS, draw_planes
from inoc.studies.inoculation.figures.scatter import COORDINATES, PREDICTORS, ShownPredictor, against_suppression
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.captions import interval_words, rst

STATISTICS = ("prompt", "statistic", "value", "lo", "hi", "n", "n_nan")
EMBEDDING_COLUMNS = {
    "emb_dist_from_neutral": "distance from neutral prompts",
    "emb_cos_to_negative_trait": "cosine to unwanted trait's prompts",
    "emb_rephrase_mean_cos": "mean cosine of rephrasings",
    "emb_rephrase_std_cos": "sd of rephrasings' cosines",
}
PERPLEXITY_COLUMNS = {"selfperp_raw": "alone (nats/token)", "selfperp_ctx": "in its turn (nats/token)"}
ALL = "all"


def draw_embeddings(study: Study, sources: Sources) -> Drawing:
    """Statistics of the embeddings against suppression."""
    table = sources.table("embeddings", STATISTICS).rename(columns={"statistic": "predictor"})
    there = set(table["predictor"])
    shown = {name: label for name, label in EMBEDDING_COLUMNS.items() if name in there} or EMBEDDING_COLUMNS
    figure, data = against_suppression(
        study, sources, for_every_prefix(study, table.assign(trait=ALL)), _columns(shown)
    )
    words = [
        "Where the encoder of sentences places each prompt: distance from the neutral prompts' mean, cosine to the",
        "mean of the prompts that point to the unwanted trait, and mean and standard deviation of the cosines between",
        "the prompt and its rephrasings. These are properties of texts: fixed and mix have the same values.",
    ]
    return Drawing(figure, data, _caption(study, data, words, "rephrasings, or 1 for the prompt itself"))


def draw_self_perplexity(study: Study, sources: Sources) -> Drawing:
    """Negative log-likelihood of the prompt's own tokens against suppression."""
    table = sources.table("predictors", PREDICTORS)
    table = table[table["predictor"].isin(list(PERPLEXITY_COLUMNS)) & (table["prefix"] == "fixed")]
    values = for_every_prefix(study, table.drop(columns="prefix"))
    figure, data = against_suppression(study, sources, values, _columns(PERPLEXITY_COLUMNS))
    words = [
        "How surprising each prompt is to the untrained model: mean negative log-likelihood of its own tokens, for the",
        "text alone and for the text alone in the turn where the study puts prefixes. It is that of the prompt, not of",
        "its rephrasings, in both rows.",
    ]
    return Drawing(figure, data, _caption(study, data, words, "tokens for each prompt"))


def for_every_prefix(study: Study, values: pd.DataFrame) -> pd.DataFrame:
    """Values that depend on the prompt alone, once for each prefix that is trained with."""
    return pd.concat([values.assign(prefix=prefix) for prefix in choices.trained_prefixes(study)], ignore_index=True)


def _columns(labels: dict[str, str]) -> list[ShownPredictor]:
    return [ShownPredictor(name, ALL, label) for name, label in labels.items()]


def _caption(study: Study, data: pd.DataFrame, words: list[str], unit: str) -> str:
    return " ".join([*words, against_words(study, data, unit)])


def against_words(study: Study, data: pd.DataFrame, unit: str) -> str:
    """Caption on axes, statistics and failures, for every figure of values against suppression.

    Args:
        study: The study.
        data: What is plotted.
        unit: What n of the values counts.
    """
    focus = choices.trait_label(study, str(choices.focus_trait(study)))
    first = data[data["predictor"] == data["predictor"].iloc[0]]
    outcome = first.assign(n=first["suppression_n"], n_nan=first["suppression_n_nan"])
    hollow = "" if data["fitted"].all() else " Hollow: prompts of other families, which enter neither line nor numbers."
    return " ".join(
        [
            f"Against the suppression of the unwanted trait ({rst(focus)}; control − run, points, asked without a",
            f"prefix, last step, learning rate {choices.main_rate(study):g}); a row of panels each for fixed prefixes",
            f"and for mixes.{hollow} Line: least squares; r is Pearson's, ρ Spearman's, n counts prompts; held-out R²",
            "leaves each prompt out in turn and may be negative.",
            f"Whiskers, band and brackets: {interval_words(study)}, where there is one.",
            seed_words(study),
            "Suppression:",
            counted_words(
                study, outcome, cell_names(outcome, "prefix"), "suppression", "pairs of completions for each prompt"
            ),
            "Values:",
            counted_words(study, data, cell_names(data, "prefix", "predictor"), "value", unit),
        ]
    )


def draw_embedding_map(study: Study, sources: Sources) -> Drawing:
    """Prompts in the plane of the first two components of their embeddings."""
    coordinates, shares = (
        table[table["level"] == "embedding"]
        for table in (sources.table("coordinates", COORDINATES), sources.table("components", COMPONENTS))
    )
    prefixes = choices.trained_prefixes(study) or ["fixed"]
    figure, data = draw_planes(study, sources, coordinates, shares, dict.fromkeys(prefixes, "none"))
    measured = data[data["prompt"].isin(set(choices.trained_prompts(study)))]
    focus = choices.focus_trait(study)
    words = [
        "Prompts by the first two principal components of their sentence embeddings (length 1, centred); they are the",
        f"same in every panel. n = {data['prompt'].nunique()} prompts.",
    ]
    if len(measured) and focus is not None:
        words += [
            f"Colour: suppression of the unwanted trait ({rst(choices.trait_label(study, focus))}; control − run in",
            f"points, last step, asked without a prefix; its {interval_words(study)} is in the CSV file); grey: not",
            "trained or not measured.",
            seed_words(study),
            n_words(measured["n"], "pairs of completions behind each suppression") + ".",
            failed_words(measured, cell_names(measured, "prefix"), "suppression", study.statistics.max_nan),
        ]
    else:
        words.append("Grey: the study trains no run with these prompts. No seed and no interval enters.")
    return Drawing(figure, data, " ".join(words))
