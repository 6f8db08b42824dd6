"""Does the study show what it is expected to show? Seed by seed, and over all seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from inoc.config.models import Expectation, Study
from inoc.stats.bootstrap import Resampler
from inoc.stats.correlation import pearson
from inoc.stats.means import MISSING, Estimate, Floats, mean_interval, paired_difference
from inoc.stats.prediction import leave_group_out, out_of_sample_r2
from inoc.studies.inoculation.analyse.columns import INTERVAL
from inoc.studies.inoculation.analyse.inputs import Scores
from inoc.studies.inoculation.analyse.prediction import (
    NEUTRAL,
    Block,
    Named,
    complete,
    outcomes,
    own_prompts,
    values_by_prompt,
)
from inoc.studies.inoculation.analyse.rows import ALL, Arm, Part, Row, Skip, arms, families, interval
from inoc.studies.inoculation.runs import PLAIN, Asked, total_steps
from inoc.tables import FLAG, NUMBER, STRING

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
        ("holds", FLAG),  # the value does
        ("clear", FLAG),  # the whole interval does
        ("r2_out", NUMBER),  # for correlations: leave-prompt-out; NaN otherwise
        ("r2_out_lo", NUMBER),
        ("r2_out_hi", NUMBER),
    ]
)
"""`verdict`. Key: statement, prefix, learning_rate, seed."""

TABLES = {"verdict": VERDICT}


PREDICTOR_LABELS = {"elicitation": "Elicitation", "ph": "PH"}
Relation = Literal["at_least", "at_most", "above"]


class Statement(NamedTuple):
    """Something that was expected, and what was found."""

    key: str
    text: str
    estimate: Estimate
    relation: Relation
    threshold: float
    prompt: str = ""
    prefix: str = ""
    r2_out: Estimate = MISSING


class Evidence(NamedTuple):
    """All that the statements of one learning rate and one set of seeds are judged by."""

    study: Study
    expect: Expectation
    scores: Scores
    predictors: list[Row]
    suppression: list[Row]
    resampler: Resampler
    learning_rate: float
    seed: str  # a seed, or `all`
    seeds: list[int]

    def arm(self, prompt: str, prefix: str) -> Arm:
        """The arm of a prompt at this learning rate."""
        return Arm(prompt, prefix, self.learning_rate)

    def cells(self, arm: Arm, asked: Asked) -> list[Floats]:
        """Scores at the last step, one array a seed; empty if one of the seeds lacks them."""
        step = total_steps(self.study)
        found = [self.scores.get(arm.run(seed), step, asked, self.expect.trait) for seed in self.seeds]
        return [values for values in found if values is not None] if all(v is not None for v in found) else []

    def defaults(self, prompt: str, prefix: str) -> list[Floats]:
        """Scores of a prompt's runs, asked without a prefix."""
        return self.cells(self.arm(prompt, prefix), PLAIN)


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


def verdict(study: Study, scores: Scores, predictors: list[Row], suppression: list[Row], resampler: Resampler) -> Part:
    """One row for each expected statement, learning rate and seed, and for all seeds; empty if nothing is
    expected.
    """
    rows: list[Row] = []
    skipped: list[Skip] = []
    if study.expect is None:
        return Part(rows, skipped)
    for rate, seeds in _rates(study).items():
        for seed, chosen in [*((str(one), [one]) for one in seeds), (ALL, seeds)]:
            evidence = Evidence(study, study.expect, scores, predictors, suppression, resampler, rate, seed, chosen)
            for found in statements(evidence):
                if isinstance(found, Skip):
                    skipped.append(found)
                else:
                    rows.append(_row(evidence, found))
    return Part(rows, skipped)


def _rates(study: Study) -> dict[float, list[int]]:
    """Learning rate → seeds of its control runs."""
    return {arm.learning_rate: seeds for arm, seeds in arms(study).items() if arm.run(0).is_control}


def statements(evidence: Evidence) -> Iterator[Statement | Skip]:
    """Each expectation with what was found, or why it could not be told."""
    yield _control(evidence)
    yield from _strongest(evidence)
    yield _mix_weaker(evidence)
    for predictor in (Named("elicitation", evidence.expect.trait), Named("ph", ALL)):
        for prefix in ("fixed", "mix"):
            yield _correlation(evidence, predictor, prefix)


def _skip(evidence: Evidence, key: str, why: str) -> Skip:
    return Skip(f"verdict {key} (learning rate {evidence.learning_rate:g}, seed {evidence.seed})", why)


def _control(evidence: Evidence) -> Statement | Skip:
    cells = evidence.defaults("", "none")
    if not cells:
        return _skip(evidence, "control_leakage", "the control was not scored at the last step")
    text = "Trained without a prefix, the trait leaks"
    estimate = evidence.resampler.crossed_mean(cells)
    return Statement("control_leakage", text, estimate, "at_least", evidence.expect.control_at_least, "", "none")


def strongest_prompt(evidence: Evidence) -> str | None:
    """The fixed prefix that elicits most from the untrained model, of those that were trained with.

    Chosen before any outcome is looked at: the prompt with the lowest score would win partly by luck.
    """
    elicited = values_by_prompt(evidence.predictors, "fixed").get(Named("elicitation", evidence.expect.trait), {})
    trained = [
        prompt
        for prompt in own_prompts(evidence.study, evidence.expect.trait)
        if evidence.defaults(prompt, "fixed") and not np.isnan(elicited.get(prompt, np.nan))
    ]
    return max(trained, key=lambda prompt: elicited[prompt], default=None)


