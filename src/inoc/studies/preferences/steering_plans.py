"""Plans of concept vectors and steering: completions, read-outs, steered choices and answers, and their judges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from inoc.chat.messages import Chat
from inoc.choose.plan import Plan as ChoosePlan
from inoc.config.workflow import Shards
from inoc.engines.model_files import layer_count
from inoc.errors import ConfigError
from inoc.jobs.job import Job
from inoc.jobs.series import Series
from inoc.jobs.shards import shard_of
from inoc.sample.answers import Question, answers_plan
from inoc.sample.api import ApiPlan
from inoc.sample.step import Plan as SamplePlan
from inoc.studies.preferences.asked import Asked, steered_questions
from inoc.studies.preferences.concepts import (
    completed_id,
    concept_contexts,
    concept_tasks,
    concept_turn,
    contrast_places,
    read_id,
)
from inoc.studies.preferences.inside import SteeringSpec
from inoc.studies.preferences.parts import part_files
from inoc.studies.preferences.roles import inside_model, role, template_of
from inoc.studies.preferences.steering_parts import targets_of
from inoc.studies.preferences.steering_vectors import steering_vectors
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import Task, tasks_of
from inoc.studies.preferences.texts import Texts, read_completions, texts_of
from inoc.studies.preferences.wording import ShownText, candidates, shown_texts
from inoc.studies.shared.directions import SIDES
from inoc.studies.shared.steered import cells_of
from inoc.vectors.steering import Steered, Steering
from inoc.vectors.vector import Vector

if TYPE_CHECKING:
    from inoc.judge.step import Plan as JudgePlan
    from inoc.read.plan import Plan as ReadPlan

ATTITUDE, COHERENCE = "attitude", "coherence"
"""Judges of steered answers."""
UNSTEERED = "none"
"""Name of the vector of answers with a coefficient of 0, which belong to every vector."""


class SteeredAsked(NamedTuple):
    """A question under steering."""

    id: str
    asked: Asked
    steering: Steering | None


def steered_id(target: str, vector: str, coefficient: float, asked: str) -> str:
    """Id of a question under steering; `parts_of_id` reads it."""
    return f"{target}|{vector}|{coefficient!r}|{asked}"


def parts_of_id(name: str) -> tuple[str, str, float, str]:
    """Target, vector, coefficient and id of the question of a steered question."""
    target, vector, coefficient, asked = name.split("|", 3)
    return target, vector, float(coefficient), asked


def spec_of(study: Study) -> SteeringSpec:
    """The section `steering`.

    Raises:
        ConfigError: If the study has none.
    """
    if study.steering is None:
        raise ConfigError(f"study {study.name} has no section `steering`")
    return study.steering


def questions_of(study: Study, tasks: Sequence[Task], target: str) -> list[Asked]:
    """The questions of a target, without steering."""
    given = spec_of(study).targets[target]
    return steered_questions(study, tasks, given.instrument, inside_model(study), given.n)


def concepts(study: Study, job: Job, shards: Shards) -> Series[SamplePlan | ApiPlan, pd.DataFrame]:
    """Completions of tasks under both system turns of each concept."""
    tasks = tasks_of(study)
    path = job.paths.part("sample", job.part, job.shard) / "answers.parquet"
    model = job.model(role(study, inside_model(study)).spec)
    plans: list[SamplePlan | ApiPlan] = []
    for key, given in study.concepts.items():
        own = [
            task for task in concept_tasks(study, key, tasks) if shard_of(task.id, shards.get("sample", 1)) == job.shard
        ]
        questions = [
            # Both sides of a task draw the same numbers, so that they differ by their system turns alone.
            Question(
                completed_id(key, side, task.id),
                Chat(concept_turn(study, key, side), task.text),
                identity=f"{key}|{task.id}",
            )
            for side in SIDES
            for task in own
        ]
        if questions:
            plans.append(answers_plan(model, questions, given.sampling.model_copy(update={"n": 1}), Path()))
    return Series(lambda found: plans[len(found)] if len(found) < len(plans) else None, path)


def contrasts(study: Study, job: Job, shards: Shards) -> ReadPlan:
    """Completions of concepts with and without their system turns."""
    from inoc.read.plan import Plan

    tasks = tasks_of(study)
    own_role = role(study, inside_model(study))
    model = job.model(own_role.spec)
    n = shards.get("read", 1)
    files = part_files(study, job.paths, "sample", "concepts", "answers.parquet", shards) if study.concepts else []
    found = read_completions(files)
    texts = dict(zip(found["id"], found["completion"], strict=True))
    rows: list[tuple[str, Chat]] = []
    for key in study.concepts:
        for task in concept_tasks(study, key, tasks):
            for side in SIDES if shard_of(task.id, n) == job.shard else ():
                text = texts[completed_id(key, side, task.id)]
                for context in concept_contexts(study, key):
                    turn = concept_turn(study, key, side) if context == "with" else own_role.system
                    rows.append((read_id(key, side, context, task.id), Chat(turn, task.text, text)))
    places = contrast_places(study, layer_count(model.folder))
    return Plan(
        study=study.name,
        model=model,
        ids=[name for name, _ in rows],
        chats=[chat for _, chat in rows],
        folder=job.paths.part("read", job.part, job.shard),
        readouts=places.readouts,
        sites=places.sites,
    )


def choices(study: Study, job: Job, shards: Shards) -> ChoosePlan:
    """Ratings and choices under every vector and coefficient, and without steering."""
    tasks = tasks_of(study)
    model = job.model(role(study, inside_model(study)).spec)
    vectors = steering_vectors(study, job.paths, shards, model, tasks)
    texts = texts_of(study, tasks, job.paths, shards)
    rows, own = [], []
    for target in targets_of(study, is_open=False):
        given = study.instruments[spec_of(study).targets[target].instrument]
        listed = candidates(template_of(given), given.format)
        for asked in questions_of(study, tasks, target):
            if shard_of("|".join(sorted(asked.tasks)), shards.get("choose", 1)) == job.shard:
                found = list(_steered(study, texts, target, asked, vectors))
                rows += found
                own += [listed] * len(found)
    return ChoosePlan(
        study=study.name,
        model=model,
        ids=[row.id for row in rows],
        chats=[texts.chat(row.asked) for row in rows],
        folder=job.paths.part("choose", job.part, job.shard),
        candidates=own,
        steerings=[row.steering for row in rows],
    )


def _steered(
    study: Study, texts: Texts, target: str, asked: Asked, vectors: dict[str, Vector]
) -> Iterator[SteeredAsked]:
    """One question in all cells, the unsteered one first."""
    spec = spec_of(study)
    yield SteeredAsked(steered_id(target, UNSTEERED, 0.0, asked.id), asked, None)
    named = steered_texts(texts, asked, spec.targets[target].text)
    for cell in cells_of(vectors, spec.coefficients, spec.positions, spec.units, named):
        yield SteeredAsked(steered_id(target, cell.name, cell.coefficient, asked.id), asked, cell.steering)


def steered_texts(texts: Texts, asked: Asked, where: str) -> tuple[Steered, ...]:
    """The texts of a choice at which a vector is added, with their weights; none for `all`."""
    if where == "all":
        return ()
    weights = {"first": (1.0, 0.0), "second": (0.0, 1.0), "differential": (1.0, -1.0)}[where]
    given = texts.study.instruments[asked.instrument]
    found = shown_texts(template_of(given), given.when, texts.shown(asked))
    # Keys have had no places, so they stay as they are wherever a search for the texts finds the same.
    keyed = not _found_by_search(texts.chat(asked), found)
    return tuple(Steered(one.text, weights[one.task], one.place, keyed) for one in found)


_WRITTEN = "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n<|im_start|>assistant\n[INST] [/INST] model\n<think>\n"
"""Words that templates write between turns."""


def _found_by_search(chat: Chat, shown: Sequence[ShownText]) -> bool:
    """Whether texts are where a search finds them, each behind the one before, in the whole prompt."""
    prompt, starts = f"{_WRITTEN}{chat.system.text}", []
    for turn in chat.turns:
        prompt += _WRITTEN
        starts.append(len(prompt))
        prompt += turn
    behind = 0
    for one in shown:
        wanted = one.text.strip()
        at = starts[one.place.turn] + one.place.start
        if prompt.find(wanted, behind) != at:
            return False
        behind = at + len(wanted)
    return True


def answers(study: Study, job: Job, shards: Shards) -> Series[SamplePlan | ApiPlan, pd.DataFrame]:
    """Answers to open questions under every vector and coefficient, and without steering."""
    tasks = tasks_of(study)
    model = job.model(role(study, inside_model(study)).spec)
    vectors = steering_vectors(study, job.paths, shards, model, tasks)
    texts = texts_of(study, tasks, job.paths, shards)
    path = job.paths.part("sample", job.part, job.shard) / "answers.parquet"
    plans: list[SamplePlan | ApiPlan] = []
    for target, given in targets_of(study, is_open=True).items():
        # All cells of a question draw the same numbers, so that nothing but the steering differs.
        questions = [
            Question(row.id, texts.chat(row.asked), steering=row.steering, identity=f"{target}|{asked.id}")
            for asked in questions_of(study, tasks, target)
            if shard_of(asked.tasks[0], shards.get("sample", 1)) == job.shard
            for row in _steered(study, texts, target, asked, vectors)
        ]
        sampling = study.instruments[given.instrument].sampling.model_copy(update={"n": study.samples})
        if questions:
            plans.append(answers_plan(model, questions, sampling, Path()))
    return Series(lambda found: plans[len(found)] if len(found) < len(plans) else None, path)


def judge(study: Study, job: Job, shards: Shards) -> JudgePlan:
    """Attitude and coherence of steered answers."""
    from inoc.judge.step import ANSWER_SCORES, Plan

    spec = spec_of(study)
    known = {ATTITUDE: spec.attitude or study.parsing.tone, COHERENCE: spec.coherence}
    judges = {name: one for name, one in known.items() if one is not None}
    if not judges:
        msg = f"study {study.name} has no judge of steered answers; set `steering.attitude` or `parsing.tone`"
        raise ConfigError(msg)
    files = part_files(study, job.paths, "sample", "steering", "answers.parquet", shards)
    return Plan(judges, files, job.paths.scores("steering"), ANSWER_SCORES)
