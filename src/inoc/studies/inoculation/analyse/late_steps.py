"""Two checkpoints at the end of a training side by side: where the rate has decayed they should score alike.

Where they do not, one of them is probably not a checkpoint of this run, but one that an earlier job left in its folder.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy.special import stdtr

from inoc.chat.messages import PLAIN, Asked
from inoc.stats.means import MISSING, NAN, Floats, paired_difference, score_interval
from inoc.studies.inoculation.analyse.columns import mean_columns
from inoc.studies.inoculation.analyse.elicitation import failed
from inoc.studies.inoculation.analyse.inputs import Cell, Scores
from inoc.studies.inoculation.analyse.rows import (
    ALL,
    Arm,
    Row,
    Skip,
    arm_of,
    arms,
    cell,
    control_of,
    families,
    interval,
)
from inoc.studies.inoculation.runs import Run, condition, total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

STEPS = pa.schema(
    [
        ("run", STRING),
        ("prompt", STRING),
        ("family", STRING),
        ("prefix", STRING),
        ("learning_rate", NUMBER),
        ("seed", STRING),
        ("condition", STRING),
        ("asked_prompt", STRING),
        ("asked_prefix", STRING),
        ("trait", STRING),
        ("step", INDEX),  # a late one, at least 0.95 of the last
        ("last_step", INDEX),
        *mean_columns("score"),  # at the step
        *mean_columns("last_score"),
        ("difference", NUMBER),  # last − step, paired over instructions
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),
        ("z", NUMBER),  # the difference in its standard errors
        ("differs", FLAG),  # |z| > 3: one of the two is probably the checkpoint of another run
        ("chance", NUMBER),  # probability of |z| > 3 if the two were alike
        *mean_columns("suppression"),  # at the step; NaN for controls, and when asked with a prefix
        *mean_columns("last_suppression"),
        ("failed", FLAG),
    ]
)
"""`steps`. Key: run, asked_prompt, asked_prefix, trait, step."""

STEP_COUNTS = pa.schema(
    [
        ("step", INDEX),
        ("last_step", INDEX),
        ("learning_rate", NUMBER),  # NaN for all
        ("family", STRING),  # all, or empty for controls
        ("prefix", STRING),
        ("trait", STRING),
        ("n", INDEX),  # rows of `steps` with at least two pairs
        ("n_nan", INDEX),  # rows with fewer than two pairs
        ("n_differ", INDEX),
        ("expected", NUMBER),  # number expected to differ by chance
    ]
)
"""`step_counts`. Key: step, learning_rate, family, prefix, trait."""

TABLES = {"steps": STEPS, "step_counts": STEP_COUNTS}


LATE_SHARE = 0.95
FAR = 3.0
COUNT_KEY = ("step", "last_step", "learning_rate", "family", "prefix", "trait")


class LateSteps(NamedTuple):
    """Rows of `steps` and of `step_counts`, and what is missing."""

    rows: list[Row]
    counts: list[Row]
    skipped: list[Skip]


class _Pair(NamedTuple):
    """A run asked in one way, at a late step and at the last."""

    arm: Arm
    seed: int
    asked: Asked
    trait: str
    step: int

    @property
    def run(self) -> Run:
        return self.arm.run(self.seed)


def late_steps(study: Study, scores: Scores) -> LateSteps:
    """Compare the last step with every other step that is at least 0.95 of it.

    Args:
        study: The study.
        scores: Of its runs.

    Returns:
        In `rows`, one for each run, way of asking, trait and late step; in `counts`, how many of them differ by more
        than three standard errors, and how many would if all were alike.
    """
    last = total_steps(study)
    pairs = _pairs(study, scores, last)
    if not pairs:
        why = f"no run was asked both at step {last} and at an earlier one from {LATE_SHARE:g} of it on"
        return LateSteps([], [], [Skip("late steps side by side", why)] if scores.cells else [])
    rows = [_row(study, scores, pair, last) for pair in pairs]
    return LateSteps(rows, _counts(rows), [])


def _pairs(study: Study, scores: Scores, last: int) -> list[_Pair]:
    known = families(study)
    seeds_of = arms(study)
    found = []
    for one in scores.cells:
        if one.run is None or not LATE_SHARE * last <= one.step < last:
            continue
        arm = arm_of(one.run)
        ours = one.run.seed in seeds_of.get(arm, []) and one.trait in study.traits
        if ours and (one.asked.prompt in known or one.asked == PLAIN) and one._replace(step=last) in scores.cells:
            found.append(_Pair(arm, one.run.seed, one.asked, one.trait, one.step))
    place = {arm: number for number, arm in enumerate(seeds_of)}
    return sorted(found, key=lambda pair: (place[pair.arm], *pair[1:]))


def _row(study: Study, scores: Scores, pair: _Pair, last: int) -> Row:
    confidence = study.statistics.confidence
    early, late = (scores.cells[Cell(pair.run, step, pair.asked, pair.trait)] for step in (pair.step, last))
    difference = paired_difference(late, early, confidence)
    z = in_standard_errors(late - early)
    return {
        "run": pair.run.name,
        "prompt": pair.arm.prompt,
        "family": families(study).get(pair.arm.prompt, ""),
        "prefix": pair.arm.prefix,
        "learning_rate": pair.arm.learning_rate,
        "seed": str(pair.seed),
        "condition": condition(pair.run, pair.asked),
        "asked_prompt": pair.asked.prompt,
        "asked_prefix": pair.asked.prefix,
        "trait": pair.trait,
        "step": pair.step,
        "last_step": last,
        **cell("score", score_interval(early, confidence)),
        **cell("last_score", score_interval(late, confidence)),
        **interval(difference, "difference"),
        "z": z,
        "differs": bool(abs(z) > FAR),
        "chance": chance_of_far(difference.n),
        **_suppressions(scores, pair, last, confidence),
        "failed": failed(study, early, late),
    }


def in_standard_errors(differences: Floats) -> float:
    """Mean of paired differences in standard errors; NaN for fewer than two, infinite where they are all one value."""
    known = differences[~np.isnan(differences)]
    if known.size < 2:
        return NAN
    mean, error = float(known.mean()), float(known.std(ddof=1) / np.sqrt(known.size))
    if error == 0:
        return 0.0 if mean == 0 else float(np.copysign(np.inf, mean))
    return mean / error


def chance_of_far(n: int) -> float:
    """Probability that the mean of `n` differences around 0 is over three of its standard errors away from it."""
    return 2 * float(stdtr(n - 1, -FAR)) if n > 1 else NAN


def _suppressions(scores: Scores, pair: _Pair, last: int, confidence: float) -> Row:
    """Suppression at both steps, for runs with a prefix that were asked without it."""
    found: Row = {}
    for name, step in (("suppression", pair.step), ("last_suppression", last)):
        control = scores.get(control_of(pair.arm).run(pair.seed), step, PLAIN, pair.trait)
        usable = control is not None and pair.arm.prefix != "none" and pair.asked == PLAIN
        ours = scores.cells[Cell(pair.run, step, pair.asked, pair.trait)]
        found |= cell(name, paired_difference(control, ours, confidence) if usable and control is not None else MISSING)
    return found


def _counts(rows: list[Row]) -> list[Row]:
    """Number of rows that differ: of all runs, then of each group of them."""
    everything: Row = {"learning_rate": NAN, "family": ALL, "prefix": ALL, "trait": ALL}
    groups: dict[tuple[object, ...], tuple[Row, list[Row]]] = {}
    for one in ({**row, **everything} for row in rows), iter(rows):
        for row in one:
            key = {name: row[name] for name in COUNT_KEY}
            groups.setdefault(tuple(map(str, key.values())), (key, []))[1].append(row)
    return [_count(key, members) for key, members in groups.values()]


def _count(key: Row, rows: list[Row]) -> Row:
    chances = np.array([float(str(row["chance"])) for row in rows])
    return {
        **key,
        "n": int(np.isfinite(chances).sum()),
        "n_nan": int(np.isnan(chances).sum()),
        "n_differ": sum(bool(row["differs"]) for row in rows),
        "expected": float(np.nansum(chances)),
    }
