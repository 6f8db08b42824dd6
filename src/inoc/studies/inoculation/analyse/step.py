"""Makes all tables of the analysis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.stats.bootstrap import Resampler
from inoc.store.core import write_text
from inoc.studies.inoculation.analyse.classifier import classifier
from inoc.studies.inoculation.analyse.dimensions import dimensions
from inoc.studies.inoculation.analyse.elicitation import elicitation
from inoc.studies.inoculation.analyse.embeddings import Embedded, embeddings, with_embeddings
from inoc.studies.inoculation.analyse.gate import gate
from inoc.studies.inoculation.analyse.geometry import geometry
from inoc.studies.inoculation.analyse.heuristic_values import fixed_mix_rows, heuristic_frame, study_heuristics
from inoc.studies.inoculation.analyse.inputs import (
    NO_SCORES,
    Scores,
    SetScores,
    Shifts,
    by_questions,
    check_same_judges,
    read_means,
    read_scores,
    shifts,
)
from inoc.studies.inoculation.analyse.late_steps import late_steps
from inoc.studies.inoculation.analyse.leakage import mean_scores, suppression
from inoc.studies.inoculation.analyse.outcomes import heuristic_rows, outcome_rows
from inoc.studies.inoculation.analyse.prediction import prediction
from inoc.studies.inoculation.analyse.predictors import decompose, predictors
from inoc.studies.inoculation.analyse.rates import rates
from inoc.studies.inoculation.analyse.released_values import released_embeddings, released_table, with_released
from inoc.studies.inoculation.analyse.rows import Row, Skip, frame
from inoc.studies.inoculation.analyse.schemas import SCHEMAS
from inoc.studies.inoculation.analyse.token_shifts import token_shifts
from inoc.studies.inoculation.analyse.variance import variance
from inoc.studies.inoculation.analyse.verdict import verdict
from inoc.studies.inoculation.runs import prompt_texts, question_sets, study_runs
from inoc.studies.inoculation.study import Study
from inoc.tables import INSTRUCTIONS, LOSSES, read_table, write_table

if TYPE_CHECKING:
    from inoc.jobs.job import Job


class Inputs(NamedTuple):
    """What the analysis starts from."""

    base: Scores
    scores: Scores
    sets: dict[str, SetScores]  # set of questions → its scores; of the first one are `base` and `scores`
    shifts: Shifts
    losses: pd.DataFrame
    logprobs: list[Path]  # token tables, which are streamed
    self_perplexity: pd.DataFrame | None  # None if no prompt was scored by itself
    embeddings: pd.DataFrame | None  # None if the study embeds nothing
    released: Path | None = None  # a released table of heuristics that an import brought


class Analysis(NamedTuple):
    """Rows of every table but the losses, and what is missing from them."""

    rows: dict[str, list[Row]]
    skipped: list[Skip]


def run(job: Job, study: Study, shards: Shards) -> str:
    """Read, compute and write every table of `schemas.SCHEMAS`, each with its CSV twin, and `skipped.json`.

    Returns:
        One line for the log.
    """
    inputs = read_inputs(job.paths, study, shards)
    analysis = analyse(study, inputs)
    tables = {name: frame(rows, SCHEMAS[name]) for name, rows in analysis.rows.items()}
    tables["losses"] = inputs.losses
    with job.progress("tables", len(tables), "tables") as meter:
        for name, table in tables.items():
            write_table(table, SCHEMAS[name], job.paths.table(name), csv=True)
            meter.advance(1)
    skipped = json.dumps([skip._asdict() for skip in analysis.skipped], indent=2, ensure_ascii=False)
    write_text(job.paths.stage("analyse") / "skipped.json", f"{skipped}\n")
    counts = {name: len(table) for name, table in tables.items()}
    job.record["counts"] = {**counts, "skipped": len(analysis.skipped)}
    return f"{len(tables)} tables, {sum(counts.values())} rows, {len(analysis.skipped)} things skipped"


def read_inputs(paths: Paths, study: Study, shards: Shards) -> Inputs:
    """Read the tables of `judge`, `score` and `train`; a study without runs or prompts has none of theirs.

    Raises:
        DataError: If a table is absent or contradicts itself.
        JudgeError: If scores of two judges would be mixed.
    """
    base = read_scores(paths.scores("elicit"))
    runs = study_runs(study)
    scores = read_scores(paths.scores("evaluate")) if runs else NO_SCORES
    check_same_judges(base, scores)
    names = question_sets(study)
    sets = {names[0]: SetScores(base, scores)}
    if len(names) > 1:
        known = by_questions(base, scores, read_table(paths.instructions, INSTRUCTIONS.names))
        sets = {name: known[name] for name in names}
        base, scores = sets[names[0]]
    scored = [paths.logprobs(shard) for shard in range(shards.get("score", 1))] if prompt_texts(study) else []
    losses = [paths.losses(shard) for shard in range(shards.get("train", 1))] if runs else []
    alone = [paths.self_perplexity(shard) for shard in range(shards.get("score", 1))] if scored else []
    # An import has none.
    alone = alone if study.scoring.self_perplexity and all(path.exists() for path in alone) else []
    released = released_table(paths.stage("imports"))
    embeds = study.embedding is not None and (paths.embeddings.exists() or released is None)
    return Inputs(
        base,
        scores,
        sets,
        shifts(read_means(scored)),
        _read_losses(losses),
        scored,
        pd.concat([read_table(path) for path in alone]) if alone else None,
        read_table(paths.embeddings) if embeds else None,
        released,
    )


def _read_losses(paths: list[Path]) -> pd.DataFrame:
    parts = [part for path in paths if len(part := read_table(path, columns=LOSSES.names))]
    if not parts:
        return pd.DataFrame(columns=LOSSES.names)
    keys = ["prompt", "prefix", "learning_rate", "seed", "step"]
    return pd.concat(parts, ignore_index=True).sort_values(keys, kind="stable", ignore_index=True)


def analyse(study: Study, inputs: Inputs) -> Analysis:
    """Compute the rows of every table but the losses. Pure: the same inputs give the same rows."""
    settings = study.statistics
    resampler = Resampler(settings.resamples, settings.seed, settings.confidence)
    elicited = elicitation(study, inputs.base)
    means = mean_scores(study, inputs.base, inputs.scores, resampler)
    suppressed = suppression(study, inputs.scores, resampler)
    gated = gate(study, inputs.scores, resampler)
    decomposed = decompose(study, inputs.shifts, resampler)
    placed = geometry(study, inputs.shifts, inputs.logprobs, resampler)
    directed = dimensions(study, placed.grams, suppressed.rows)
    embedded = embeddings(study, inputs.embeddings, resampler)
    if inputs.released is not None and inputs.embeddings is None and study.embedding is not None:
        skip = Skip("map of embeddings", "the release has statistics of its embeddings, not the vectors")
        embedded = Embedded(released_embeddings(study, inputs.released), [], [], [skip])
    predicted = predictors(
        study, inputs.shifts, elicited.rows, decomposed.coordinates, inputs.self_perplexity, resampler
    )
    rated = rates(study, inputs.sets, resampler)
    moved = token_shifts(study, inputs.logprobs, placed.grams, resampler)
    compared = fixed_mix_rows(study, inputs.shifts)
    known = heuristic_frame(study, inputs.logprobs, placed.grams, predicted.rows)
    if inputs.released is not None:
        known = with_released(known, inputs.released)
    shown, lacking = with_embeddings(known, embedded.rows)
    told = study_heuristics(study, shown, suppressed.rows, resampler)
    outcomes = outcome_rows(study, inputs.scores, suppressed.rows, resampler)
    classified = classifier(study, placed.grams, outcomes, resampler)
    foretold = prediction(study, predicted.rows, suppressed.rows, resampler)
    late = late_steps(study, inputs.scores)
    spread = variance(study, inputs.scores, resampler)
    judged = verdict(study, inputs.scores, predicted.rows, suppressed.rows, resampler)
    rows = {
        "elicitation": elicited.rows,
        "scores": means.rows,
        "suppression": suppressed.rows,
        "predictors": predicted.rows,
        "components": [{**row, "energy": row["share"]} for row in decomposed.components]
        + placed.components
        + embedded.components,
        "coordinates": decomposed.coordinates + placed.coordinates + embedded.coordinates,
        "angles": placed.angles,
        "pairwise_angles": placed.pairwise_angles,
        "dimension_tests": directed.tests,
        "cross_angles": directed.angles,
        "cross_angle_tests": directed.angle_tests,
        "fixed_mix": compared.rows,
        "heuristics": told.rows,
        "embeddings": embedded.rows,
        "token_shifts": moved.bins,
        "token_summary": moved.summary,
        "rates": rated.rows,
        "heuristic_values": heuristic_rows(shown),
        "outcomes": outcomes,
        "classifier": classified.classifier,
        "classifier_predictions": classified.predictions,
        "classifier_roc": classified.roc,
        "gate": gated.rows,
        "prediction": foretold.rows,
        "verdict": judged.rows,
        "steps": late.rows,
        "step_counts": late.counts,
        "variance": spread.rows,
        "power": spread.power,
    }
    parts = (
        elicited,
        means,
        suppressed,
        gated,
        decomposed,
        placed,
        directed,
        predicted,
        compared,
        embedded,
        rated,
        told,
        foretold,
        judged,
        late,
        spread,
        classified,
    )
    skipped = [*(skip for part in parts for skip in part.skipped), *lacking]
    return Analysis(rows, list(dict.fromkeys(skipped)))
