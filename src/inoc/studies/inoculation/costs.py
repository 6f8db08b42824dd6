"""Costs of an inoculation study, stage by stage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from inoc.config.judge_spec import asks_api
from inoc.config.workflow import Price, Shards
from inoc.generate.sets import held_out_set
from inoc.jobs.costs import (
    JUDGE_TOKENS,
    LIST_TOKENS,
    LISTED_TOKENS,
    CostRow,
    Gpu,
    Size,
    adapter_bytes,
    dollars_of,
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
from inoc.train.schedule import checkpoint_steps


class Rates(NamedTuple):
    """Rates and prices that all rows share."""

    size: Size  # of model, prompts and responses
    gpu: Gpu
    prices: Mapping[str, Price]  # model of the API → dollars per million tokens
    batch: float  # share of the price that is paid: 1, or a batch's


def costs(
    study: Study, shards: Shards, size: Size, gpu: Gpu, prices: Mapping[str, Price], batch: float
) -> list[CostRow]:
    """The costs of every stage that computes or asks.

    Args:
        study: The study.
        shards: How it is split.
        size: Sizes of its model, prompts and responses.
        gpu: Rates of the GPU.
        prices: Model of the API → dollars per million tokens.
        batch: Share of the price that is paid: 1, or a batch's.
    """
    rates = Rates(size, gpu, prices, batch)
    prompts = len(prompt_texts(study))
    controls = study.scoring.n_controls * (1 + sum(t.control_prompt is not None for t in study.traits.values()))
    sampled_sets = [spec for _, spec in dataset_places(study) if spec.completions == "sample"]
    calls, dollars = _written(study, size, prices, batch)
    own = study.data.n_train * len(sampled_sets)
    # Controls are few beside sampled data.
    engine = (sampled_sets[0].sampling if sampled_sets else study.scoring.control_sampling).engine
    generated = sampled_row("generate", 1, own + controls, study.data.sampling.max_tokens, size, gpu, engine=engine)
    asked = len(question_sets(study)) * (study.elicitation.n or study.data.n_eval)
    elicited = asked * (1 + prompts * len(study.elicitation.prefixes))
    spec = study.elicitation.sampling
    scored = (1 + prompts * len(study.scoring.prefixes)) * (study.scoring.n_examples + controls)
    judged = {"elicit": elicited, "evaluate": 0}
    rows = [
        replace(generated, calls=calls, dollars=dollars),
        sampled_row("elicit", shards.get("elicit", 1), elicited, spec.max_tokens, size, gpu, engine=spec.engine),
        scored_row("score", shards.get("score", 1), scored, size, gpu),
    ]
    if study.runs:
        trained, evaluated, judged["evaluate"] = _run_rows(study, shards.get("train", 1), rates)
        rows += [trained, evaluated]
    return [*rows, *_api_rows(study, judged, prices, batch)]


def _run_rows(study: Study, jobs: int, rates: Rates) -> tuple[CostRow, CostRow, int]:
    """The rows of `train` and `evaluate`, and the number of completions that are judged."""
    size, gpu = rates.size, rates.gpu
    runs, steps = study_runs(study), total_steps(study)
    tokens = len(runs) * steps * study.training.batch_size * (size.prompt_tokens + size.response_tokens)
    saved = checkpoint_steps(study.training.checkpoints, steps)
    disk = len(runs) * len(saved) * adapter_bytes(study.training.lora.rank, size.weights)
    hours = training_hours(size.weights, tokens, gpu)
    trained = CostRow("train", jobs, f"{len(runs)} runs of {steps} steps", tokens, hours, disk=disk)
    # At step 0 all runs are the untrained model, which is sampled once.
    untrained = {way for run in runs for way in asked_of(study, run, 0)} if 0 in saved else set()
    n_ways = sum(len(asked_of(study, run, step)) for run in runs for step in saved if step)
    n = len(question_sets(study)) * (study.evaluation.n or study.data.n_eval)
    judged = n * sum(len(asked_of(study, run, step)) for run in runs for step in saved)
    spec = study.evaluation.sampling
    answers = n * (n_ways + len(untrained))
    evaluated = sampled_row("evaluate", jobs, answers, spec.max_tokens, size, gpu, engine=spec.engine, adapters=True)
    return trained, evaluated, judged


def _api_rows(study: Study, judged: Mapping[str, int], prices: Mapping[str, Price], batch: float) -> Iterator[CostRow]:
    models = [trait.judge.model for trait in study.traits.values() if trait.judge and asks_api(trait.judge)]
    if models:
        n = sum(judged.values())
        dollars = sum(n * dollars_of(prices.get(str(model)), *JUDGE_TOKENS) for model in models) * batch
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
            dollars += requests * dollars_of(prices.get(str(spec.model)), 300, 25 * spec.per_request) * batch
        yield CostRow("rephrase", 1, f"{sum(asked.values())} pools", calls=calls, dollars=dollars)


def _written(study: Study, size: Size, prices: Mapping[str, Price], batch: float) -> tuple[int, float]:
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
            price = prices.get(str(source.model))
            dollars += requests * dollars_of(price, LIST_TOKENS, LISTED_TOKENS * source.per_request) * batch
    for _, spec in dataset_places(study):
        if spec.completions == "api":
            calls += data.n_train
            answer = min(size.response_tokens, spec.sampling.max_tokens)
            dollars += data.n_train * dollars_of(prices.get(str(spec.model)), size.prompt_tokens, answer) * batch
    return calls, dollars
