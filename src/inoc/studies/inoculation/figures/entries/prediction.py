"""Figures of predictors of suppression from the untrained model."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.inoculation.figures.entries.reasons import (
    few_prompts,
    first_of,
    no_components,
    no_embedding,
    no_judge,
    no_prompts,
    no_suppression,
    no_suppression_in,
    none_scored,
    unscored,
    untrained,
)
from inoc.studies.inoculation.study import Study

HERE = "inoc.studies.inoculation.figures"
OUTCOMES = {"gap": ("gap", ("fixed", "mix")), "suppression": ("mix suppression", ("mix",))}
"""Outcome of a comparison of fixed prefix and mix → words, and the kinds of prefix that must be trained."""


def none_elicits(study: Study) -> str:
    """No prefix is put in front of the untrained model."""
    return "" if study.elicitation.prefixes else "`elicitation.prefixes` is empty"


def no_self_perplexity(study: Study) -> str:
    """Prompts are not scored as completions."""
    if not study.scoring.self_perplexity:
        return "`scoring.self_perplexity` is off"
    asked = {*study.scoring.prefixes, *study.elicitation.prefixes}
    return "" if "fixed" in asked else "it is that of fixed prefixes, and none is scored or elicited with"


no_elicitation = first_of(no_prompts, none_elicits, no_judge)


def _metrics(size: str, role: str) -> Entry[Study]:
    return Entry(
        f"metrics_{size}_{role}",
        f"{size.capitalize()} metrics of prompts against the suppression of the {role} trait",
        f"{HERE}.metrics:draw_{size}",
        ("suppression", "predictors", "coordinates"),
        "Prediction",
        {"figure": f"Metrics of prompts ({size}), {role} trait", "step axis": "last step"},
        first_of(none_scored, no_suppression_in(role)),
        (role,),
    )


def _fixed_mix(outcome: str, role: str) -> Entry[Study]:
    words, trained = OUTCOMES[outcome]
    return Entry(
        f"fixed_mix_{outcome}_{role}",
        f"Fixed prefix and mix compared, against the {words} of the {role} trait",
        f"{HERE}.fixed_mix:draw",
        ("fixed_mix", "suppression"),
        "Prediction",
        {"figure": f"Fixed against mix: {words}, {role} trait", "step axis": "last step"},
        first_of(unscored("fixed", "mix"), few_prompts, no_suppression_in(role), untrained(*trained)),
        (outcome, role),
    )


ENTRIES: tuple[Entry[Study], ...] = (
    Entry(
        "elicitation",
        "Elicitation by the untrained model",
        f"{HERE}.bars:draw_elicitation",
        ("elicitation",),
        "Prediction",
        {"figure": "Elicitation", "step axis": "before training"},
        no_elicitation,
        core=True,
    ),
    Entry(
        "combined",
        "What predicts suppression",
        f"{HERE}.scatter:draw_combined",
        ("suppression", "predictors"),
        "Prediction",
        {"figure": "Predictors against suppression", "step axis": "last step"},
        no_suppression,
        core=True,
    ),
    Entry(
        "combined_wanted",
        "What predicts the suppression of the wanted trait",
        f"{HERE}.scatter:draw_combined",
        ("suppression", "predictors"),
        "Prediction",
        {"figure": "Predictors against suppression, wanted trait", "step axis": "last step"},
        no_suppression_in("wanted"),
        ("wanted",),
    ),
    Entry(
        "pca",
        "Prompts in the plane of the first two components",
        f"{HERE}.plane:draw_components",
        ("components", "coordinates"),
        "Prediction",
        {"figure": "Principal components", "step axis": "before training"},
        no_components,
    ),
    Entry(
        "self_perplexity",
        "Self-perplexity against suppression",
        f"{HERE}.prompts:draw_self_perplexity",
        ("predictors", "suppression"),
        "Prediction",
        {"figure": "Self-perplexity", "step axis": "before training"},
        first_of(no_suppression, no_self_perplexity),
    ),
    Entry(
        "embeddings",
        "Sentence embeddings against suppression",
        f"{HERE}.prompts:draw_embeddings",
        ("embeddings", "suppression"),
        "Prediction",
        {"figure": "Sentence embeddings", "step axis": "before training"},
        first_of(no_suppression, no_embedding),
    ),
    Entry(
        "embedding_map",
        "Prompts in the space of a sentence encoder",
        f"{HERE}.prompts:draw_embedding_map",
        ("components", "coordinates"),
        "Prediction",
        {"figure": "Map of sentence embeddings", "step axis": "before training"},
        first_of(no_embedding, few_prompts),
    ),
    *(_metrics(size, role) for size in ("basic", "extended") for role in ("unwanted", "wanted")),
    *(_fixed_mix(outcome, role) for outcome in OUTCOMES for role in ("unwanted", "wanted")),
)
