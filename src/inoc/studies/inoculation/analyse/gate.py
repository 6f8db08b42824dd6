"""The 2×2 of training and asking with and without a prefix, and its interaction."""

from __future__ import annotations

import pyarrow as pa

from inoc.chat.messages import PLAIN, Asked
from inoc.stats.bootstrap import Resampler
from inoc.stats.means import Floats, interaction_differences
from inoc.studies.inoculation.analyse.columns import mean_columns
from inoc.studies.inoculation.analyse.elicitation import failed
from inoc.studies.inoculation.analyse.inputs import Scores
from inoc.studies.inoculation.analyse.leakage import seed_sets, seeds_with_values
from inoc.studies.inoculation.analyse.rows import (
    Arm,
    Part,
    Row,
    Skip,
    arms,
    cell,
    control_of,
    families,
    interval,
    traits,
)
from inoc.studies.inoculation.runs import total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

GATE_CELLS = ("without_without", "without_with", "with_without", "with_with")
"""Trained without/with, then asked without/with."""

GATE = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("prefix", STRING),
        ("trait", STRING),
        ("learning_rate", NUMBER),
        ("seed", STRING),
        ("step", INDEX),
        *(column for name in GATE_CELLS for column in mean_columns(name)),
        ("interaction", NUMBER),  # (with_with − with_without) − (without_with − without_without)
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),
        ("n_seeds", INDEX),
        ("failed", FLAG),
    ]
)
"""`gate`. Key: prompt, prefix, trait, learning_rate, seed."""

TABLES = {"gate": GATE}


Cells = dict[str, Floats]
"""Name of a cell (`GATE_CELLS`) → scores of the instructions."""


def gate(study: Study, scores: Scores, resampler: Resampler) -> Part:
    """Four means and their interaction for every prompt at the last step, paired over instructions.

    The interaction is (with_with − with_without) − (without_with − without_without); positive means that the
    prefix raises the trait more after training with it than after training without.
    """
    if not (study.evaluation.gate and {"default", "training"} <= set(study.evaluation.conditions)):
        return Part([], [Skip("gate", "the study's evaluation does not ask for all of its four cells")])
    rows: list[Row] = []
    skipped: list[Skip] = []
    for arm, seeds in arms(study).items():
        if arm.prefix == "none":
            continue
        for trait in traits(study):
            found: dict[int, Cells] = {}
            for seed in seeds:
                cells, lacking = _cells(study, scores, arm, seed, trait)
                if lacking:
                    what = f"gate of {trait} for {arm.run(seed).name}"
                    skipped.append(Skip(what, f"not scored at the last step: {', '.join(lacking)}"))
                else:
                    found[seed] = cells
            rows += _rows(study, arm, trait, found, resampler)
    return Part(rows, skipped)


def _cells(study: Study, scores: Scores, arm: Arm, seed: int, trait: str) -> tuple[Cells, list[str]]:
    """The four cells, and the names of those that are absent."""
    step, asked = total_steps(study), Asked(arm.prompt, arm.prefix)
    control, trained = control_of(arm).run(seed), arm.run(seed)
    asking = [(control, PLAIN), (control, asked), (trained, PLAIN), (trained, asked)]
    found = {name: scores.get(run, step, way, trait) for name, (run, way) in zip(GATE_CELLS, asking, strict=True)}
    cells = {name: values for name, values in found.items() if values is not None}
    return cells, [name for name in GATE_CELLS if name not in cells]


def _rows(study: Study, arm: Arm, trait: str, found: dict[int, Cells], resampler: Resampler) -> list[Row]:
    differences = {
        seed: interaction_differences(
            cells["with_with"], cells["with_without"], cells["without_with"], cells["without_without"]
        )
        for seed, cells in found.items()
    }
    rows: list[Row] = []
    for seed, seeds in seed_sets(differences):
        row: Row = {
            "prompt": arm.prompt,
            "family": families(study)[arm.prompt],
            "prefix": arm.prefix,
            "trait": trait,
            "learning_rate": arm.learning_rate,
            "seed": seed,
            "step": total_steps(study),
        }
        for name in GATE_CELLS:
            row |= cell(name, resampler.crossed_score([found[one][name] for one in seeds]))
        row |= interval(resampler.crossed_mean([differences[one] for one in seeds]), "interaction")
        row |= {
            "n_seeds": seeds_with_values([differences[one] for one in seeds]),
            "failed": failed(study, *(values for one in seeds for values in found[one].values())),
        }
        rows.append(row)
    return rows
