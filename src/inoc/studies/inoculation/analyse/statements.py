"""The statements that a study is expected to show, each with its estimate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from inoc.chat.messages import PLAIN, Asked
from inoc.stats.bootstrap import Resampler
from inoc.stats.correlation import pearson
from inoc.stats.crossed import within
from inoc.stats.means import MISSING, Estimate, Floats, mean_interval, paired_difference
from inoc.studies.inoculation.analyse.elicitation import failed
from inoc.studies.inoculation.analyse.inputs import Scores
from inoc.studies.inoculation.analyse.prediction import (
    NEUTRAL,
    Block,
    Named,
    complete,
    outcomes,
    own_prompts,
    prompts_held_out,
    values_by_prompt,
)
from inoc.studies.inoculation.analyse.rows import ALL, Arm, Row, Skip, families, traits
from inoc.studies.inoculation.runs import total_steps
from inoc.studies.inoculation.study import Expectation, Study

WANTED_SHARE = 0.5
"""A wanted trait survives with at least this share of the control's score."""

PREDICTOR_LABELS = {"elicitation": "Elicitation", "ph": "PH"}
Relation = Literal["at_least", "at_most", "above"]


class Statement(NamedTuple):
    """An expectation, and the result."""

    key: str
    text: str
    estimate: Estimate
    relation: Relation
    threshold: float
    prompt: str = ""
    prefix: str = ""
    r2_out: Estimate = MISSING
    trait: str = ""  # whose score it is about, if not the trait of the evidence
    failed: bool = False  # too many of the scores that it needs are NaN


class Evidence(NamedTuple):
    """Data by which the statements of one learning rate and one set of seeds are judged."""

    study: Study
    trait: str  # that is to be suppressed
    expect: Expectation | None
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

    def cells(self, arm: Arm, asked: Asked, trait: str = "") -> list[Floats]:
        """Scores at the last step, one array a seed, of the trait or of another; empty if a seed lacks them."""
        step = total_steps(self.study)
        found = [self.scores.get(arm.run(seed), step, asked, trait or self.trait) for seed in self.seeds]
        return [values for values in found if values is not None] if all(v is not None for v in found) else []

    def defaults(self, prompt: str, prefix: str, trait: str = "") -> list[Floats]:
        """Scores of a prompt's runs, asked without a prefix."""
        return self.cells(self.arm(prompt, prefix), PLAIN, trait)

    def failed(self, *by_seed: list[Floats]) -> bool:
        """Whether a cell has a larger share of NaN than the study allows."""
        return failed(self.study, *(cell for cells in by_seed for cell in cells))


def statements(evidence: Evidence) -> Iterator[Statement | Skip]:
    """Each expectation with what was found, or why it was not measured; then whether each wanted trait survives."""
    if evidence.expect is not None:
        yield _control(evidence, evidence.expect)
        yield from _strongest(evidence, evidence.expect)
        yield _mix_weaker(evidence)
        for predictor in (Named("elicitation", evidence.trait), Named("ph", ALL)):
            for prefix in ("fixed", "mix"):
                yield _correlation(evidence, predictor, prefix)
    for trait in traits(evidence.study):
        if evidence.study.traits[trait].role == "wanted" and trait != evidence.trait:
            yield _wanted_survives(evidence, trait)


def _skip(evidence: Evidence, key: str, why: str) -> Skip:
    return Skip(f"verdict {key} (learning rate {evidence.learning_rate:g}, seed {evidence.seed})", why)


def _control(evidence: Evidence, expect: Expectation) -> Statement | Skip:
    cells = evidence.defaults("", "none")
    if not cells:
        return _skip(evidence, "control_leakage", "the control was not scored at the last step")
    text = "Trained without a prefix, the trait leaks"
    estimate = evidence.resampler.crossed_score(cells)
    bad = evidence.failed(cells)
    return Statement("control_leakage", text, estimate, "at_least", expect.control_at_least, "", "none", failed=bad)


def strongest_prompt(evidence: Evidence) -> str | None:
    """The fixed prefix that elicits most from the untrained model, of those that were trained with.

    Chosen before any outcome is looked at: the prompt with the lowest score would win partly by luck.
    """
    elicited = values_by_prompt(evidence.predictors, "fixed").get(Named("elicitation", evidence.trait), {})
    trained = [
        prompt
        for prompt in own_prompts(evidence.study, evidence.trait)
        if evidence.defaults(prompt, "fixed") and not np.isnan(elicited.get(prompt, np.nan))
    ]
    return max(trained, key=lambda prompt: elicited[prompt], default=None)


