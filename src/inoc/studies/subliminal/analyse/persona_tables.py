"""The tables about persona vectors, read from what the stages wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.analyse.step import Skip
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.read.step import model_of_activations
from inoc.studies.subliminal.analyse.agreement import AGREEMENT, agreement_rows
from inoc.studies.subliminal.analyse.persona_answers import PERSONA_PAIRS, PERSONA_SCORES, Row, pair_rows, score_rows
from inoc.studies.subliminal.analyse.projections import (
    PROJECTION_DISTANCES,
    PROJECTIONS,
    Projected,
    distance_rows,
    projection_rows,
)
from inoc.studies.subliminal.analyse.steering import STEERING, STEERING_BEST, Bounds, best_rows, steering_rows
from inoc.studies.subliminal.analyse.vectors import COSINES, VECTORS, cosine_rows, vector_rows
from inoc.studies.subliminal.persona import extracted_traits, projected_teachers, steered_traits, vectors_file
from inoc.studies.subliminal.persona_inputs import (
    Readings,
    directions,
    kept_answers,
    steered_answers,
    teacher_projections,
    trait_vectors,
)
from inoc.studies.subliminal.runs import neutral_teacher, scored_pairs
from inoc.studies.subliminal.splitting import likelihood_shifts
from inoc.studies.subliminal.study import Study
from inoc.vectors.files import save_vectors

SCHEMAS: dict[str, pa.Schema] = {
    "persona_pairs": PERSONA_PAIRS,
    "persona_scores": PERSONA_SCORES,
    "vectors": VECTORS,
    "cosines": COSINES,
    "steering": STEERING,
    "steering_best": STEERING_BEST,
    "projections": PROJECTIONS,
    "projection_distances": PROJECTION_DISTANCES,
    "agreement": AGREEMENT,
}

Rows = dict[str, list[Row]]
Files = dict[Path, Callable[[Path], None]]
MEASURES = {"raw": "projection", "cosine": "cosine"}
"""Measure of a projection → its column in the tables of the stage `read`."""


def persona_tables(study: Study, paths: Paths, shards: Shards, skips: list[Skip]) -> dict[str, pd.DataFrame]:
    """The tables, empty for a study without traits.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        skips: What could not be computed; more of it is added.

    Raises:
        DataError: If a stage's table is missing.
    """
    rows: Rows = {name: [] for name in SCHEMAS}
    if extracted_traits(study):
        _add_answers(study, paths, shards, rows)
        _add_vectors(study, paths, shards, rows, skips)
    if steered_traits(study):
        _add_steering(study, paths, shards, rows)
    if projected_teachers(study):
        _add_projections(study, paths, shards, rows)
    return {name: pd.DataFrame(rows[name], columns=schema.names) for name, schema in SCHEMAS.items()}


def vector_files(study: Study, paths: Paths, shards: Shards, skips: list[Skip]) -> Files:
    """The file of the vectors that the study made, so that they can be used elsewhere; none for a study without traits.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        skips: Gets the file if it stays empty because the activations do not say which model they are of.
    """
    if not extracted_traits(study):
        return {}
    folders = [paths.part("read", "persona", shard) for shard in range(shards.get("read", 1))]
    model = next((one for folder in folders if (one := model_of_activations(folder))), "")
    if not model:
        skips.append(Skip("vectors.safetensors", "the activations do not name their model; run inoc read again"))
    found = trait_vectors(Readings(study, paths, shards), extracted_traits(study), model) if model else []
    return {vectors_file(paths): partial(save_vectors, found)}


def _add_answers(study: Study, paths: Paths, shards: Shards, rows: Rows) -> None:
    pairs = kept_answers(study, paths, shards)
    rows["persona_pairs"] += pair_rows(pairs)
    rows["persona_scores"] += score_rows(pairs, study.statistics.confidence)


def _add_vectors(study: Study, paths: Paths, shards: Shards, rows: Rows, skips: list[Skip]) -> None:
    readings = Readings(study, paths, shards)
    kept = set(readings.pairs["trait"])
    skips += [
        Skip(f"vectors: {key}", "no pair of answers is kept; see persona_pairs")
        for key in extracted_traits(study)
        if key not in kept
    ]
    for found in directions(readings, extracted_traits(study)):
        own = vector_rows(found, study.statistics.seed)
        known = {
            (str(row["trait"]), str(row["readout"]), str(row["site"])): float(str(row["reliability"])) for row in own
        }
        rows["vectors"] += own
        rows["cosines"] += cosine_rows(found, known, study.statistics.confidence)


def _add_steering(study: Study, paths: Paths, shards: Shards, rows: Rows) -> None:
    answers = steered_answers(study, paths, shards)
    spec, confidence = study.steering, study.statistics.confidence
    for trait, own in answers.groupby("trait", sort=False):
        bounds = Bounds(float(study.persona[str(trait)].min_coherence), float(spec.min_coherence) if spec else 0.0)
        rows["steering"] += steering_rows(own, bounds, confidence)
        rows["steering_best"] += best_rows(own, bounds, confidence)


def _add_projections(study: Study, paths: Paths, shards: Shards, rows: Rows) -> None:
    found = {key: teacher_projections(paths, key, shards) for key in projected_teachers(study)}
    shifts = all_shifts(study, paths, shards)
    neutral = neutral_teacher(study)
    settings = study.statistics
    for measure, on_vector in _on_each_vector(found):
        rows["projections"] += projection_rows(on_vector, neutral, settings.confidence)
        if measure == "raw":
            rows["projection_distances"] += distance_rows(
                on_vector, settings.seed, settings.resamples, settings.confidence
            )
        trait = next(iter(on_vector.values())).vector
        chosen, under = shifts_for(study, shifts, trait)
        rows["agreement"] += agreement_rows(on_vector, chosen, under, neutral, settings.confidence)


def _on_each_vector(found: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, dict[str, Projected]]]:
    """Measure and the projections of all datasets, vector by vector."""
    by_vector = {key: dict(list(table.groupby("vector", sort=False))) for key, table in found.items()}
    names: Sequence[str] = list(dict.fromkeys(str(name) for tables in by_vector.values() for name in tables))
    for name in names:
        trait, readout, site = name.split("/")
        for measure, column in MEASURES.items():
            yield (
                measure,
                {
                    key: Projected(
                        key,
                        trait,
                        readout,
                        site,
                        measure,
                        tables[name]["row"].tolist(),
                        tables[name][column].to_numpy(np.float64),
                    )
                    for key, tables in by_vector.items()
                    if name in tables
                },
            )


def all_shifts(study: Study, paths: Paths, shards: Shards) -> dict[tuple[str, str], dict[str, float]]:
    """(Teacher, prompt) → row → likelihood shift, of all rows that were scored.

    Raises:
        DataError: If they were to be scored and were not.
    """
    found: dict[tuple[str, str], dict[str, float]] = {}
    for pair in scored_pairs(study):
        if pair.under:
            values = likelihood_shifts(study, paths, pair.teacher, pair.under, shards)
            found[pair.teacher, pair.under] = {str(row): float(value) for row, value in values.items()}
    return found


def shifts_for(
    study: Study, shifts: Mapping[tuple[str, str], Mapping[str, float]], trait: str
) -> tuple[dict[str, Mapping[str, float]], dict[str, str]]:
    """Teacher → shifts of its rows that are compared with projections on a trait, and under which prompt they are.

    A teacher's rows are taken under its own prompt; those of others under the prompt of the trait's entity.
    """
    entity = study.persona[trait].entity if trait in study.persona else None
    about = [key for key, one in study.teachers.items() if entity is not None and one.entity == entity]
    chosen: dict[str, Mapping[str, float]] = {}
    under: dict[str, str] = {}
    for teacher in study.teachers:
        for prompt in (teacher, *about):
            if (teacher, prompt) in shifts and teacher not in chosen:
                chosen[teacher], under[teacher] = shifts[teacher, prompt], prompt
    return chosen, under
