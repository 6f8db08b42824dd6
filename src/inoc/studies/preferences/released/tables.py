"""Tables of an import, below `imports/`; ratings, comparisons and completions have the schemas of `inputs`."""

from __future__ import annotations

import re

import pyarrow as pa

from inoc.tables import FLAG, INDEX, NUMBER, STRING

STORED_FITS = pa.schema(
    [
        ("fit", STRING),
        ("instrument", STRING),
        ("rater", STRING),
        ("model", STRING),  # name of the model that was measured, as the file has it; empty if it has none
        ("method", STRING),  # thurstonian, trueskill; ranked: only a list of utilities
        ("order", STRING),  # canonical, reversed, or empty
        ("seed", STRING),
        ("temperature", NUMBER),
        ("n_items", INDEX),
        ("n_comparisons", NUMBER),  # NaN where it is not known
        ("n_pairs", NUMBER),
        ("objective", NUMBER),  # penalties included, nats
        ("loss", NUMBER),  # without them
        ("lambda", NUMBER),  # (objective − loss) / sum of (ln sigma)²
        ("gradient_norm", NUMBER),
        ("converged", FLAG),  # as the file says, which is about its own tolerances
        ("n_iterations", NUMBER),
        ("pair_agreement", NUMBER),
        ("at_bounds", INDEX),  # utilities at ±10
    ]
)
"""Fits without their comparisons. Key: fit."""

STORED_UTILITIES = pa.schema(
    [
        ("fit", STRING),
        ("item", STRING),
        ("mu", NUMBER),
        ("sigma", NUMBER),
        ("n_comparisons", NUMBER),
        ("refusal_rate", NUMBER),  # share of its comparisons that were refused; NaN where it is not known
    ]
)
"""Key: fit, item."""

STORED_ROUNDS = pa.schema([("fit", STRING), ("round", INDEX), ("rank_correlation", NUMBER)])
"""Rounds of an active selection. Key: fit, round."""

STORED_CONSISTENCY = pa.schema(
    [
        ("source", STRING),
        ("rater", STRING),  # all, where models were pooled
        ("rule", STRING),  # earlier_pooled, earlier_own_percentile, earlier_half_scale
        ("task", STRING),
        ("score", NUMBER),
        ("intra", NUMBER),  # spread between seeds; NaN where the file has none
        ("inter", NUMBER),
        ("mean", NUMBER),  # normalised to the scale; one beyond 0 and 1 was read wrongly
    ]
)
"""Key: source, task."""

PUBLISHED = pa.schema(
    [
        ("source", STRING),
        ("section", STRING),  # such as by_origin
        ("group", STRING),
        ("statistic", STRING),
        ("value", NUMBER),
    ]
)
"""Numbers of published tables. Key: source, section, group, statistic."""

RUN_PAIRS = pa.schema(
    [
        ("source", STRING),
        ("first", STRING),
        ("second", STRING),
        ("correlation", NUMBER),
        ("same", STRING),  # names of the settings that both runs share, with spaces between
        ("settings", STRING),  # all settings
    ]
)
"""Correlations of two runs of ratings. Key: source, first, second."""

TRIALS = pa.schema(
    [
        ("source", STRING),
        ("item", STRING),  # task, or pair
        ("ordering", STRING),  # original, swapped; empty for a task
        ("condition", STRING),
        ("coefficient", NUMBER),
        ("sample", INDEX),
        ("answer", STRING),  # a, b: the one of that place; a number as text; parse_fail
        ("value", NUMBER),  # 1 for the first place, 0 for the second; the number; NaN where it is no answer
    ]
)
"""Answers of steered models. Key: source, item, ordering, condition, coefficient, sample."""

JUDGED = pa.schema(
    [
        ("source", STRING),
        ("prompt", STRING),
        ("coefficient", NUMBER),
        ("steered_first", FLAG),
        ("dimension", STRING),
        ("score", NUMBER),  # positive: more in the steered text
    ]
)
"""A judge's comparisons of a steered text with another one. Key: source, prompt, coefficient, dimension."""

HELD_OUT = pa.schema(
    [
        ("source", STRING),
        ("group", STRING),  # that was held out
        ("probe", STRING),
        ("layer", INDEX),
        ("on", STRING),  # held_out: tasks of the group alone; training_included: all tasks, as was published
        ("r_squared", NUMBER),
        ("r_squared_adjusted", NUMBER),  # after the mean of the predictions is moved to that of the labels
        ("mse", NUMBER),
        ("mse_adjusted", NUMBER),
        ("r", NUMBER),
        ("accuracy", NUMBER),  # of pairs; NaN where it was not measured
        ("n", INDEX),
        ("trained_r", NUMBER),  # on other tasks of the groups that it was trained on; NaN where it was not measured
        ("trained_r_squared", NUMBER),
        ("n_trained", INDEX),  # tasks of those groups; -1 where it is not known
    ]
)
"""Evaluations of probes on groups of tasks. Key: source, group, probe, layer."""

STORED_VECTORS = pa.schema(
    [
        ("vector", STRING),
        ("source", STRING),
        ("layer", INDEX),  # of the residual stream after the block; -1 where it is not known
        ("width", INDEX),
        ("norm", NUMBER),  # without the last value below
        ("last", NUMBER),  # the value behind the direction, a regression's intercept; NaN where there is none
    ]
)
"""Directions; the values are in `vectors.safetensors`. Key: vector."""

_PREFIXES = (
    ("competition_math", "math"),
    ("stresstest", "stress_test"),
    ("wildchat", "wildchat"),
    ("alpaca", "alpaca"),
    ("bailbench", "bailbench"),
)


def origin_of(task: str) -> str:
    """The origin that a task's id tells; what stands before the first digit, if none of the known ones."""
    for prefix, origin in _PREFIXES:
        if task.startswith(f"{prefix}_"):
            return origin
    return re.split(r"_?\d", task, maxsplit=1)[0] or "unknown"


def key_of(name: str) -> str:
    """A name as a key of a study file: letters, digits and underscores."""
    found = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()
    return found if found and found[0].isalpha() else f"k_{found}"
