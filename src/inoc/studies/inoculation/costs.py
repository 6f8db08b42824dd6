"""Costs of an inoculation study, stage by stage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from inoc.config.judge_spec import asks_api
from inoc.config.workflow import Shards
from inoc.generate.sets import held_out_set
from inoc.jobs.costs import (
    JUDGE_TOKENS,
    LIST_TOKENS,
    LISTED_TOKENS,
    CostRow,
    Rates,
    adapter_bytes,
    sampled_row,
    scored_row,
    training_hours,
)
from inoc.studies.inoculation.places import dataset_places
from inoc.studies.inoculation.runs import (
    asked_of,
    pool_prompts,
    pool_specs,
    prompt_texts,
    question_sets,
    study_runs,
    total_steps,
)
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.capability import asked_questions
from inoc.train.schedule import checkpoint_steps

QUESTION_TOKENS = 80
"""Of a closed question with its options."""


def costs(study: Study, shards: Shards, rates: Rates) -> list[CostRow]:
    """The costs of every stage that computes or asks.

    Args:
        study: The study.
        shards: How it is split.
        rates: Sizes, rates of the GPU and prices.
    """
    size, gpu = rates.size, rates.gpu
    prompts = len(prompt_texts(study))
    controls = study.scoring.n_controls * (1 + sum(t.control_prompt is not None for t in study.traits.values()))
    sampled_sets = [spec for _, spec in dataset_places(study) if spec.completions == "sample"]
    calls, dollars = _written(study, rates)
    own = study.data.n_train * len(sampled_sets)
    # Controls are few beside sampled data.
    engine = (sampled_sets[0].sampling if sampled_sets else study.scoring.control_sampling).engine
    sampling = study.data.sampling.model_copy(update={"engine": engine})
    generated = sampled_row("generate", 1, own + controls, sampling, size, gpu)
    asked = len(question_sets(study)) * (study.elicitation.n or study.data.n_eval)
    elicited = asked * (1 + prompts * len(study.elicitation.prefixes))
    spec = study.elicitation.sampling
    scored = (1 + prompts * len(study.scoring.prefixes)) * (study.scoring.n_examples + controls)
    judged = {"elicit": elicited, "evaluate": 0}
    rows = [
        replace(generated, calls=calls, dollars=dollars),
        sampled_row("elicit", shards.get("elicit", 1), elicited, spec, size, gpu),
        scored_row("score", shards.get("score", 1), scored, size, gpu),
    ]
    if study.runs:
        trained, evaluated, judged["evaluate"] = _run_rows(study, shards.get("train", 1), rates)
        rows += [trained, evaluated]
    if study.capability is not None:
        trained_ones = len(study_runs(study))
        asked = (1 + trained_ones) * len(asked_questions(study.capability))
        short = size._replace(prompt_tokens=QUESTION_TOKENS, response_tokens=1)
        chosen = scored_row("choose", shards.get("choose", 1), asked, short, gpu, adapters=trained_ones)
        rows.append(replace(chosen, work=f"{asked} questions"))
    return [*rows, *_api_rows(study, judged, rates)]


def _run_rows(study: Study, jobs: int, rates: Rates) -> tuple[CostRow, CostRow, int]:
    """The rows of `train` and `evaluate`, and the number of completions that are judged."""
    size, gpu = rates.size, rates.gpu
    runs, steps = study_runs(study), total_steps(study)
    tokens = len(runs) * steps * study.training.batch_size * (size.prompt_tokens + size.response_tokens)
    saved = checkpoint_steps(study.training.checkpoints, steps)
    disk = len(runs) * len(saved) * adapter_bytes(study.training.lora.rank, size.weights)
    hours = training_hours(tokens, study.training, jobs, size, gpu)
    trained = CostRow("train", jobs, f"{len(runs)} runs of {steps} steps", tokens, hours, disk=disk)
    # At step 0 all runs are the untrained model, which is sampled once.
    untrained = {way for run in runs for way in asked_of(study, run, 0)} if 0 in saved else set()
    n_ways = sum(len(asked_of(study, run, step)) for run in runs for step in saved if step)
    n = len(question_sets(study)) * (study.evaluation.n or study.data.n_eval)
    judged = n * sum(len(asked_of(study, run, step)) for run in runs for step in saved)
    spec = study.evaluation.sampling
    answers = n * (n_ways + len(untrained))
    trained_ones = len(runs) * sum(step > 0 for step in saved)
    evaluated = sampled_row("evaluate", jobs, answers, spec, size, gpu, adapters=trained_ones)
    return trained, evaluated, judged


def _api_rows(study: Study, judged: Mapping[str, int], rates: Rates) -> Iterator[CostRow]:
    models = [trait.judge.model for trait in study.traits.values() if trait.judge and asks_api(trait.judge)]
    if models:
        n = sum(judged.values())
        dollars = sum(rates.dollars(model, n, *JUDGE_TOKENS) for model in models)
        yield CostRow(
            "judge",
            sum(count > 0 for count in judged.values()),
            f"{n} completions",
            calls=n * len(models),
            dollars=dollars,
        )
    asked = {pool: len(pool_prompts(study, pool)) for pool, spec in pool_specs(study).items() if spec.source == "api"}
    if any(asked.values()):
        calls, dollars = 0, 0.0
        for pool, n_pools in asked.items():
            spec = pool_specs(study)[pool]
            requests = n_pools * math.ceil(spec.n / spec.per_request)
            calls += requests
            dollars += rates.dollars(spec.model, requests, 300, 25 * spec.per_request)
        yield CostRow("rephrase", 1, f"{sum(asked.values())} pools", calls=calls, dollars=dollars)


def _written(study: Study, rates: Rates) -> tuple[int, float]:
    """Requests for instructions and training completions, and dollars for them."""
    data = study.data
    sources = [(spec.source, data.n_eval) for spec in data.questions.values() if spec.source]
    if not data.given_in:
        sources.append((data.instructions, data.n_train + (data.n_eval if held_out_set(data) is not None else 0)))
    calls, dollars = 0, 0.0
    for source, n in sources:
        if source.kind == "api":
            requests = len(source.topics) * math.ceil(math.ceil(n / len(source.topics)) / source.per_request)
            calls += requests
            dollars += rates.dollars(source.model, requests, LIST_TOKENS, LISTED_TOKENS * source.per_request)
    for _, spec in dataset_places(study):
        if spec.completions == "api":
            calls += data.n_train
            answer = min(rates.size.response_tokens, spec.sampling.max_tokens)
            dollars += rates.dollars(spec.model, data.n_train, rates.size.prompt_tokens, answer)
    return calls, dollars
