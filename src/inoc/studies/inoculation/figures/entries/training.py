"""Figures of the course of training."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.figures.entries.reasons import first_of, no_runs, no_scores, none_trained
from inoc.studies.inoculation.runs import total_steps
from inoc.studies.inoculation.study import Study
from inoc.train.schedule import checkpoint_steps

MOST_PROFILES = 14
FEWEST_FOR_LOG = 3
"""Checkpoints of a curve below which a logarithmic axis shows what a linear one does."""
CURVES = "inoc.studies.inoculation.figures.curves"


def too_many_profiles(study: Study) -> str:
    """One panel would hold more lines than a reader can tell apart."""
    n = len(choices.trained_prompts(study))
    most = f"{n} prompts are more lines than a panel can tell apart ({MOST_PROFILES})"
    return most if n > MOST_PROFILES else ""


def two_points(study: Study) -> str:
    """Curves have so few points that both axes show the same."""
    n = len(checkpoint_steps(study.training.checkpoints, total_steps(study)))
    same = f"with {n} checkpoints it would show what the figure with the linear axis shows"
    return same if n < FEWEST_FOR_LOG else ""


ENTRIES: tuple[Entry[Study], ...] = (
    Entry(
        "curves_linear",
        "Training curves",
        f"{CURVES}:draw",
        ("scores",),
        "Training",
        {"figure": "Training curves", "step axis": "linear"},
        no_scores,
        ("linear",),
    ),
    Entry(
        "curves_log",
        "Training curves, logarithmic step axis",
        f"{CURVES}:draw",
        ("scores",),
        "Training",
        {"figure": "Training curves", "step axis": "log"},
        first_of(no_scores, two_points),
        ("log",),
    ),
    Entry(
        "profile_linear",
        "All prompts over the course of training",
        f"{CURVES}:draw_profile",
        ("scores",),
        "Training",
        {"figure": "All prompts over the course of training", "step axis": "linear"},
        first_of(no_scores, too_many_profiles, none_trained),
        ("linear",),
    ),
    Entry(
        "profile_log",
        "All prompts over the course of training, logarithmic step axis",
        f"{CURVES}:draw_profile",
        ("scores",),
        "Training",
        {"figure": "All prompts over the course of training", "step axis": "log"},
        first_of(no_scores, too_many_profiles, none_trained, two_points),
        ("log",),
    ),
    Entry(
        "losses",
        "Training loss",
        "inoc.studies.inoculation.figures.losses:draw",
        ("losses",),
        "Training",
        {"figure": "Training loss", "step axis": "linear"},
        no_runs,
    ),
)
