"""Producers of tables: each takes the inputs, and results of others, and returns rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from inoc.stats.bootstrap import Resampler
from inoc.studies.inoculation.analyse import (
    capability,
    classifier,
    dimensions,
    elicitation,
    embeddings,
    gate,
    geometry,
    heuristic_values,
    heuristics,
    late_steps,
    leakage,
    outcomes,
    prediction,
    predictors,
    rates,
    token_shifts,
    variance,
    verdict,
)
from inoc.studies.inoculation.analyse.inputs import Inputs
from inoc.studies.inoculation.analyse.released_values import released_embeddings, with_released
from inoc.studies.inoculation.analyse.rows import Part, Row, Skip
from inoc.studies.inoculation.study import Study
from inoc.tables import LOSSES


class Work:
    """A study, what was measured of it, and the results that several tables are made from, each computed once."""

    def __init__(self, study: Study, inputs: Inputs) -> None:
        settings = study.statistics
        self.study, self.inputs = study, inputs
        self.resampler = Resampler(settings.resamples, settings.seed, settings.confidence)

    @cached_property
    def elicited(self) -> Part:
        """Rows of `elicitation`."""
        return elicitation.elicitation(self.study, self.inputs.base)

    @cached_property
    def suppressed(self) -> Part:
        """Rows of `suppression`."""
        return leakage.suppression(self.study, self.inputs.scores, self.resampler)

    @cached_property
    def decomposed(self) -> predictors.Decomposition:
        """Principal components of the mean shifts."""
        return predictors.decompose(self.study, self.inputs.shifts, self.resampler)

    @cached_property
    def geometry(self) -> geometry.Geometry:
        """Gram matrices, components and angles, by response and by token."""
        return geometry.geometry(self.study, self.inputs.shifts, self.inputs.logprobs, self.resampler)

    @cached_property
    def embedded(self) -> embeddings.Embedded:
        """Statistics, components and coordinates of the embedded prompts."""
        inputs = self.inputs
        if inputs.released is not None and inputs.embeddings is None and self.study.embedding is not None:
            skip = Skip("map of embeddings", "the release has statistics of its embeddings, not the vectors")
            return embeddings.Embedded(released_embeddings(self.study, inputs.released), [], [], [skip])
        return embeddings.embeddings(self.study, inputs.embeddings, self.resampler)

    @cached_property
    def predicted(self) -> Part:
        """Rows of `predictors`."""
        return predictors.predictors(
            self.study,
            self.inputs.shifts,
            self.elicited.rows,
            self.decomposed.coordinates,
            self.inputs.self_perplexity,
            self.resampler,
        )

    @cached_property
    def heuristics(self) -> tuple[pd.DataFrame, list[Skip]]:
        """One row of heuristics for each prompt, trait and prefix, and what is missing from them."""
        values = heuristic_values.heuristic_frame(
            self.study, self.inputs.logprobs, self.geometry.grams, self.predicted.rows
        )
        if self.inputs.released is not None:
            values = with_released(values, self.inputs.released)
        return embeddings.with_embeddings(values, self.embedded.rows)

    @cached_property
    def outcomes(self) -> list[Row]:
        """Rows of `outcomes`."""
        return outcomes.outcome_rows(self.study, self.inputs.scores, self.suppressed.rows, self.resampler)


class Made(NamedTuple):
    """Rows of some tables, and what is missing from them."""

    rows: dict[str, list[Row]]
    skipped: list[Skip]
    frames: Mapping[str, list[pd.DataFrame]] = MappingProxyType({})  # the parts of long tables


class Producer(NamedTuple):
    """A function from the inputs to the rows of some tables, and the schemas of those tables."""

    tables: Mapping[str, pa.Schema]
    make: Callable[[Work], Made]


def _one(name: str, part: Part) -> Made:
    return Made({name: part.rows}, part.skipped)


def _scores(work: Work) -> Made:
    found = leakage.mean_scores(work.study, work.inputs.base, work.inputs.scores, work.resampler)
    return Made({"scores": found.rows, "suppression": work.suppressed.rows}, [*found.skipped, *work.suppressed.skipped])


def _gate(work: Work) -> Made:
    return _one("gate", gate.gate(work.study, work.inputs.scores, work.resampler))


def _components(work: Work) -> Made:
    found = work.decomposed
    components = [{**row, "energy": row["share"]} for row in found.components]
    return Made({"components": components, "coordinates": found.coordinates}, found.skipped)


def _geometry(work: Work) -> Made:
    found = work.geometry
    rows = {name: getattr(found, name) for name in ("components", "coordinates", "angles")}
    return Made(rows, found.skipped, {"pairwise_angles": found.pairwise_angles})


def _dimensions(work: Work) -> Made:
    found = dimensions.dimensions(work.study, work.geometry.grams, work.suppressed.rows)
    rows = {"dimension_tests": found.tests, "cross_angles": found.angles, "cross_angle_tests": found.angle_tests}
    return Made(rows, found.skipped)


def _fixed_mix(work: Work) -> Made:
    return _one("fixed_mix", heuristic_values.fixed_mix_rows(work.study, work.inputs.shifts))


def _embeddings(work: Work) -> Made:
    found = work.embedded
    rows = {"embeddings": found.rows, "components": found.components, "coordinates": found.coordinates}
    return Made(rows, found.skipped)


def _rates(work: Work) -> Made:
    return _one("rates", rates.rates(work.study, work.inputs.sets, work.resampler))


def _heuristics(work: Work) -> Made:
    values, _ = work.heuristics
    found = heuristic_values.study_heuristics(work.study, values, work.suppressed.rows, work.resampler)
    return _one("heuristics", found)


def _prediction(work: Work) -> Made:
    found = prediction.prediction(work.study, work.predicted.rows, work.suppressed.rows, work.resampler)
    return _one("prediction", found)


def _verdict(work: Work) -> Made:
    found = verdict.verdict(work.study, work.inputs.scores, work.predicted.rows, work.suppressed.rows, work.resampler)
    return _one("verdict", found)


def _capability(work: Work) -> Made:
    return _one(
        "capability", capability.capability(work.study, work.inputs.capability, work.study.statistics.confidence)
    )


def _late_steps(work: Work) -> Made:
    found = late_steps.late_steps(work.study, work.inputs.scores)
    return Made({"steps": found.rows, "step_counts": found.counts}, found.skipped)


def _variance(work: Work) -> Made:
    found = variance.variance(work.study, work.inputs.scores, work.resampler)
    return Made({"variance": found.rows, "power": found.power}, found.skipped)


def _classifier(work: Work) -> Made:
    found = classifier.classifier(work.study, work.geometry.grams, work.outcomes, work.resampler)
    rows = {
        "classifier": found.classifier,
        "classifier_predictions": found.predictions,
        "classifier_roc": found.roc,
    }
    return Made(rows, found.skipped)


def _outcomes(work: Work) -> Made:
    values, lacking = work.heuristics
    return Made({"heuristic_values": outcomes.heuristic_rows(values), "outcomes": work.outcomes}, lacking)


def _token_shifts(work: Work) -> Made:
    found = token_shifts.token_shifts(work.study, work.inputs.logprobs, work.geometry.grams, work.resampler)
    return Made({"token_shifts": found.bins, "token_summary": found.summary}, [])


PRODUCERS: tuple[Producer, ...] = (
    Producer(elicitation.TABLES, lambda work: _one("elicitation", work.elicited)),
    Producer(leakage.TABLES, _scores),
    Producer(gate.TABLES, _gate),
    Producer(predictors.COMPONENT_TABLES, _components),
    Producer(geometry.TABLES, _geometry),
    Producer(dimensions.TABLES, _dimensions),
    Producer(predictors.TABLES, lambda work: _one("predictors", work.predicted)),
    Producer(heuristic_values.TABLES, _fixed_mix),
    Producer(embeddings.TABLES, _embeddings),
    Producer(rates.TABLES, _rates),
    Producer(heuristics.TABLES, _heuristics),
    Producer(prediction.TABLES, _prediction),
    Producer(verdict.TABLES, _verdict),
    Producer(capability.TABLES, _capability),
    Producer(late_steps.TABLES, _late_steps),
    Producer(variance.TABLES, _variance),
    Producer(classifier.TABLES, _classifier),
    Producer(outcomes.TABLES, _outcomes),
    Producer(token_shifts.TABLES, _token_shifts),
)
"""All producers; several may add rows to one table, which then has them in this order."""

SCHEMAS: dict[str, pa.Schema] = {
    "losses": LOSSES,
    **{name: schema for one in PRODUCERS for name, schema in one.tables.items()},
}
"""Table → schema. The losses have no producer: they are those of training, put together."""


def produce(study: Study, inputs: Inputs) -> Made:
    """Rows or frames of every table of `SCHEMAS`. Pure: the same inputs give the same rows."""
    work = Work(study, inputs)
    rows: dict[str, list[Row]] = {name: [] for name in SCHEMAS}
    skipped: list[Skip] = []
    frames: dict[str, list[pd.DataFrame]] = {}
    for producer in PRODUCERS:
        made = producer.make(work)
        for name, found in made.rows.items():
            rows[name] += found
        frames |= made.frames
        skipped += made.skipped
    return Made(rows, list(dict.fromkeys(skipped)), frames)