def _strongest(evidence: Evidence) -> Iterator[Statement | Skip]:
    keys = ("strongest_default", "strongest_with_prefix", "neutral_weaker")
    prompt = strongest_prompt(evidence)
    if prompt is None:
        for key in keys:
            yield _skip(evidence, key, "no run with a fixed prefix was both elicited and scored at the last step")
        return
    expect, default = evidence.expect, evidence.defaults(prompt, "fixed")
    yield Statement(
        keys[0],
        "The fixed prefix that elicits most suppresses the trait when asked without it",
        evidence.resampler.crossed_mean(default),
        "at_most",
        expect.strongest_at_most,
        prompt,
        "fixed",
    )
    opened = evidence.cells(evidence.arm(prompt, "fixed"), Asked(prompt, "fixed"))
    if opened:
        yield Statement(
            keys[1],
            "Asked with that prefix, the trait is back",
            evidence.resampler.crossed_mean(opened),
            "at_least",
            expect.strongest_with_prefix_at_least,
            prompt,
            "fixed",
        )
    else:
        yield _skip(evidence, keys[1], f"the run of {prompt} was not asked with its prefix")
    yield _neutral_weaker(evidence, prompt, default)


def _neutral_weaker(evidence: Evidence, prompt: str, default: list[Floats]) -> Statement | Skip:
    neutral = [key for key, family in families(evidence.study).items() if family == NEUTRAL]
    cells = [found for key in neutral if (found := evidence.defaults(key, "fixed"))]
    if not cells:
        return _skip(evidence, "neutral_weaker", "no run with a neutral fixed prefix was scored at the last step")
    # The control cancels: suppression by the strongest − by the neutral = score under neutral − under the
    # strongest.
    differences = [
        _mean_over(by_prompt) - strongest
        for by_prompt, strongest in zip(zip(*cells, strict=True), default, strict=True)
    ]
    return Statement(
        "neutral_weaker",
        "Neutral fixed prefixes suppress less than that one (difference of suppressions, points)",
        evidence.resampler.crossed_mean(differences),
        "above",
        0.0,
        prompt,
        "fixed",
    )


def _mean_over(arrays: tuple[Floats, ...]) -> Floats:
    """Mean of aligned arrays, skipping NaN; NaN where all are."""
    stacked = np.stack(arrays)
    known = ~np.isnan(stacked)
    count = known.sum(axis=0)
    total = np.where(known, stacked, 0).sum(axis=0)
    mean: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _mix_weaker(evidence: Evidence) -> Statement | Skip:
    differences: list[float] = []
    for prompt in own_prompts(evidence.study, evidence.expect.trait):
        fixed, mix = evidence.defaults(prompt, "fixed"), evidence.defaults(prompt, "mix")
        if fixed and mix:
            # The control cancels here too: suppression by fixed − by mix = score under mix − under fixed.
            differences.append(paired_difference(np.concatenate(mix), np.concatenate(fixed)).value)
    if not differences:
        return _skip(evidence, "mix_weaker", "no prompt has runs with the fixed prefix and with the mix")
    # Prompts are the few units here, so seeds are averaged within them and the interval is over prompts.
    return Statement(
        "mix_weaker",
        "Averaged over prompts, mixes suppress less than fixed prefixes (difference of suppressions, points)",
        mean_interval(np.array(differences), evidence.resampler.confidence),
        "above",
        0.0,
    )


def _correlation(evidence: Evidence, predictor: Named, prefix: str) -> Statement | Skip:
    key = f"r_{predictor.predictor}"
    trait = evidence.expect.trait
    values = values_by_prompt(evidence.predictors, prefix).get(predictor)
    block = Block(trait, evidence.learning_rate, prefix, evidence.seed)
    found = outcomes(evidence.suppression, block, total_steps(evidence.study))
    data = complete(own_prompts(evidence.study, trait), found, {predictor: values or {}})
    if len(data.prompts) < 3:
        why = f"it needs three prompts with predictor and suppression ({prefix}), not {len(data.prompts)}"
        return _skip(evidence, key, why)
    x, y = data.values[predictor], data.suppression
    r = pearson(x, y, evidence.resampler.confidence)
    held_out = leave_group_out(x, y, data.prompts)
    return Statement(
        key,
        f"{PREDICTOR_LABELS[predictor.predictor]} predicts the suppression (Pearson's r)",
        Estimate(r.value, r.lo, r.hi, r.n, data.n_nan),
        "above",
        0.0,
        prefix=prefix,
        r2_out=out_of_sample_r2(y, held_out.by_line, held_out.by_mean, data.prompts, evidence.resampler),
    )


def _row(evidence: Evidence, found: Statement) -> Row:
    side = (found.estimate, found.relation, found.threshold)
    return {
        "statement": found.key,
        "text": found.text,
        "trait": evidence.expect.trait,
        "learning_rate": evidence.learning_rate,
        "seed": evidence.seed,
        "prompt": found.prompt,
        "prefix": found.prefix,
        **interval(found.estimate),
        "relation": found.relation,
        "threshold": found.threshold,
        "holds": holds(*side),
        "clear": is_clear(*side),
        "r2_out": found.r2_out.value,
        "r2_out_lo": found.r2_out.lo,
        "r2_out_hi": found.r2_out.hi,
    }
