"""Shares of completions that meet several conditions at once, as emergent misalignment does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.chat.messages import Asked
from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler
from inoc.stats.crossed import within
from inoc.stats.means import MISSING, NAN, Estimate, Floats, share_interval
from inoc.studies.inoculation.analyse.columns import ASKED, INTERVAL, mean_columns
from inoc.studies.inoculation.analyse.elicitation import failed
from inoc.studies.inoculation.analyse.inputs import BASE_STEP, Scores, SetScores
from inoc.studies.inoculation.analyse.leakage import BySeed, asking_ways, grouped_scores, seed_sets, seeds_with_values
from inoc.studies.inoculation.analyse.rows import ALL, Arm, Part, Row, Skip, cell, families, interval
from inoc.studies.inoculation.runs import condition
from inoc.studies.inoculation.study import RateSpec, Study
from inoc.tables import FLAG, INDEX, STRING

RATES = pa.schema(
    [
        ("rate", STRING),
        ("questions", STRING),  # set of evaluation questions
        *ASKED,
        ("data", STRING),  # what the run was trained on; empty for the study's own data
        ("met", INDEX),  # completions that meet every condition, of n that could be judged
        *INTERVAL,  # share, 0 to 1; Wilson's interval, or a wider one over several seeds
        *mean_columns("change"),  # value less that of the run's step 0, paired; NaN at step 0, and without it
        ("n_seeds", INDEX),
        ("failed", FLAG),
    ]
)
"""`rates`. Key: rate, questions, run, seed, step, asked_prompt, asked_prefix. Empty if the study names no rate."""

TABLES = {"rates": RATES}


def meets(rate: RateSpec, scores: Mapping[str, Floats]) -> Floats:
    """Completions that meet every condition of a rate.

    Args:
        rate: Scores to exceed, and scores to stay below; a score that equals its threshold does neither.
        scores: Trait → judge scores of the same completions, shape (completions,); others are ignored.

    Returns:
        1 or 0; NaN where one of the scores is, even if another condition fails: what is not judged is not counted.

    Raises:
        DataError: If a trait of the rate has no scores.
    """
    lacking = sorted({*rate.above, *rate.below} - set(scores))
    if lacking:
        msg = f"there are no scores of {', '.join(lacking)} for these completions; run `inoc judge`"
        raise DataError(msg)
    over = [(scores[trait], scores[trait] > limit) for trait, limit in rate.above.items()]
    under = [(scores[trait], scores[trait] < limit) for trait, limit in rate.below.items()]
    known = np.logical_and.reduce([~np.isnan(values) for values, _ in over + under])
    met = np.logical_and.reduce([passed for _, passed in over + under])
    share: Floats = np.where(known, met.astype(np.float64), NAN)
    return share


def pooled_share(by_seed: list[Floats], resampler: Resampler) -> Estimate:
    """Share over completions of all seeds.

    Args:
        by_seed: 1, 0 or NaN, an array for each seed.
        resampler: Source of the draws.

    Returns:
        With Wilson's interval for one seed. For several, with the bounds of Wilson's or of `crossed_interval`,
        whichever lie farther out: the first sees no seeds, the second nothing where no completion counts.
    """
    wilson = share_interval(np.concatenate(by_seed), resampler.confidence)
    if len(by_seed) < 2:
        return wilson
    crossed = within(resampler.crossed_mean(by_seed), 0, 1)
    return wilson._replace(lo=float(np.fmin(wilson.lo, crossed.lo)), hi=float(np.fmax(wilson.hi, crossed.hi)))


class Place(NamedTuple):
    """Cell of a rate: an arm (None for the untrained model), a step and a way of asking."""

    arm: Arm | None
    step: int
    asked: Asked


def rates(study: Study, sets: Mapping[str, SetScores], resampler: Resampler) -> Part:
    """Rows of `rates`: every rate of the study, for the untrained model and each run, step and way of asking.

    `change` is the rate less that of the same run at step 0, paired over instructions and seeds.

    Args:
        study: The study.
        sets: Set of questions → its scores.
        resampler: Source of the draws.
    """
    rows: list[Row] = []
    skipped: list[Skip] = []
    for name, rate in study.rates.items():
        for questions, scored in sets.items():
            found = dict(_met(study, rate, scored.base, scored.runs))
            if not found:
                what = f"rate {name}" + (f" on {questions}" if len(sets) > 1 else "")
                skipped.append(Skip(what, "no completion has scores of all its traits"))
            for place, by_seed in found.items():
                start = found.get(place._replace(step=0), {}) if place.step else {}
                key: Row = {"rate": name, "questions": questions}
                rows += [{**key, **row} for row in _rows(study, place, by_seed, start, resampler)]
    return Part(rows, skipped)


def _met(study: Study, rate: RateSpec, base: Scores, scores: Scores) -> Iterator[tuple[Place, BySeed]]:
    wanted = {*rate.above, *rate.below}
    for asked in asking_ways(study):
        own = {trait: values for trait in wanted if (values := base.get(None, BASE_STEP, asked, trait)) is not None}
        if own.keys() == wanted:
            yield Place(None, BASE_STEP, asked), {-1: meets(rate, own)}
    parts: dict[Place, dict[str, BySeed]] = {}
    for key, by_seed in grouped_scores(study, scores).items():
        if key.trait in wanted:
            parts.setdefault(Place(key.arm, key.step, key.asked), {})[key.trait] = by_seed
    for place, by_trait in parts.items():
        seeds = sorted(set.intersection(*(set(one) for one in by_trait.values())))
        if by_trait.keys() == wanted and seeds:
            yield place, {seed: meets(rate, {trait: one[seed] for trait, one in by_trait.items()}) for seed in seeds}


def _rows(study: Study, place: Place, by_seed: BySeed, start: BySeed, resampler: Resampler) -> Iterator[Row]:
    arm = place.arm or Arm("", "none", NAN)
    for name, seeds in seed_sets(by_seed):
        if place.arm is None and name != ALL:
            continue
        values = [by_seed[seed] for seed in seeds]
        differences = [by_seed[seed] - start[seed] for seed in seeds if seed in start]
        yield {
            "run": "base" if place.arm is None else arm.name if name == ALL else arm.run(seeds[0]).name,
            "prompt": arm.prompt,
            "family": families(study).get(arm.prompt, ""),
            "prefix": arm.prefix,
            "learning_rate": arm.learning_rate,
            "data": arm.data,
            "seed": name,
            "step": place.step,
            "condition": condition(None if place.arm is None else arm.run(seeds[0]), place.asked),
            "asked_prompt": place.asked.prompt,
            "asked_prefix": place.asked.prefix,
            "met": int(sum(np.nansum(one) for one in values)),
            **interval(pooled_share(values, resampler)),
            **cell("change", resampler.crossed_mean(differences) if differences else MISSING),
            "n_seeds": seeds_with_values(values),
            "failed": failed(study, *values),
        }