def _strongest(evidence: Evidence, expect: Expectation) -> Iterator[Statement | Skip]:
    keys = ("strongest_default", "strongest_with_prefix", "neutral_weaker")
    prompt = strongest_prompt(evidence)
    if prompt is None:
        for key in keys:
            yield _skip(evidence, key, "no run with a fixed prefix was both elicited and scored at the last step")
        return
    default = evidence.defaults(prompt, "fixed")
    yield Statement(
        keys[0],
        "The fixed prefix that elicits most suppresses the trait when asked without it",
        evidence.resampler.crossed_score(default),
        "at_most",
        expect.strongest_at_most,
        prompt,
        "fixed",
        failed=evidence.failed(default),
    )
    opened = evidence.cells(evidence.arm(prompt, "fixed"), Asked(prompt, "fixed"))
    if opened:
        yield Statement(
            keys[1],
            "Asked with that prefix, the trait is back",
            evidence.resampler.crossed_score(opened),
            "at_least",
            expect.strongest_with_prefix_at_least,
            prompt,
            "fixed",
            failed=evidence.failed(opened),
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
        failed=evidence.failed(default, *cells),
    )


def _mean_over(arrays: tuple[Floats, ...]) -> Floats:
    """Mean of aligned arrays, skipping NaN; NaN where all are."""
    stacked = np.stack(arrays)
    known = ~np.isnan(stacked)
    count = known.sum(axis=0)
    total = np.where(known, stacked, 0).sum(axis=0)
    mean: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _wanted_survives(evidence: Evidence, trait: str) -> Statement | Skip:
    """Statement that the wanted trait is still learned behind the prefix that suppresses an unwanted one."""
    prompt = strongest_prompt(evidence)
    control = evidence.defaults("", "none", trait)
    ours = evidence.defaults(prompt, "fixed", trait) if prompt is not None else []
    if prompt is None or not control or not ours:
        return _skip(
            evidence, f"wanted_survives of {trait}", "the control and a run with a fixed prefix were not scored"
        )
    kept = WANTED_SHARE * evidence.resampler.crossed_score(control).value
    return Statement(
        "wanted_survives",
        f"{trait}, which is wanted, survives behind that prefix with at least half of the control's score",
        evidence.resampler.crossed_score(ours),
        "at_least",
        kept,
        prompt,
        "fixed",
        trait=trait,
        failed=evidence.failed(control, ours),
    )


def _mix_weaker(evidence: Evidence) -> Statement | Skip:
    differences: list[float] = []
    n_failed = 0
    for prompt in own_prompts(evidence.study, evidence.trait):
        fixed, mix = evidence.defaults(prompt, "fixed"), evidence.defaults(prompt, "mix")
        if fixed and mix and evidence.failed(fixed, mix):
            n_failed += 1
        elif fixed and mix:
            # The control cancels here too: suppression by fixed − by mix = score under mix − under fixed.
            differences.append(paired_difference(np.concatenate(mix), np.concatenate(fixed)).value)
    if not differences and not n_failed:
        return _skip(evidence, "mix_weaker", "no prompt has runs with the fixed prefix and with the mix")
    # Prompts are the few units here, so seeds are averaged within them and the interval is over prompts.
    found = mean_interval(np.array(differences + [np.nan] * n_failed), evidence.resampler.confidence)
    return Statement(
        "mix_weaker",
        "Averaged over prompts, mixes suppress less than fixed prefixes (difference of suppressions, points)",
        within(found, -100, 100),
        "above",
        0.0,
    )


def _correlation(evidence: Evidence, predictor: Named, prefix: str) -> Statement | Skip:
    key = f"r_{predictor.predictor}"
    values = values_by_prompt(evidence.predictors, prefix).get(predictor)
    block = Block(evidence.trait, evidence.learning_rate, prefix, evidence.seed)
    sound = [row for row in evidence.suppression if not row["failed"]]
    found = outcomes(sound, block, total_steps(evidence.study))
    data = complete(own_prompts(evidence.study, evidence.trait), found, {predictor: values or {}})
    if len(data.prompts) < 3:
        why = f"it needs three prompts with predictor and suppression ({prefix}), not {len(data.prompts)}"
        return _skip(evidence, key, why)
    x, y = data.values[predictor], data.suppression
    r = pearson(x, y, evidence.resampler.confidence)
    return Statement(
        key,
        f"{PREDICTOR_LABELS[predictor.predictor]} predicts the suppression (Pearson's r)",
        Estimate(r.value, r.lo, r.hi, r.n, data.n_nan),
        "above",
        0.0,
        prefix=prefix,
        r2_out=prompts_held_out(x, y, data.prompts, evidence.resampler),
    )
