"""Where the spread of suppression comes from, and how many instructions and seeds a difference of prompts needs."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.chat.messages import PLAIN
from inoc.stats.bootstrap import Resampler
from inoc.stats.means import NAN, Estimate, Floats
from inoc.stats.power import Design, Spread, detectable_difference, variance_weights
from inoc.stats.variance import Components, Effect, crossed_components
from inoc.studies.inoculation.analyse.columns import INTERVAL, SUPPRESSED
from inoc.studies.inoculation.analyse.inputs import Scores
from inoc.studies.inoculation.analyse.rows import Arm, Row, Skip, arms, control_of, interval, traits
from inoc.studies.inoculation.runs import total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import INDEX, NUMBER, STRING

VARIANCE = pa.schema(
    [
        *SUPPRESSED,
        ("source", STRING),  # prompt, seed, instruction, two of them, or residual
        *INTERVAL,  # points²; may be below 0, for it is unbiased; NaN if the design does not tell it
        ("sd", NUMBER),  # points: the root, 0 if the variance is below 0
        ("includes", STRING),  # sources that are in it because a factor has one level
        ("n_prompts", INDEX),
        ("n_seeds", INDEX),
        ("n_instructions", INDEX),
    ]
)
"""`variance`. Key: trait, prefix, learning_rate, source."""

POWER = pa.schema(
    [
        *SUPPRESSED,
        ("n_instructions", INDEX),  # of the design
        ("n_seeds", INDEX),
        ("compares", STRING),  # runs: one seed tells two runs apart; prompts
        ("difference", NUMBER),  # points: the smallest that is seen with `power`
        ("lo", NUMBER),  # from the interval of the variance
        ("hi", NUMBER),
        ("n", INDEX),  # values that the variance is from
        ("n_nan", INDEX),
        ("error", NUMBER),  # points: standard error of the difference
        ("degrees", NUMBER),  # of freedom of the test
        ("power", NUMBER),
        ("confidence", NUMBER),
    ]
)
"""`power`. Key: trait, prefix, learning_rate, n_instructions, n_seeds."""

TABLES = {"variance": VARIANCE, "power": POWER}


FACTORS = ("prompt", "seed", "instruction")
SOURCES: dict[str, Effect] = {
    "prompt": frozenset({"prompt"}),
    "seed": frozenset({"seed"}),
    "instruction": frozenset({"instruction"}),
    "prompt_seed": frozenset({"prompt", "seed"}),
    "prompt_instruction": frozenset({"prompt", "instruction"}),
    "seed_instruction": frozenset({"seed", "instruction"}),
    "residual": frozenset(FACTORS),
}
N_INSTRUCTIONS = (50, 100, 200, 400, 800)
N_SEEDS = (1, 2, 3, 5, 10)
POWER = 0.8


class Variance(NamedTuple):
    """Rows of `variance` and of `power`, and what is missing."""

    rows: list[Row]
    power: list[Row]
    skipped: list[Skip]


class _Block(NamedTuple):
    trait: str
    prefix: str
    learning_rate: float

    @property
    def name(self) -> str:
        return f"{self.trait} suppression ({self.prefix}, learning rate {self.learning_rate:g})"


class _Table(NamedTuple):
    """Suppression of one trait at the last step."""

    values: Floats  # points, shape (prompts, seeds, instructions); NaN where a score failed or there is no run
    n_absent: int  # NaN of runs that there are not


def variance(study: Study, scores: Scores, resampler: Resampler) -> Variance:
    """Variance components of suppression for each trait, prefix and learning rate, and the differences they allow.

    Args:
        study: The study.
        scores: Of its runs; those of the last step are used, asked without a prefix.
        resampler: Source of the draws.
    """
    found = Variance([], [], [])
    for block, chosen in _blocks(study).items():
        table = _table(study, scores, block, chosen)
        if table is None:
            continue
        known = crossed_components(table.values, FACTORS, resampler)
        known = known._replace(n_nan=known.n_nan - table.n_absent)
        levels = dict(zip(FACTORS, table.values.shape, strict=True))
        found.rows.extend(_rows(block, known, levels, resampler))
        found.power.extend(_power(study, block, known, levels, resampler))
        found.skipped.extend(_missing(block, levels))
    return found


def _blocks(study: Study) -> dict[_Block, dict[Arm, list[int]]]:
    found: dict[_Block, dict[Arm, list[int]]] = {}
    for arm, seeds in arms(study).items():
        if arm.prefix != "none":
            for trait in traits(study):
                found.setdefault(_Block(trait, arm.prefix, arm.learning_rate), {})[arm] = seeds
    return dict(sorted(found.items()))


def _table(study: Study, scores: Scores, block: _Block, chosen: dict[Arm, list[int]]) -> _Table | None:
    step = total_steps(study)
    found: dict[tuple[Arm, int], Floats] = {}
    for arm, seeds in chosen.items():
        for seed in seeds:
            control = scores.get(control_of(arm).run(seed), step, PLAIN, block.trait)
            ours = scores.get(arm.run(seed), step, PLAIN, block.trait)
            if control is not None and ours is not None:
                found[arm, seed] = control - ours
    measured = {key: values for key, values in found.items() if not np.isnan(values).all()}
    if not measured:
        return None
    prompts = list(dict.fromkeys(arm for arm, _ in measured))
    seeds = sorted({seed for _, seed in measured})
    nothing = np.full(len(scores.instructions), NAN)
    table = np.stack([np.stack([found.get((arm, seed), nothing) for seed in seeds]) for arm in prompts])
    absent = sum((arm, seed) not in found for arm in prompts for seed in seeds)
    asked = ~np.isnan(table).all(axis=(0, 1))
    return _Table(table[:, :, asked], absent * int(asked.sum()))


def _separable(levels: dict[str, int]) -> dict[str, Effect]:
    """Source → the effect that its estimate is of, for those that the design tells apart."""
    several = frozenset(name for name, n in levels.items() if n > 1)
    apart = {source: effect for source, effect in SOURCES.items() if effect < several}
    return {**apart, "residual": several}


def _rows(block: _Block, known: Components, levels: dict[str, int], resampler: Resampler) -> list[Row]:
    separable = _separable(levels)
    single = frozenset(name for name, n in levels.items() if n == 1)
    rows: list[Row] = []
    for source in SOURCES:
        estimate = Estimate(NAN, NAN, NAN, known.n, known.n_nan)
        included: list[str] = []
        if source in separable:
            estimate = known.estimate({separable[source]: 1.0}, resampler)
            included = [other for other, effect in SOURCES.items() if effect - single == separable[source]]
        rows.append(
            {
                **block._asdict(),
                "source": source,
                **interval(estimate),
                "sd": float(np.sqrt(np.maximum(estimate.value, 0.0))),
                "includes": ", ".join(other for other in included if other != source),
                **{f"n_{name}s": n for name, n in levels.items()},
            }
        )
    return rows


def _missing(block: _Block, levels: dict[str, int]) -> list[Skip]:
    found = []
    if levels["seed"] == 1:
        why = "there is one seed, so that nothing is known of others"
        found.append(Skip(f"variance between seeds of {block.name}, and the power of several seeds", why))
    if levels["prompt"] == 1:
        why = "there is one prompt"
        found.append(Skip(f"variance between prompts of {block.name}, and the power of any design", why))
    return found


def _power(study: Study, block: _Block, known: Components, levels: dict[str, int], resampler: Resampler) -> list[Row]:
    """The smallest difference between two prompts, for every design of the grid."""
    confidence = study.statistics.confidence
    effects = [SOURCES[name] for name in ("prompt_seed", "prompt_instruction", "residual")]
    if levels["seed"] == 1:
        # Prompt × instruction is then known together with the residual, which is all that designs of one seed need.
        none = {SOURCES["residual"]: np.zeros(resampler.resamples)}
        known = known._replace(value={**known.value, SOURCES["residual"]: 0.0}, drawn={**known.drawn, **none})
    known = known.not_negative()
    spread = Spread(*(known.value.get(effect, NAN) for effect in effects))
    rows: list[Row] = []
    for n_instructions, n_seeds in itertools.product(N_INSTRUCTIONS, N_SEEDS):
        found = detectable_difference(
            spread, Design(n_instructions, n_seeds, max(2, levels["prompt"])), POWER, confidence
        )
        weights = zip(effects, variance_weights(n_instructions, n_seeds), strict=True)
        squared = known.estimate({effect: weight for effect, weight in weights if weight}, resampler)
        rows.append(
            {
                **block._asdict(),
                "n_instructions": n_instructions,
                "n_seeds": n_seeds,
                "compares": "runs" if n_seeds == 1 else "prompts",
                "difference": found.difference,
                "lo": found.difference * _root(squared.lo, squared.value),
                "hi": found.difference * _root(squared.hi, squared.value),
                "n": known.n,
                "n_nan": known.n_nan,
                "error": found.error,
                "degrees": found.degrees,
                "power": POWER,
                "confidence": confidence,
            }
        )
    return rows


def _root(part: float, whole: float) -> float:
    """Root of the ratio of two variances; NaN if the whole is 0."""
    return (part / whole) ** 0.5 if whole > 0 else NAN
