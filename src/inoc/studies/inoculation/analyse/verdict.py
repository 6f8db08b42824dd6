"""Does the study show what it is expected to show, and do its wanted traits survive? Seed by seed, and over all."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa

from inoc.stats.bootstrap import Resampler
from inoc.stats.means import Estimate
from inoc.studies.inoculation.analyse.columns import INTERVAL
from inoc.studies.inoculation.analyse.inputs import Scores
from inoc.studies.inoculation.analyse.rows import ALL, Part, Row, Skip, arms, interval, traits
from inoc.studies.inoculation.analyse.statements import Evidence, Relation, Statement, statements
from inoc.studies.inoculation.study import Study
from inoc.tables import FLAG, NUMBER, STRING

Answer = Literal["holds", "does not hold", "not measurable"]

VERDICT = pa.schema(
    [
        ("statement", STRING),
        ("text", STRING),
        ("trait", STRING),
        ("learning_rate", NUMBER),
        ("seed", STRING),
        ("prompt", STRING),  # the prompt that the statement is about; empty for several
        ("prefix", STRING),
        *INTERVAL,
        ("relation", STRING),  # at_least, at_most or above
        ("threshold", NUMBER),
        ("holds", FLAG),  # it was measured, and the value does
        ("clear", FLAG),  # it was measured, and the whole interval does
        ("r2_out", NUMBER),  # for correlations: leave-prompt-out; NaN otherwise
        ("r2_out_lo", NUMBER),
        ("r2_out_hi", NUMBER),
        ("answer", STRING),  # holds, does not hold, or not measurable
    ]
)
"""`verdict`. Key: statement, trait, prompt, prefix, learning_rate, seed."""

TABLES = {"verdict": VERDICT}


def holds(estimate: Estimate, relation: Relation, threshold: float) -> bool:
    """Whether the value is on the right side; NaN is not."""
    return _on_side(estimate.value, relation, threshold)


def is_clear(estimate: Estimate, relation: Relation, threshold: float) -> bool:
    """Whether the whole interval is on the right side; a NaN bound is not."""
    return all(_on_side(bound, relation, threshold) for bound in (estimate.lo, estimate.hi))


def _on_side(value: float, relation: Relation, threshold: float) -> bool:
    match relation:
        case "at_least":
            return value >= threshold
        case "at_most":
            return value <= threshold
        case "above":
            return value > threshold


def answer(found: Statement) -> Answer:
    """Whether the statement holds; not measurable if its value is NaN or too many of its scores are."""
    if found.failed or np.isnan(found.estimate.value):
        return "not measurable"
    return "holds" if holds(found.estimate, found.relation, found.threshold) else "does not hold"


def verdict(study: Study, scores: Scores, predictors: list[Row], suppression: list[Row], resampler: Resampler) -> Part:
    """One row for each statement, learning rate and seed, and for all seeds.

    A study that expects nothing is asked only whether its wanted traits survive behind the prefix that elicits most of
    each unwanted one.
    """
    rows: list[Row] = []
    skipped: list[Skip] = []
    for trait in _suppressed_traits(study):
        for rate, seeds in _rates(study).items():
            for seed, chosen in [*((str(one), [one]) for one in seeds), (ALL, seeds)]:
                evidence = Evidence(
                    study, trait, study.expect, scores, predictors, suppression, resampler, rate, seed, chosen
                )
                for found in statements(evidence):
                    if isinstance(found, Skip):
                        skipped.append(found)
                    else:
                        rows.append(_row(evidence, found))
    return Part(rows, skipped)


def _suppressed_traits(study: Study) -> list[str]:
    if study.expect is not None:
        return [study.expect.trait]
    return [trait for trait in traits(study) if study.traits[trait].role == "unwanted"]


def _rates(study: Study) -> dict[float, list[int]]:
    """Learning rate → seeds of its control runs."""
    return {arm.learning_rate: seeds for arm, seeds in arms(study).items() if arm.run(0).is_control}


def _row(evidence: Evidence, found: Statement) -> Row:
    said = answer(found)
    side = (found.estimate, found.relation, found.threshold)
    return {
        "statement": found.key,
        "text": found.text,
        "trait": found.trait or evidence.trait,
        "learning_rate": evidence.learning_rate,
        "seed": evidence.seed,
        "prompt": found.prompt,
        "prefix": found.prefix,
        **interval(found.estimate),
        "relation": found.relation,
        "threshold": found.threshold,
        "holds": said == "holds",
        "clear": said == "holds" and is_clear(*side),
        "r2_out": found.r2_out.value,
        "r2_out_lo": found.r2_out.lo,
        "r2_out_hi": found.r2_out.hi,
        "answer": said,
    }
