"""Mean scores of every checkpoint, and how much a training prefix suppressed a trait asked without it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.chat.messages import PLAIN, Asked
from inoc.stats.bootstrap import Resampler
from inoc.stats.crossed import Square, borrowed_square, within
from inoc.stats.means import NAN, Estimate, Floats
from inoc.studies.inoculation.analyse.columns import ASKED, INTERVAL
from inoc.studies.inoculation.analyse.elicitation import failed
from inoc.studies.inoculation.analyse.inputs import BASE_STEP, Cell, Scores
from inoc.studies.inoculation.analyse.rows import (
    ALL,
    Arm,
    Part,
    Row,
    Skip,
    arm_of,
    arms,
    control_of,
    families,
    interval,
    traits,
)
from inoc.studies.inoculation.runs import condition, prefix_kinds, study_runs
from inoc.studies.inoculation.study import Study
from inoc.tables import FLAG, INDEX, STRING, SUPPRESSION

SCORES = pa.schema(
    [
        *ASKED,
        ("trait", STRING),
        *INTERVAL,
        ("n_seeds", INDEX),
        ("failed", FLAG),
    ]
)
"""`scores`. Key: run, seed, step, asked_prompt, asked_prefix, trait."""

SUPPRESSIONS = pa.schema([*SUPPRESSION, ("n_seeds", INDEX), ("failed", FLAG)])
"""`suppression`. Key: prompt, trait, prefix, learning_rate, seed, step."""

TABLES = {"scores": SCORES, "suppression": SUPPRESSIONS}


BySeed = dict[int, Floats]
"""Seed → values of the instructions."""


def seed_sets(by_seed: BySeed) -> Iterator[tuple[str, list[int]]]:
    """Each seed by itself, then all of them."""
    for seed in sorted(by_seed):
        yield str(seed), [seed]
    if by_seed:
        yield ALL, sorted(by_seed)


def mean_scores(study: Study, base: Scores, scores: Scores, resampler: Resampler) -> Part:
    """Mean judge score of every run on the study's own data, step and way of asking, per seed and over seeds."""
    rows = _base_rows(study, base, resampler)
    for key, by_seed in grouped_scores(study, scores).items():
        if key.arm.data:
            continue
        for name, seeds in seed_sets(by_seed):
            rows.append(_mean_row(study, key, name, [by_seed[seed] for seed in seeds], seeds, resampler))
    return Part(rows, _absent(study, scores) + _failures(rows))


class Asking(NamedTuple):
    """A cell of all seeds of an arm."""

    arm: Arm
    asked: Asked
    trait: str
    step: int


def grouped_scores(study: Study, scores: Scores) -> dict[Asking, BySeed]:
    """Cells of the study's runs by everything but the seed, sorted."""
    seeds_of = arms(study)
    found: dict[Asking, BySeed] = {}
    for one, values in scores.cells.items():
        if one.run is not None and one.run.seed in seeds_of.get(arm_of(one.run), []):
            asking = Asking(arm_of(one.run), one.asked, one.trait, one.step)
            found.setdefault(asking, {})[one.run.seed] = values
    arm_place, way_place, trait_place = (
        {key: place for place, key in enumerate(keys)} for keys in (seeds_of, asking_ways(study), traits(study))
    )
    known = (key for key in found if key.asked in way_place and key.trait in trait_place)
    return {
        key: found[key]
        for key in sorted(
            known,
            key=lambda key: (arm_place[key.arm], way_place[key.asked], trait_place[key.trait], key.step),
        )
    }


def _mean_row(study: Study, key: Asking, seed: str, cells: list[Floats], seeds: list[int], resampler: Resampler) -> Row:
    return {
        "run": key.arm.name if seed == ALL else key.arm.run(seeds[0]).name,
        "prompt": key.arm.prompt,
        "family": families(study).get(key.arm.prompt, ""),
        "prefix": key.arm.prefix,
        "learning_rate": key.arm.learning_rate,
        "seed": seed,
        "step": key.step,
        "condition": condition(key.arm.run(seeds[0]), key.asked),
        **_asked(key.asked, key.trait),
        **interval(resampler.crossed_score(cells)),
        "n_seeds": seeds_with_values(cells),
        "failed": failed(study, *cells),
    }


def _absent(study: Study, scores: Scores) -> list[Skip]:
    scored = {cell.run for cell in scores.cells}
    return [
        Skip(f"scores of run {run.name}", "none of its completions was scored")
        for run in study_runs(study)
        if run not in scored
    ]


def asking_ways(study: Study) -> list[Asked]:
    """Without a prefix, then with each prompt's, fixed and from each pool."""
    return [PLAIN, *(Asked(prompt, prefix) for prompt in families(study) for prefix in prefix_kinds(study))]


def _asked(asked: Asked, trait: str) -> Row:
    return {"asked_prompt": asked.prompt, "asked_prefix": asked.prefix, "trait": trait}


def _base_rows(study: Study, base: Scores, resampler: Resampler) -> list[Row]:
    rows: list[Row] = []
    for asked in asking_ways(study):
        for trait in traits(study):
            values = base.get(None, BASE_STEP, asked, trait)
            if values is not None:
                rows.append(
                    {
                        "run": "base",
                        "prompt": "",
                        "family": "",
                        "prefix": "none",
                        "learning_rate": NAN,
                        "seed": ALL,
                        "step": BASE_STEP,
                        "condition": condition(None, asked),
                        **_asked(asked, trait),
                        **interval(resampler.crossed_score([values])),
                        "n_seeds": seeds_with_values([values]),
                        "failed": failed(study, values),
                    }
                )
    return rows


