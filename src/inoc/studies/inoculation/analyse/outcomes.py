"""Outcomes that heuristics are compared with: suppression of a trait, of the other trait, and fixed less mix."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from inoc.chat.messages import PLAIN
from inoc.stats.bootstrap import Resampler
from inoc.stats.means import MISSING, Estimate
from inoc.studies.inoculation.analyse.columns import mean_columns
from inoc.studies.inoculation.analyse.geometry import NEUTRAL
from inoc.studies.inoculation.analyse.inputs import Scores
from inoc.studies.inoculation.analyse.rows import ALL, Arm, Row, arms, interval, traits
from inoc.studies.inoculation.analyse.rows import cell as cell_columns
from inoc.studies.inoculation.runs import total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

HEURISTIC_VALUES = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("prefix", STRING),
        ("trait", STRING),
        ("own", FLAG),  # the prompt points to the trait, or to none
        ("heuristic", STRING),
        ("value", NUMBER),  # NaN if this prompt has none
    ]
)
"""`heuristic_values`. Key: prompt, prefix, trait, heuristic. Known before training, so no learning rate enters."""

OUTCOMES = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("prefix", STRING),
        ("trait", STRING),
        ("learning_rate", NUMBER),
        ("own", FLAG),
        ("suppression", NUMBER),  # at the last step, seeds pooled
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),
        ("other_trait", STRING),  # empty if no single one is the other of a pair
        *mean_columns("cross"),  # suppression of the other trait
        *mean_columns("gap"),  # fixed − mix suppression, paired; the same in both rows
        ("failed", FLAG),
    ]
)
"""`outcomes`. Key: prompt, prefix, trait, learning_rate."""

TABLES = {"heuristic_values": HEURISTIC_VALUES, "outcomes": OUTCOMES}


KEYS = ["experiment", "prompt", "family", "trait", "role", "prefix"]


def heuristic_rows(shown: pd.DataFrame) -> list[Row]:
    """Rows of `heuristic_values`: every heuristic that some prompt has, one number a row.

    Args:
        shown: One row for each prompt, trait and prefix, with a column for each heuristic; NaN where unknown.
    """
    rows: list[Row] = []
    known = [str(name) for name in shown.columns if name not in KEYS and shown[name].notna().any()]
    for _, values in shown.iterrows():
        key: Row = {name: str(values[name]) for name in ("prompt", "family", "prefix", "trait")}
        own = is_own(str(values["family"]), str(values["trait"]))
        rows += [{**key, "own": own, "heuristic": name, "value": float(values[name])} for name in known]
    return rows


def is_own(family: str, trait: str) -> bool:
    """Whether a prompt points to the trait, or to none."""
    return family in (trait, NEUTRAL)


def other_trait(study: Study, trait: str) -> str:
    """The one other trait of a pair: the only one of the other role, or the only other one; else empty."""
    others = [other for other in traits(study) if other != trait]
    opposed = [other for other in others if study.traits[other].role != study.traits[trait].role]
    for candidates in (opposed, others):
        if len(candidates) == 1:
            return candidates[0]
    return ""


class OutcomeCell(NamedTuple):
    """Prompt, prefix, trait and learning rate of an outcome."""

    prompt: str
    prefix: str
    trait: str
    learning_rate: float


def outcome_rows(study: Study, scores: Scores, suppression: list[Row], resampler: Resampler) -> list[Row]:
    """Rows of `outcomes`: the last step, all seeds pooled.

    The gap is that of the runs themselves, mix − fixed, paired over instructions and seeds: the control cancels, and
    its noise with it. Where no score is missing it is exactly the fixed prefix's suppression less the mix's.

    Args:
        study: The study.
        scores: Judge scores of its runs.
        suppression: Rows of `suppression`.
        resampler: Source of the draws.
    """
    last = {
        OutcomeCell(str(row["prompt"]), str(row["prefix"]), str(row["trait"]), float(str(row["learning_rate"]))): row
        for row in suppression
        if row["step"] == total_steps(study) and row["seed"] == ALL
    }
    seeds = arms(study)
    gaps: dict[OutcomeCell, Estimate] = {}
    rows: list[Row] = []
    for cell, row in last.items():
        family, other = str(row["family"]), other_trait(study, cell.trait)
        fixed = cell._replace(prefix="fixed")
        if fixed not in gaps:
            gaps[fixed] = _gap(study, scores, fixed, seeds, resampler)
        rows.append(
            {
                **cell._asdict(),
                "family": family,
                "own": is_own(family, cell.trait),
                **interval(_estimate(row), "suppression"),
                "other_trait": other,
                **cell_columns("cross", _estimate(last.get(cell._replace(trait=other)))),
                **cell_columns("gap", gaps[fixed]),
                "failed": row["failed"],
            }
        )
    return rows


def _gap(
    study: Study, scores: Scores, fixed: OutcomeCell, seeds: dict[Arm, list[int]], resampler: Resampler
) -> Estimate:
    first, second = (Arm(fixed.prompt, prefix, fixed.learning_rate) for prefix in ("fixed", "mix"))
    step = total_steps(study)
    pairs = [
        tuple(scores.get(arm.run(seed), step, PLAIN, fixed.trait) for arm in (first, second))
        for seed in sorted(set(seeds.get(first, [])) & set(seeds.get(second, [])))
    ]
    differences = [mix - own for own, mix in pairs if own is not None and mix is not None]
    return resampler.crossed_mean(differences) if differences else MISSING


def _estimate(row: Row | None) -> Estimate:
    if row is None:
        return MISSING
    value, lo, hi = (float(str(row[name])) for name in ("suppression", "lo", "hi"))
    return Estimate(value, lo, hi, int(str(row["n"])), int(str(row["n_nan"])))
