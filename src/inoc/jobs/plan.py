"""What a study will take, before anything runs: jobs, tokens, GPU-hours, API calls, dollars and disk.

The numbers follow from the study file; how long responses are is measured once there are some, and assumed before.
GPU-hours follow from rates that were measured (`benchmarks/README.md`), so they are about right for models of that kind
on that GPU and a guess for others.
"""

from __future__ import annotations

import importlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from inoc.config.load import dataset_places
from inoc.config.models import Sampling
from inoc.config.workflow import Price, Shards, Workflow
from inoc.studies.inoculation.study import Study
from inoc.errors import ConfigError, InocError, did_you_mean
from inoc.jobs.context import shard_count, store_folder
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.jobs.progress import duration
from inoc.stages import PACKAGES
from inoc.store import Store
from inoc.studies.inoculation.runs import (
    asked_of,
    checkpoint_steps,
    held_out_set,
    pool_prompts,
    pool_specs,
    prompt_texts,
    question_sets,
    study_runs,
    total_steps,
)
from inoc.tables import read_table

PROMPT_TOKENS = 70
RESPONSE_TOKENS = 350
JUDGE_TOKENS = (450, 1)  # of a question about one response, and of its answer
LIST_TOKENS, LISTED_TOKENS = 150, 40  # of a request for instructions, and of each of them
COMPUTING = ("generate", "elicit", "score", "train", "evaluate")


class Gpu(NamedTuple):
    """What a GPU does with a model of 7.6 billion weights, useful operations only."""

    score_tflops: float
    train_tflops: float
    sample_tokens: float  # new tokens a second, 128 requests at a time
    measured: bool


# The H200's are measured; the others are its, times the ratio of published bfloat16 peaks or memory bandwidths.
H200 = Gpu(600.0, 440.0, 2_000.0, measured=True)
GPUS = {
    "h200": H200,
    "h100": Gpu(600.0, 440.0, 1_400.0, measured=False),
    "a100": Gpu(190.0, 140.0, 850.0, measured=False),
    "l40s": Gpu(220.0, 160.0, 360.0, measured=False),
}
REFERENCE_WEIGHTS = 7.6e9


class Size(NamedTuple):
    """How large things are."""

    weights: float  # of the model; NaN if unknown
    prompt_tokens: float
    response_tokens: float
    measured: bool  # whether the tokens are


@dataclass
class Row:
    """What one stage takes.

    Attributes:
        stage: Its name.
        jobs: How many jobs.
        work: In words.
        tokens: That pass through the model; 0 for a stage without one.
        gpu_hours: NaN if the model's size is unknown.
        calls: Requests to an API.
        dollars: For them; NaN if a model has no price.
        disk: Bytes of what is kept.
        stored: How many of how many units are in the store; None if that is not known yet.
    """

    stage: str
    jobs: int
    work: str
    tokens: float = 0.0
    gpu_hours: float = 0.0
    calls: int = 0
    dollars: float = 0.0
    disk: float = 0.0
    stored: tuple[int, int] | None = None


def plan(study: Study, shards: Shards, size: Size, gpu: Gpu, prices: Mapping[str, Price], batch: float) -> list[Row]:
    """What every stage takes that computes or asks.

    Args:
        study: The study.
        shards: How it is split.
        size: Of its model, prompts and responses.
        gpu: Rates of the GPU.
        prices: Model of the API → dollars per million tokens.
        batch: Share of the price that is paid: 1, or a batch's.
    """
    prompts, runs, steps = len(prompt_texts(study)), study_runs(study), total_steps(study)
    rows = []

    def sampled(stage: str, n: int, sampling: Sampling) -> Row:
        tokens = n * min(size.response_tokens, sampling.max_tokens)
        hours = tokens / (gpu.sample_tokens * REFERENCE_WEIGHTS / size.weights) / 3600
        return Row(stage, shard_count(stage, shards), f"{n} completions", tokens, hours, disk=4.0 * tokens)

    controls = study.scoring.n_controls * (1 + sum(t.control_prompt is not None for t in study.traits.values()))
    sampled_sets = [spec for _, spec in dataset_places(study) if spec.completions == "sample"]
    own, sets = study.data.n_train * len(sampled_sets), len(question_sets(study))
    calls, dollars = _written(study, size, prices, batch)
    rows.append(replace(sampled("generate", own + controls, study.data.sampling), calls=calls, dollars=dollars))

    asked = sets * (study.elicitation.n or study.data.n_eval)
    elicited = asked * (1 + prompts * len(study.elicitation.prefixes))
    rows.append(sampled("elicit", elicited, study.elicitation.sampling))

    ways = 1 + prompts * len(study.scoring.prefixes)
    scored = ways * (study.scoring.n_examples + controls)
    tokens = scored * (size.prompt_tokens + size.response_tokens)
    hours = 2 * size.weights * tokens / (gpu.score_tflops * 1e12) / 3600
    disk = 4.0 * scored * size.response_tokens
    rows.append(Row("score", shards.score, f"{scored} responses", tokens, hours, disk=disk))

    judged = {"elicit": elicited, "evaluate": 0}
    if runs:
        tokens = len(runs) * steps * study.training.batch_size * (size.prompt_tokens + size.response_tokens)
        # Forward, and backward through frozen weights.
        hours = 4 * size.weights * tokens / (gpu.train_tflops * 1e12) / 3600
        saved = checkpoint_steps(study.training.checkpoints, steps)
        disk = len(runs) * len(saved) * adapter_bytes(study, size.weights)
        rows.append(Row("train", shards.train, f"{len(runs)} runs of {steps} steps", tokens, hours, disk=disk))
        # Before the first step all runs are the untrained model, which is asked once.
        untrained = {way for run in runs for way in asked_of(study, run, 0)} if 0 in saved else set()
        trained = sum(len(asked_of(study, run, step)) for run in runs for step in saved if step)
        n = sets * (study.evaluation.n or study.data.n_eval)
        judged["evaluate"] = n * sum(len(asked_of(study, run, step)) for run in runs for step in saved)
        rows.append(sampled("evaluate", n * (trained + len(untrained)), study.evaluation.sampling))
    rows += _api_rows(study, judged, prices, batch)
    return rows


