"""Plans about traits: answers under their system turns, read-outs, steering, and projections of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from inoc.chat.messages import Chat
from inoc.config.workflow import Shards
from inoc.engines.model_files import layer_count
from inoc.errors import ConfigError
from inoc.jobs.job import Job
from inoc.jobs.shards import shard_of
from inoc.sample.answers import Question, answers_plan
from inoc.sample.step import Plan as SamplePlan
from inoc.studies.shared.steered import cells_of, with_random
from inoc.studies.subliminal.data import teacher_rows
from inoc.studies.subliminal.persona import (
    COHERENCE,
    answer_id,
    extracted_traits,
    projected_teachers,
    projected_traits,
    questions_of,
    steered_id,
    steered_traits,
    turns_of,
)
from inoc.studies.subliminal.persona_inputs import Readings, answers_files, persona_answers, vector_of
from inoc.studies.subliminal.study import SteeringSpec, Study
from inoc.vectors.sites import depth, site_names
from inoc.vectors.vector import Vector

if TYPE_CHECKING:
    from inoc.engines.readouts import Readout
    from inoc.judge.step import Plan as JudgePlan
    from inoc.read.plan import Plan as ReadPlan

READOUTS: tuple[Readout, ...] = ("prompt_last", "prompt_mean", "response_mean")
"""Read-outs of which every trait has a vector."""


def persona(study: Study, job: Job, shards: Shards) -> SamplePlan:
    """Answers to the questions of every trait under its system turns."""
    groups: list[SamplePlan] = []
    path = job.paths.part("sample", job.part, job.shard) / "answers.parquet"
    model = job.model(study.model)
    for key in extracted_traits(study):
        trait = study.persona[key]
        questions = list(_trait_questions(study, key, job.shard, shards.get("sample", 1)))
        sampling = trait.sampling.model_copy(update={"n": trait.n_answers})
        groups.append(answers_plan(model, questions, sampling, path))
    return _joined(groups)


def _trait_questions(study: Study, key: str, shard: int, shards: int) -> Iterator[Question]:
    texts = questions_of(study, key).extraction
    for side, turns in turns_of(study, key).items():
        for turn, system in enumerate(turns):
            for number, text in enumerate(texts):
                if shard_of(f"{key}/{number}", shards) == shard:
                    yield Question(answer_id(key, side, turn, number), Chat(system, text))


def _joined(plans: list[SamplePlan]) -> SamplePlan:
    """Plans of one table, which may be sampled in different ways, as one."""
    counted = sum(plan.counted[1] for plan in plans)
    blocks = [block for plan in plans for block in plan.blocks]
    rows = pd.concat([plan.rows for plan in plans], ignore_index=True)
    return replace(plans[0], blocks=blocks, rows=rows, counted=("questions", counted))


def judge(study: Study, job: Job, shards: Shards) -> JudgePlan:
    """Scores of the answers of a part, each by the judges of its own trait."""
    from inoc.judge.step import ANSWER_SCORES, Plan

    judges = {key: trait.judge for key, trait in study.persona.items() if trait.judge is not None}
    judges |= {key + COHERENCE: trait.coherence for key, trait in study.persona.items() if trait.coherence is not None}
    return Plan(
        judges,
        answers_files(job.paths, job.part, shards),
        job.paths.scores(job.part),
        ANSWER_SCORES,
        {name: f"{name.removesuffix(COHERENCE)}/" for name in judges},
    )


def read_answers(study: Study, job: Job, shards: Shards) -> ReadPlan:
    """Activations of the answers of kept pairs at all sites."""
    from inoc.read.plan import Plan

    pairs = Readings(study, job.paths, shards).pairs
    answers = persona_answers(study, job.paths, shards)
    keys = ["trait", "turn", "question", "sample"]
    chosen = answers.merge(pairs[keys], on=keys, how="inner")
    turns = {key: turns_of(study, key) for key in extracted_traits(study)}
    ids, chats = [], []
    n = shards.get("read", 1)
    for row in chosen.itertuples():
        if shard_of(f"{row.trait}/{int(str(row.question))}", n) != job.shard:
            continue
        key, side, turn = str(row.trait), str(row.side), int(str(row.turn))
        ids.append(f"{answer_id(key, side, turn, int(str(row.question)))}#{row.sample}")
        chats.append(Chat(turns[key][side][turn], str(row.instruction), str(row.completion)))
    model = job.model(study.model)
    return Plan(
        study=study.name,
        model=model,
        ids=ids,
        chats=chats,
        folder=job.paths.part("read", job.part, job.shard),
        readouts=READOUTS,
        sites=site_names(layer_count(model.folder)),
    )


def projections(study: Study, job: Job, shards: Shards) -> ReadPlan:
    """Rows of a shard of teachers, projected on the vectors of traits.

    Raises:
        ConfigError: If the model has no such site.
        DataError: If a trait has no vector.
    """
    from inoc.read.plan import Plan

    spec = study.projection
    if spec is None:
        msg = f"study {study.name} has no section `projection`"
        raise ConfigError(msg)
    model = job.model(study.model)
    layers = layer_count(model.folder)
    sites = spec.sites or tuple(site_names(layers))
    _check_sites("projection.sites", sites, layers)
    readings = Readings(study, job.paths, shards)
    vectors = [
        vector_of(study, readings, trait, readout, site, model)
        for site in sites
        for readout in spec.readouts
        for trait in projected_traits(study)
    ]
    ids, chats = [], []
    for teacher in projected_teachers(study):
        if shard_of(teacher, shards.get("read", 1)) == job.shard:
            rows = teacher_rows(study, job.paths, teacher, shards)
            chosen = list(zip(rows.kept_ids, rows.kept_rows, strict=True))[: spec.n_rows]
            ids += [f"{teacher}:{row_id}" for row_id, _ in chosen]
            chats += [Chat(study.model.system, row.prompt, row.answer) for _, row in chosen]
    return Plan(
        study=study.name,
        model=model,
        ids=ids,
        chats=chats,
        folder=job.paths.part("read", job.part, job.shard),
        readouts=(spec.rows,),
        vectors=vectors,
    )


def _check_sites(key: str, sites: tuple[str, ...], layers: int) -> None:
    for site in sites:
        try:
            depth(site, layers)
        except ConfigError as error:
            msg = f"{key}: {error}"
            raise ConfigError(msg) from None


def steering(study: Study, job: Job, shards: Shards) -> SamplePlan:
    """Answers to the evaluation questions under every vector, site and coefficient, and without steering.

    Raises:
        ConfigError: If the model has no such site.
        DataError: If a trait has no vector.
    """
    spec = study.steering
    if spec is None:
        msg = f"study {study.name} has no section `steering`"
        raise ConfigError(msg)
    model = job.model(study.model)
    _check_sites("steering.sites", spec.sites, layer_count(model.folder))
    readings = Readings(study, job.paths, shards)
    vectors = {
        (trait, site): vector_of(study, readings, trait, spec.readout, site, model)
        for site in spec.sites
        for trait in steered_traits(study)
    }
    questions: list[Question] = []
    for trait in steered_traits(study):
        for number, text in enumerate(questions_of(study, trait).evaluation):
            if shard_of(f"{trait}/{number}", shards.get("sample", 1)) == job.shard:
                own = {site: vectors[trait, site] for site in spec.sites}
                questions += _steered(spec, trait, number, Chat(study.model.system, text), own)
    sampling = spec.sampling.model_copy(update={"n": spec.n_answers})
    path = job.paths.part("sample", job.part, job.shard) / "answers.parquet"
    return answers_plan(model, questions, sampling, path)


def _steered(spec: SteeringSpec, trait: str, number: int, chat: Chat, own: dict[str, Vector]) -> Iterator[Question]:
    """One question in all cells of vectors that have a direction; all draw the same random numbers."""
    identity = f"{trait}/{number:04d}"
    yield Question(steered_id(trait, "none", "", 0.0, number), chat, identity=identity)
    for site, vector in own.items():
        if not vector.norm > 0:  # both sides' activations are the same there, as at the template's last embedding
            continue
        named = with_random("trait", vector, spec.random_vectors)
        for cell in cells_of(named, spec.coefficients, spec.positions, spec.units):
            name = steered_id(trait, cell.name, site, cell.coefficient, number)
            yield Question(name, chat, steering=cell.steering, identity=identity)
