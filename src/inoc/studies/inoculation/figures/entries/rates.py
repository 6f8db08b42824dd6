"""Figures of rates: shares of answers that meet a condition."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.inoculation.figures.entries.reasons import first_of, no_scores, none_trained
from inoc.studies.inoculation.runs import total_steps
from inoc.studies.inoculation.study import Study
from inoc.train.schedule import checkpoint_steps

HERE = "inoc.studies.inoculation.figures.rates"


def none_named(study: Study) -> str:
    """The study file names no rate."""
    return "" if study.rates else "the study names no rate"


def no_start(study: Study) -> str:
    """The model is not asked before training."""
    steps = checkpoint_steps(study.training.checkpoints, total_steps(study))
    return "" if 0 in steps else "no checkpoint is at step 0"


no_rates = first_of(no_scores, none_named, none_trained)

ENTRIES: tuple[Entry[Study], ...] = (
    Entry(
        "rate_bars",
        "Rates after training",
        f"{HERE}:draw_bars",
        ("rates",),
        "Rates",
        {"figure": "Rates per prompt", "step axis": "last step"},
        no_rates,
        core=True,
    ),
    Entry(
        "rate_change",
        "Change of rates by training",
        f"{HERE}:draw_change",
        ("rates",),
        "Rates",
        {"figure": "Change of rates", "step axis": "last step less step 0"},
        first_of(no_rates, no_start),
    ),
    Entry(
        "rate_types",
        "Rates by group of prompts",
        f"{HERE}:draw_types",
        ("rates",),
        "Rates",
        {"figure": "Rates by group", "step axis": "last step"},
        no_rates,
    ),
)
