"""Figures of suppression by training with a prefix."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.inoculation.figures.entries.reasons import first_of, no_scores, no_suppression
from inoc.studies.inoculation.study import Study


def no_gate(study: Study) -> str:
    """Cells of the gate are not asked."""
    if "training" not in study.evaluation.conditions:
        return "`evaluation.conditions` lacks `training`, one of the gate's cells"
    return "" if study.evaluation.gate else "`evaluation.gate` is off"


def no_capability(study: Study) -> str:
    """No closed questions are asked."""
    return "" if study.capability is not None else "the study has no section `capability`"


ENTRIES: tuple[Entry[Study], ...] = (
    Entry(
        "bars",
        "Trait scores after training",
        "inoc.studies.inoculation.figures.bars:draw_scores",
        ("scores", "elicitation"),
        "Suppression",
        {"figure": "Scores per prompt", "step axis": "last step"},
        no_scores,
        core=True,
    ),
    Entry(
        "gate",
        "The gate",
        "inoc.studies.inoculation.figures.gate:draw",
        ("gate",),
        "Suppression",
        {"figure": "Gate", "step axis": "last step"},
        first_of(no_suppression, no_gate),
        core=True,
    ),
    Entry(
        "capability",
        "Capability after training",
        "inoc.studies.inoculation.figures.capability:draw",
        ("capability",),
        "Capability",
        {"figure": "Capability", "step axis": "last step"},
        no_capability,
        core=True,
    ),
)