def _failures(rows: list[Row]) -> list[Skip]:
    return [
        Skip(
            f"a sound mean of {row['trait']} for {row['run']} at step {row['step']}, "
            f"asked with {row['asked_prompt'] or 'no prefix'} ({row['asked_prefix']})",
            f"{row['n_nan']} of its scores are NaN and {row['n']} are not, more than the study allows",
        )
        for row in rows
        if row["failed"] and (row["seed"] != ALL or row["run"] == "base")
    ]


def seeds_with_values(by_seed: list[Floats]) -> int:
    """Number of seeds of which at least one value is not NaN."""
    return sum(not np.isnan(values).all() for values in by_seed)


def suppression(study: Study, scores: Scores, resampler: Resampler) -> Part:
    """Control − run, both asked without a prefix: same learning rate, seed, step and instructions.

    `control` and `run` are means over the pairs used, so that their difference is the suppression. The interval of all
    seeds borrows the variance between seeds from the other prompts; see `inoc.stats.crossed`.
    """
    found: dict[tuple[Arm, str], dict[int, dict[int, Pair]]] = {}
    skipped: list[Skip] = []
    for arm, seeds in arms(study).items():
        if arm.prefix != "none":
            for trait in traits(study):
                found[arm, trait], missing = _pairs(scores, arm, seeds, trait)
                skipped += missing
    cells = {
        Suppressed(arm, trait, step): {seed: by_step[step] for seed, by_step in by_seed.items() if step in by_step}
        for (arm, trait), by_seed in found.items()
        for step in sorted({step for by_step in by_seed.values() for step in by_step})
    }
    differences = {key: {seed: control - run for seed, (control, run) in pairs.items()} for key, pairs in cells.items()}
    borrowed = borrowed_squares({(key.arm, key.trait, key.step): by_seed for key, by_seed in differences.items()})
    rows: list[Row] = []
    for key, pairs in cells.items():
        square = borrowed.get((key.arm, key.trait, key.step))
        rows += _suppression_rows(study, key, pairs, square, resampler)
    return Part(rows, skipped)


def borrowed_squares(by_arm: Mapping[tuple[Arm, Hashable, Hashable], BySeed]) -> dict[object, Square | None]:
    """For each arm, the mean square of seeds over all arms that differ from it in their prompt only.

    Args:
        by_arm: (arm, and two further parts that comparable arms share) → values of each seed. Arms of other seeds, or
            with a seed without any value, are kept apart or left out.
    """
    comparable: dict[object, list[tuple[Arm, Hashable, Hashable]]] = {}
    for key, by_seed in by_arm.items():
        arm = key[0]
        if len(by_seed) > 1:
            shared = (arm.prefix, arm.learning_rate, arm.data, *key[1:], tuple(sorted(by_seed)))
            comparable.setdefault(shared, []).append(key)
    squares: dict[object, Square | None] = {}
    for keys in comparable.values():
        tables = [np.stack([by_arm[key][seed] for seed in sorted(by_arm[key])]) for key in keys]
        squares |= dict.fromkeys(keys, borrowed_square(tables))
    return squares


class Suppressed(NamedTuple):
    """Run, trait and step of a suppression."""

    arm: Arm
    trait: str
    step: int


Pair = tuple[Floats, Floats]


def _pairs(scores: Scores, arm: Arm, seeds: list[int], trait: str) -> tuple[dict[int, dict[int, Pair]], list[Skip]]:
    """Seed → step → scores of control and run; steps that both have."""
    found: dict[int, dict[int, Pair]] = {}
    skipped: list[Skip] = []
    control = control_of(arm)
    for seed in seeds:
        ours, theirs = arm.run(seed), control.run(seed)
        steps = scores.steps(ours, PLAIN, trait)
        shared = sorted(set(steps) & set(scores.steps(theirs, PLAIN, trait)))
        found[seed] = {
            step: (
                scores.cells[Cell(theirs, step, PLAIN, trait)],
                scores.cells[Cell(ours, step, PLAIN, trait)],
            )
            for step in shared
        }
        if not shared:
            lacking = ours if not steps else theirs
            why = f"run {lacking.name} has no scores for the same steps, asked without a prefix"
            skipped.append(Skip(f"suppression of {trait} by {ours.name}", why))
    return found, skipped


def _suppression_rows(
    study: Study, key: Suppressed, pairs: dict[int, Pair], borrowed: Square | None, resampler: Resampler
) -> list[Row]:
    arm, trait, step = key
    differences = {seed: control - run for seed, (control, run) in pairs.items()}
    rows: list[Row] = []
    for seed, seeds in seed_sets(differences):
        known = [~np.isnan(differences[one]) for one in seeds]
        rows.append(
            {
                "prompt": arm.prompt,
                "family": families(study)[arm.prompt],
                "trait": trait,
                "prefix": arm.prefix,
                "learning_rate": arm.learning_rate,
                "seed": seed,
                "step": step,
                "control": _mean([pairs[one][0][mask] for one, mask in zip(seeds, known, strict=True)]),
                "run": _mean([pairs[one][1][mask] for one, mask in zip(seeds, known, strict=True)]),
                **interval(_difference([differences[one] for one in seeds], borrowed, resampler), "suppression"),
                "n_seeds": seeds_with_values([differences[one] for one in seeds]),
                "failed": failed(study, *(part for one in seeds for part in pairs[one])),
            }
        )
    return rows


def _difference(by_seed: list[Floats], borrowed: Square | None, resampler: Resampler) -> Estimate:
    """Mean difference of scores, whose interval stays between −100 and 100."""
    return within(resampler.crossed_mean(by_seed, borrowed), -100, 100)


def _mean(parts: list[Floats]) -> float:
    joined = np.concatenate(parts)
    return float(joined.mean()) if joined.size else NAN
