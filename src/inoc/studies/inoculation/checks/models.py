"""Checks of the model, the miniature world and the sampling engines."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.checks import computing, turn_text, world_sizes
from inoc.config.document import KeyPath, Problem
from inoc.config.models import Sampling
from inoc.studies.inoculation.checks.data import answer_sections, instruction_sections
from inoc.studies.inoculation.checks.prompts import pool_path
from inoc.studies.inoculation.runs import pool_specs
from inoc.studies.inoculation.study import Study


def world(study: Study) -> Iterator[Problem]:
    """There is a section `world` if anything needs it, and its sizes fit together."""
    uses: list[tuple[KeyPath, bool, str]] = [
        (("model", "path"), study.model.path == "world", "world"),
        *(((*path, "kind"), source.kind == "world", "world") for path, source in instruction_sections(study)),
        *(
            ((*pool_path(pool), "source"), spec.source == "procedural", "procedural")
            for pool, spec in pool_specs(study).items()
        ),
        *(
            (("traits", key, "judge", "markers"), trait.judge.markers == "world", "world")
            for key, trait in study.traits.items()
            if trait.judge is not None
        ),
    ]
    yield from world_sizes(study.world, uses)


def system_turn(study: Study) -> Iterator[Problem]:
    """The system turn has a text exactly for `kind: text`."""
    yield from turn_text(study.model.system, ("model", "system"))
    yield from computing(study.model, ("model",))


def capability(study: Study) -> Iterator[Problem]:
    """There are runs that closed questions compare, and their system turn has a text exactly for `kind: text`."""
    spec = study.capability
    if spec is None:
        return
    if not study.runs:
        yield Problem(("capability",), "compares trained models with the untrained one, and the study has no `runs`")
    if spec.system is not None:
        yield from turn_text(spec.system, ("capability", "system"))


def engines(study: Study) -> Iterator[Problem]:
    """Completions that are compared, or sampled by the same job, come from the same engine."""
    elicited, evaluated = study.elicitation.sampling.engine, study.evaluation.sampling.engine
    if study.runs and elicited != evaluated:
        yield Problem(
            ("elicitation", "sampling", "engine"),
            f"the untrained model would be sampled by another engine than the trained ones; accepted: {evaluated}, "
            "as in evaluation.sampling",
            elicited,
        )
    data, controls = study.data.sampling.engine, study.scoring.control_sampling.engine
    if study.data.completions == "sample" and study.scoring.n_controls and data != controls:
        yield Problem(
            ("scoring", "control_sampling", "engine"),
            f"differs from the engine of the training completions, and `generate` samples both; accepted: {data}, "
            "as in data.sampling",
            controls,
        )
    for key, spec in study.datasets.items():
        first = data if study.data.completions == "sample" else controls
        if spec.completions == "sample" and spec.sampling.engine != first:
            yield Problem(
                ("datasets", key, "sampling", "engine"),
                f"differs from the engine of the other completions that `generate` samples; accepted: {first}",
                spec.sampling.engine,
            )


def _samplings(study: Study) -> list[tuple[KeyPath, Sampling]]:
    return [
        *(((*path, "sampling"), answers.sampling) for path, answers in answer_sections(study)),
        (("elicitation", "sampling"), study.elicitation.sampling),
        (("evaluation", "sampling"), study.evaluation.sampling),
    ]


def one_answer(study: Study) -> Iterator[Problem]:
    """Every question is answered once."""
    for section, sampling in (*_samplings(study), (("scoring", "control_sampling"), study.scoring.control_sampling)):
        if sampling.n > 1:
            yield Problem(
                (*section, "n"),
                "an inoculation study has one answer per question; accepted: 1. Ask more questions instead",
                sampling.n,
            )


def quantized_sampling(study: Study) -> Iterator[Problem]:
    """Completions of a quantised model are sampled by transformers, as other engines quantise differently."""
    for section, sampling in _samplings(study):
        if study.model.quantization and sampling.engine != "transformers":
            yield Problem(
                (*section, "engine"),
                f"does not compute with `model.quantization: {study.model.quantization}`; accepted: transformers",
                sampling.engine,
            )
