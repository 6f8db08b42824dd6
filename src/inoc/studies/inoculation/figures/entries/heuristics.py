"""Figures that set heuristics against outcomes, and large scatters for talks."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.inoculation.analyse.limits import FEWEST_TO_CLASSIFY
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.entries.prediction import no_elicitation
from inoc.studies.inoculation.figures.entries.reasons import (
    Reason,
    first_of,
    no_components,
    no_suppression,
    none_scored,
)
from inoc.studies.inoculation.study import Study

HERE = "inoc.studies.inoculation.figures"
PANELS = {
    "own_linear": ("Heuristics against suppression", "Heuristics against suppression, lines", ("own", "linear")),
    "own_logistic": (
        "Heuristics against suppression, logistic curves",
        "Heuristics against suppression, logistic curves",
        ("own", "logistic"),
    ),
    "cross": (
        "Heuristics against suppression of the other trait",
        "Heuristics against suppression of the other trait",
        ("cross", "linear"),
    ),
    "gap": ("Heuristics against fixed − mix suppression", "Heuristics against fixed − mix", ("gap", "linear")),
}
"""Kind of panels → title, label, and what is drawn."""


def one_trait(study: Study) -> str:
    """There is no other trait."""
    return "" if len(choices.judged_traits(study)) > 1 else "only one trait has a judge, so there is no other one"


def no_pair(study: Study) -> str:
    """Fixed prefix and mix cannot be compared."""
    both = len(choices.trained_prefixes(study)) > 1
    return "" if both else "prompts are not trained with both fixed prefix and mix"


def few_to_classify(study: Study) -> str:
    """There are too few trained prompts to train a classifier on."""
    n = len(choices.trained_prompts(study))
    why = f"it needs at least {FEWEST_TO_CLASSIFY} trained prompts; the study has {n}"
    return "" if n >= FEWEST_TO_CLASSIFY else why


no_heuristics = first_of(no_suppression, none_scored)
no_gap = first_of(no_heuristics, no_pair)


def _panels(kind: str, missing: Reason) -> Entry[Study]:
    title, label, arguments = PANELS[kind]
    return Entry(
        f"panels_{kind}",
        title,
        f"{HERE}.panels:draw",
        ("heuristic_values", "outcomes"),
        "Heuristics",
        {"figure": label, "step axis": "last step"},
        missing,
        arguments,
    )


def _slide(name: str, words: str, predictor: str, missing: Reason) -> Entry[Study]:
    return Entry(
        f"slides_{name}",
        f"{words} against suppression",
        f"{HERE}.slides:draw",
        ("predictors", "outcomes"),
        "Slides",
        {"figure": f"{words} against suppression", "step axis": "last step"},
        missing,
        (predictor,),
    )


ENTRIES: tuple[Entry[Study], ...] = (
    Entry(
        "heuristic_overview",
        "All heuristics side by side",
        f"{HERE}.overview:draw",
        ("heuristics",),
        "Heuristics",
        {"figure": "Correlations of heuristics", "step axis": "last step"},
        no_heuristics,
        core=True,
    ),
    _panels("own_linear", no_heuristics),
    _panels("own_logistic", no_heuristics),
    _panels("cross", first_of(no_heuristics, one_trait)),
    _panels("gap", no_gap),
    Entry(
        "gap_grid",
        "Components and interactions against fixed and mix",
        f"{HERE}.gap_grid:draw",
        ("predictors", "outcomes"),
        "Heuristics",
        {"figure": "Components and interactions", "step axis": "last step"},
        first_of(no_gap, no_components),
    ),
    _slide("elicitation", "Elicitation", "elicitation", first_of(no_suppression, no_elicitation)),
    _slide("ph", "PH", "ph", no_heuristics),
    _slide("component", "First component", "pc1", first_of(no_suppression, no_components)),
    Entry(
        "classifier",
        "Telling much suppression from little",
        f"{HERE}.classifier:draw",
        ("classifier", "classifier_predictions", "classifier_roc", "coordinates"),
        "Heuristics",
        {"figure": "Classifier of prompts", "step axis": "last step"},
        first_of(no_suppression, no_components, few_to_classify),
    ),
)