def _api_rows(study: Study, judged: Mapping[str, int], prices: Mapping[str, Price], batch: float) -> Iterator[Row]:
    models = [trait.judge.model for trait in study.traits.values() if trait.judge and trait.judge.name == "llm"]
    if models:
        n = sum(judged.values())
        dollars = sum(n * _dollars(prices.get(str(model)), *JUDGE_TOKENS) for model in models) * batch
        yield Row(
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
            dollars += requests * _dollars(prices.get(str(spec.model)), 300, 25 * spec.per_request) * batch
        yield Row("rephrase", 1, f"{sum(asked.values())} pools", calls=calls, dollars=dollars)


def _written(study: Study, size: Size, prices: Mapping[str, Price], batch: float) -> tuple[int, float]:
    """Requests for instructions and training completions, and dollars for them."""
    data = study.data
    sources = [(spec.source, data.n_eval) for spec in data.questions.values() if spec.source]
    if data.completions != "file":
        sources.append((data.instructions, data.n_train + (data.n_eval if held_out_set(study) is not None else 0)))
    calls, dollars = 0, 0.0
    for source, n in sources:
        if source.kind == "api":
            requests = len(source.topics) * math.ceil(math.ceil(n / len(source.topics)) / source.per_request)
            calls += requests
            price = prices.get(str(source.model))
            dollars += requests * _dollars(price, LIST_TOKENS, LISTED_TOKENS * source.per_request) * batch
    for _, spec in dataset_places(study):
        if spec.completions == "api":
            calls += data.n_train
            answer = min(size.response_tokens, spec.sampling.max_tokens)
            dollars += data.n_train * _dollars(prices.get(str(spec.model)), size.prompt_tokens, answer) * batch
    return calls, dollars


def _dollars(price: Price | None, sent: float, answered: float) -> float:
    """Of one request; NaN without a price."""
    return math.nan if price is None else (sent * price.input + answered * price.output) / 1e6


def adapter_bytes(study: Study, weights: float) -> float:
    """About how large an adapter is: two bytes a weight, 81 million of them at rank 32 on a model of 7.6e9."""
    scale = float((weights / REFERENCE_WEIGHTS) ** (2 / 3))
    return 2 * 81e6 * (study.training.lora.rank / 32) * scale


def model_weights(study: Study, folder: Path) -> float:
    """Number of weights: from a configuration that is here, else from the model's name (`…-7B-…`), else NaN.

    Args:
        study: The study.
        folder: Where its model would be.
    """
    configuration = folder / "config.json"
    if study.model.path == "world" and study.world is not None:
        value = study.world.model_dump()
        shape = (value["hidden_size"], value["layers"], 0.5, value["intermediate_size"], value["vocabulary"])
    elif configuration.exists():
        value = json.loads(configuration.read_text(encoding="utf-8"))
        shared = value.get("num_key_value_heads", value["num_attention_heads"]) / value["num_attention_heads"]
        layers = value["num_hidden_layers"]
        shape = (value["hidden_size"], layers, shared, value["intermediate_size"], value["vocab_size"])
    else:
        named = re.search(r"(\d+(?:\.\d+)?)[bB](?![a-zA-Z])", study.model.path)
        return float(named[1]) * 1e9 if named else math.nan
    hidden, layers, shared, wide, vocabulary = (float(number) for number in shape)
    return layers * (2 * hidden**2 + 2 * hidden**2 * shared + 3 * hidden * wide) + 2 * hidden * vocabulary


def measured_size(study: Study, paths: Paths, response_tokens: float | None) -> Size:
    """Sizes as far as they are known; responses as asked for, else measured, else assumed."""
    folder = paths.world_model if study.model.path == "world" else Path(study.model.path)
    weights = model_weights(study, folder)
    if response_tokens is not None:
        return Size(weights, PROMPT_TOKENS, response_tokens, measured=False)
    if paths.examples.exists():
        lengths = read_table(paths.examples, ["n_tokens", "kept"])
        return Size(weights, PROMPT_TOKENS, float(lengths.loc[lengths["kept"], "n_tokens"].mean()), measured=True)
    return Size(weights, PROMPT_TOKENS, RESPONSE_TOKENS, measured=False)


def in_store(study: Study, paths: Paths, store: Store, stage: str, shards: Shards) -> tuple[int, int] | None:
    """How many of a stage's units are there, of how many; None if what comes before is not there yet."""
    local = study.model.path == "world" or Path(study.model.path).is_dir()
    if stage not in COMPUTING or not local:
        return None
    module = importlib.import_module(f"{PACKAGES[stage]}.step")
    found = total = 0
    try:
        for shard in range(shard_count(stage, shards)):
            keys = {unit.key: unit for unit in module.units(Job(study, paths, store, stage, shard, shards))}
            total += len(keys)
            found += sum(store.has(unit) for unit in keys.values())
    except (InocError, OSError):
        return None
    return found, total


def gpu_named(name: str) -> Gpu:
    """The rates of a GPU.

    Raises:
        ConfigError: If it is not known.
    """
    if name.lower() in GPUS:
        return GPUS[name.lower()]
    raise ConfigError(f"--gpu {name!r}: there are rates for {', '.join(GPUS)}{did_you_mean(name, GPUS)}")


def print_plan(study: Study, workflow: Workflow, paths: Paths, gpu_name: str, response_tokens: float | None) -> None:
    """Print a row per stage, their sum, and what was assumed."""
    gpu, shards = gpu_named(gpu_name), workflow.shards.get(study.name, Shards())
    size = measured_size(study, paths, response_tokens)
    batch = workflow.api.batch_share if workflow.api.mode == "batch" else 1.0
    rows = plan(study, shards, size, gpu, workflow.api.prices, batch)
    store = Store(store_folder(workflow))
    for row in rows:
        row.stored = in_store(study, paths, store, row.stage, shards)
    print(table(rows))
    how = "measured" if size.measured else "assumed; --response-tokens sets it"
    print(f"\n{size.response_tokens:.0f} tokens a response ({how}), {size.prompt_tokens:.0f} a prompt.")
    kind = "measured" if gpu.measured else "the H200's, scaled by published figures"
    weights = "unknown size" if math.isnan(size.weights) else f"{size.weights / 1e9:.3g} billion weights"
    print(f"Rates of one {gpu_name.upper()} are {kind}; the model has {weights}.")
    print("What is in the store is not subtracted. Jobs run side by side: hours of the wall are fewer.")


def table(rows: list[Row]) -> str:
    """The rows and their sum as text."""
    heads = ["stage", "jobs", "work", "tokens", "GPU time", "API calls", "dollars", "disk", "in the store"]
    lines = [heads]
    for row in rows:
        share = "not known yet" if row.stored is None else f"{row.stored[0]} of {row.stored[1]} units"
        stored = share if row.stage in COMPUTING else ""
        lines.append([row.stage, str(row.jobs), row.work, *_amounts(row), stored])
    total = Row(
        "all",
        sum(row.jobs for row in rows),
        "",
        sum(row.tokens for row in rows),
        sum(row.gpu_hours for row in rows),
        sum(row.calls for row in rows),
        sum(row.dollars for row in rows),
        sum(row.disk for row in rows),
    )
    lines.append([total.stage, str(total.jobs), "", *_amounts(total), ""])
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _amounts(row: Row) -> list[str]:
    money = "unknown" if math.isnan(row.dollars) else f"{row.dollars:.2f}" if row.calls else ""
    time = "unknown" if math.isnan(row.gpu_hours) else duration(3600 * row.gpu_hours) if row.tokens else ""
    tokens = f"{row.tokens / 1e6:.3g} M" if row.tokens else ""
    disk = "unknown" if math.isnan(row.disk) else f"{row.disk / 1e9:.2g} GB" if row.disk else ""
    return [tokens, time, str(row.calls) if row.calls else "", money, disk]
