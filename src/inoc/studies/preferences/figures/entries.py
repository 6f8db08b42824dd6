"""The figures that a study of preferences has, in the order of its report."""

from __future__ import annotations

from collections.abc import Callable

from inoc.figures.entries import Entry
from inoc.studies.preferences.figures.words import kinds
from inoc.studies.preferences.roles import cells
from inoc.studies.preferences.study import Study

HERE = "inoc.studies.preferences.figures"


def always(study: Study) -> str:
    """Every study has the figure."""
    del study
    return ""


def no_ratings(study: Study) -> str:
    """Nothing is rated on a scale."""
    return "" if "rating" in kinds(study) else "the study has no ratings on a scale"


def no_choices(study: Study) -> str:
    """Nothing is compared."""
    return "" if "choice" in kinds(study) else "the study compares no tasks"


def no_utilities(study: Study) -> str:
    """Nothing is compared or ranked."""
    return "" if {"choice", "ranking"} & kinds(study) else "the study neither compares nor ranks tasks"


def no_contexts(study: Study) -> str:
    """Every question is asked in one context alone."""
    crossed = any(len(cells(study, key)) > 1 for key in study.instruments)
    return "" if crossed else "the study has no contexts"


def no_completions(study: Study) -> str:
    """No question is asked after a task."""
    after = any(given.when == "after" for given in study.instruments.values())
    return "" if after and "rating" in kinds(study) else "no rating shows completions"


def no_truth(study: Study) -> str:
    """The truth about utilities is not known, or there are none."""
    return no_utilities(study) if study.planted is not None else "nothing was planted"


def no_repeats(study: Study) -> str:
    """Nothing is rated with two seeds."""
    return no_ratings(study) if len(study.seeds) > 1 else "ratings have one seed"


def no_selection(study: Study) -> str:
    """No pairs are chosen by what was answered."""
    active = any(given.pairs.design == "active" for given in study.instruments.values())
    return no_choices(study) if active else "no pairs are selected by what was answered"


def no_penalties(study: Study) -> str:
    """One strength of the penalty alone is tried."""
    return no_choices(study) if len(study.fit.penalties) > 1 else "one strength of the penalty is tried"


def no_probes(study: Study) -> str:
    """No probe is fitted."""
    return "" if study.probes else "the study has no probes"


def no_measured_probes(study: Study) -> str:
    """No probe is fitted, and an import has no measures of any."""
    return "" if "probes" in study.released else no_probes(study)


def no_directions(study: Study) -> str:
    """No probe is fitted, and an import has no directions."""
    return "" if "directions" in study.released else no_probes(study)


def _entry(
    name: str,
    title: str,
    draws: str,
    needs: tuple[str, ...],
    category: str,
    missing: Callable[[Study], str],
    *,
    core: bool = False,
) -> Entry[Study]:
    return Entry(name, title, f"{HERE}.{draws}", needs, category, {"figure": title}, missing, (), core)


def no_steering(study: Study) -> str:
    """Nothing is steered."""
    return "" if study.steering is not None or "steering" in study.released else "nothing is steered"


def no_concepts(study: Study) -> str:
    """Neither concepts nor the direction of refusal is read."""
    return "" if study.concepts or study.inside.refusal else "the study has no concepts, and no direction of refusal"


WORTH, SAYS, CONTEXTS = "What instruments are worth", "What instruments say", "Contexts"
STEERING = "Inside the model"
OWN: tuple[Entry[Study], ...] = (
    _entry("polarity", "Good above bad", "worth:draw_polarity", ("polarity",), WORTH, always, core=True),
    _entry("categories", "Answers and refusals", "answers:draw_categories", ("ratings",), WORTH, always, core=True),
    _entry("position", "Position and content", "worth:draw_position", ("comparisons",), WORTH, no_choices, core=True),
    _entry(
        "planted",
        "Planted and found",
        "worth:draw_planted",
        ("utilities", "fits"),
        WORTH,
        no_truth,
        core=True,
    ),
    _entry("distributions", "Distributions of ratings", "answers:draw_distributions", ("ratings",), SAYS, no_ratings),
    _entry("matrix", "Raters and completers", "answers:draw_matrix", ("ratings",), SAYS, no_completions),
    _entry("contexts", "Ratings by context", "contexts:draw_violins", ("ratings",), CONTEXTS, no_contexts),
    _entry("effects", "Effects of contexts", "contexts:draw_effects", ("contexts",), CONTEXTS, no_contexts, core=True),
)
STATISTICS: tuple[Entry[Study], ...] = (
    _entry("seeds", "Agreement of seeds", "reliability:draw_seeds", ("reliability",), WORTH, no_repeats, core=True),
    _entry(
        "discrimination",
        "Agreement and use of the scale",
        "reliability:draw_discrimination",
        ("reliability",),
        WORTH,
        no_repeats,
    ),
    _entry("consistency", "Consistency of tasks", "reliability:draw_consistency", ("consistency",), WORTH, no_repeats),
    _entry("cost", "Reliability against cost", "reliability:draw_cost", ("reliability",), WORTH, always),
    _entry("selection", "Active selection", "utilities:draw_selection", ("selection_history",), WORTH, no_selection),
    _entry("penalties", "Strength of the penalty", "utilities:draw_penalties", ("penalties",), WORTH, no_penalties),
    _entry("origins", "Utilities by origin", "utilities:draw_origins", ("utilities",), SAYS, no_utilities, core=True),
    _entry(
        "correlations",
        "Agreement of instruments",
        "agreement:draw_correlations",
        ("instrument_correlations",),
        SAYS,
        always,
        core=True,
    ),
    _entry("slopes", "Spread of two ratings", "agreement:draw_slopes", ("instrument_correlations",), SAYS, no_ratings),
    _entry("refusals", "Refusals and preferences", "agreement:draw_refusals", ("refusals",), SAYS, always),
    _entry("quartiles", "Refusals by preference", "agreement:draw_quartiles", ("refusals",), SAYS, always),
)
INSIDE = "Inside the model"
PROBES: tuple[Entry[Study], ...] = (
    _entry("probe_layers", "Probes by site", "probes:draw_layers", ("probes",), INSIDE, no_measured_probes, core=True),
    _entry(
        "probe_baselines", "Probes and baselines", "probes:draw_baselines", ("probes",), INSIDE, no_probes, core=True
    ),
    _entry("probe_protocols", "Within and held out", "probes:draw_protocols", ("probes",), INSIDE, no_measured_probes),
    _entry(
        "probe_predictions",
        "Predicted and measured",
        "probes:draw_predictions",
        ("probes", "probe_predictions"),
        INSIDE,
        no_probes,
    ),
    _entry("probe_cosines", "Directions of probes", "probes:draw_cosines", ("probe_cosines",), INSIDE, no_directions),
)
STEERED: tuple[Entry[Study], ...] = (
    _entry(
        "dose", "Answers under steering", "steering:draw_dose", ("dose_response",), STEERING, no_steering, core=True
    ),
    _entry("kept", "Answers that are kept", "steering:draw_coherence", ("dose_response",), STEERING, no_steering),
    _entry("concepts", "Concepts and refusal", "steering:draw_concepts", ("vectors",), STEERING, no_concepts),
)
_ORDER = (WORTH, SAYS, CONTEXTS, INSIDE)
ENTRIES: tuple[Entry[Study], ...] = tuple(
    sorted(OWN + STATISTICS + PROBES + STEERED, key=lambda one: _ORDER.index(one.category))
)
"""All figures in the order of a report: what instruments are worth stands before what they say."""
