"""A study's costs before anything runs: jobs, tokens, GPU-hours, API calls, dollars and disk.

The numbers follow from the study file. How long texts are is measured in the training examples, or before there are any
in the study's files with the tokenizer of a model that is here; else it is assumed.
GPU-hours follow from rates that were measured (`benchmarks/README.md`), so they are about right for models of that kind
on that GPU and a guess for others.
"""

from __future__ import annotations

import importlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inoc.config.models import BaseStudy, ModelStudy
from inoc.config.workflow import Shards, Workflow
from inoc.errors import ConfigError, InocError, did_you_mean
from inoc.jobs.costs import PROMPT_TOKENS, RESPONSE_TOKENS, TEMPLATE_TOKENS, CostRow, Pace, Rates, Size
from inoc.jobs.job import Job
from inoc.jobs.lengths import file_lengths
from inoc.jobs.make import Made, store_folder
from inoc.jobs.paths import Paths
from inoc.jobs.rates import GPUS, H200, Gpu
from inoc.jobs.savings import by_the_clock, saving_lines, savings, split
from inoc.jobs.shards import shard_count
from inoc.jobs.work import wanted_parts, works_of
from inoc.progress import duration
from inoc.stages import all_stages, kind_named, load
from inoc.store import Store
from inoc.tables import read_table

SEVERAL = 4  # GPUs of one machine
PUBLISHED = {"qwen2.5-7b": 7.6e9, "qwen2.5-14b": 14.8e9, "qwen2.5-32b": 32.8e9, "olmo-3-7b": 7.3e9}
"""Weights of models whose names round them, by a part of the name."""


def model_weights(study: ModelStudy, folder: Path) -> float:
    """Number of weights: from a configuration that is here, else by the model's name (`…-7B-…`), else NaN.

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
        return weights_by_name(study.model.path)
    hidden, layers, shared, wide, vocabulary = (float(number) for number in shape)
    return layers * (2 * hidden**2 + 2 * hidden**2 * shared + 3 * hidden * wide) + 2 * hidden * vocabulary


def weights_by_name(name: str) -> float:
    """Number of weights of a model that is not here; NaN if its name says nothing."""
    for part, weights in PUBLISHED.items():
        if part in name.lower():
            return weights
    named = re.search(r"(\d+(?:\.\d+)?)[bB](?![a-zA-Z])", name)
    return float(named[1]) * 1e9 if named else math.nan


def measured_size(study: BaseStudy, paths: Paths, response_tokens: float | None) -> Size:
    """Known sizes; response lengths as given, else measured (training examples, then files), else assumed."""
    if not isinstance(study, ModelStudy):
        return Size(math.nan, PROMPT_TOKENS, RESPONSE_TOKENS, measured=False)
    folder = paths.world_model if study.model.path == "world" else Path(study.model.path).expanduser()
    weights = model_weights(study, folder)
    found = file_lengths(study, folder)
    prompt = PROMPT_TOKENS if found is None else found.prompt + TEMPLATE_TOKENS
    if response_tokens is not None:
        return Size(weights, prompt, response_tokens, measured=False, source="as --response-tokens says")
    if paths.examples.exists():
        lengths = read_table(paths.examples, ["n_tokens", "kept"])
        mean = float(lengths.loc[lengths["kept"], "n_tokens"].mean())
        return Size(weights, prompt, mean, measured=True, source="measured in the training examples")
    if found is not None:
        words = "measured in the study's files with the model's tokenizer"
        return Size(weights, prompt, found.response, measured=True, source=words)
    return Size(weights, prompt, RESPONSE_TOKENS, measured=False)


def in_store(study: BaseStudy, paths: Paths, store: Store, stage: str, shards: Shards) -> tuple[int, int] | None:
    """Numbers of stored and of all units of a stage; None if its inputs do not exist yet."""
    local = isinstance(study, ModelStudy) and (study.model.path == "world" or Path(study.model.path).is_dir())
    declared = all_stages()[stage]
    if not declared.computes or not local:
        return None
    step = importlib.import_module(declared.step)
    found = total = 0
    try:
        for part in wanted_parts(study, stage):
            for shard in range(shard_count(declared, shards)):
                made = Made(Job(study.name, paths, store, stage, shard, part), study, shards)
                keys = {unit.key: unit for unit in step.units(made.job, made.plan())}
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


def cost_rows(
    study: BaseStudy, workflow: Workflow, paths: Paths, gpu: Gpu = H200, response_tokens: float | None = None
) -> list[CostRow]:
    """A row per stage with its costs; arguments as for `print_plan`."""
    return rows_at(study, workflow, measured_size(study, paths, response_tokens), gpu)


def rows_at(study: BaseStudy, workflow: Workflow, size: Size, gpu: Gpu) -> list[CostRow]:
    """A row per stage with its costs, for known sizes.

    Raises:
        ConfigError: If the GPU cannot compute as the study says.
    """
    model = study.model if isinstance(study, ModelStudy) else None
    compute, quantization = (model.compute, model.quantization) if model else ("dtype", None)
    computing = gpu.computing(compute, quantization)
    if computing is None:
        able = [name for name, one in GPUS.items() if one.computing(compute)]
        msg = f"model.compute = {compute!r}: this GPU has no such hardware; accepted for --gpu: {', '.join(able)}"
        raise ConfigError(msg)
    batch = workflow.api.batch_share if workflow.api.mode == "batch" else 1.0
    rates = Rates(size, computing, workflow.api.prices, batch)
    rows: list[CostRow] = load(kind_named(study.kind).costs)(study, workflow.shards.get(study.name, {}), rates)
    return rows


def by_stage(rows: Iterable[CostRow]) -> list[CostRow]:
    """One row for each stage, with the jobs and the tokens of all its rows; a stage may have a row for each part."""
    found: dict[str, CostRow] = {}
    for row in rows:
        before = found.get(row.stage, CostRow(row.stage, 0, ""))
        found[row.stage] = CostRow(row.stage, before.jobs + row.jobs, "", tokens=before.tokens + row.tokens)
    return list(found.values())


def jobs_of(study: BaseStudy, stage: str, shards: Shards) -> int:
    """Number of jobs of all parts of a stage."""
    works = [work for work in works_of(study) if work.stage == stage and work.wanted(study)]
    return sum(shard_count(work.declared, shards) for work in works)


def expect(study: BaseStudy, rows: Iterable[CostRow], weights: float, shards: Shards, pace: Mapping[str, Pace]) -> None:
    """Note in each row what it takes by the pace of its stage; its share of the jobs is that of its stage's rows.

    Args:
        study: The study.
        rows: Its plan.
        weights: Of its model; NaN if they are unknown, and nothing is noted.
        shards: How it is split.
        pace: Stage → its pace on this machine.
    """
    planned = list(rows)
    counted = {row.stage: row.jobs for row in by_stage(planned)}
    for row in planned:
        if row.stage in pace and row.tokens and not math.isnan(weights):
            jobs = row.jobs * jobs_of(study, row.stage, shards) / counted[row.stage]
            row.measured = pace[row.stage].of(jobs, row.tokens * weights)


def print_plan(
    study: BaseStudy,
    workflow: Workflow,
    paths: Paths,
    gpu_name: str,
    response_tokens: float | None,
    *,
    as_json: bool = False,
    seen: Mapping[str, Pace] | None = None,
) -> None:
    """Print a row per stage, their sum, and the assumptions; or the rows and the assumptions as one JSON object.

    Args:
        study: The study.
        workflow: Number of jobs, prices.
        paths: Where its results are.
        gpu_name: For which GPU.
        response_tokens: Mean number of tokens per response; None for the measured or assumed one.
        as_json: Print JSON.
        seen: Stage → its pace on this machine.
    """
    gpu, shards = gpu_named(gpu_name), workflow.shards.get(study.name, {})
    size = measured_size(study, paths, response_tokens)
    rows = cost_rows(study, workflow, paths, gpu, response_tokens)
    store = Store(store_folder(workflow))
    for row in rows:
        row.stored = in_store(study, paths, store, row.stage, shards)
    if seen is not None:
        expect(study, rows, size.weights, shards, seen)
    found, with_all = savings(study, lambda changed: rows_at(changed, workflow, size, gpu))
    if as_json:
        more = {"savings": [one._asdict() for one in found], "gpu_hours_with_all": with_all}
        print(
            json.dumps(_plain(rows, size, gpu_name, gpu) | _known(more), ensure_ascii=False, indent=2, allow_nan=False)
        )
        return
    print(table(rows))
    if not isinstance(study, ModelStudy):
        print("\nNo model is loaded and no API is asked.")
        return
    print(f"\n{size.response_tokens:.0f} tokens a response ({size.source}), {size.prompt_tokens:.0f} a prompt.")
    kind = gpu.measured or "the H200's, scaled by published figures"
    weights = "unknown size" if math.isnan(size.weights) else f"{size.weights / 1e9:.3g} billion weights"
    print(f"Rates of one {gpu_name.upper()} are {kind}; the model has {weights}.")
    if seen is not None:
        print(f"Measured: by {', '.join(f'{stage} of {one.studies}' for stage, one in seen.items())} studies here.")
    print("What is in the store is not subtracted.")
    if total_of(rows).gpu_hours > 0:
        shared = rows_at(study, _in_shards(study, workflow, rows), size, gpu)
        on_several = duration(3600 * by_the_clock(shared, SEVERAL))
        on_more = f"On {SEVERAL} GPUs, with `shards` of {SEVERAL} for each stage: {on_several} by the clock."
        print("\n".join([*saving_lines(found, with_all), on_more]))


def _in_shards(study: BaseStudy, workflow: Workflow, rows: list[CostRow]) -> Workflow:
    """The workflow with the study's stages split over several GPUs."""
    return workflow.model_copy(update={"shards": {**workflow.shards, study.name: split(rows, SEVERAL)}})


def _plain(rows: list[CostRow], size: Size, gpu_name: str, gpu: Gpu) -> dict[str, object]:
    """Rows, their sum and the assumptions for JSON, which has no NaN: what is unknown is null."""
    found = [_known(asdict(row)) for row in [*rows, total_of(rows)]]
    stages = [
        {
            **row,
            "stored": row["stored"] and dict(zip(("units", "of"), row["stored"], strict=True)),
            "measured": row["measured"] and row["measured"]._asdict(),
        }
        for row in found
    ]
    *each, total = stages
    return {
        "stages": each,
        "total": {name: value for name, value in total.items() if name not in {"stage", "work", "stored", "measured"}},
        "assumptions": {**_known(size._asdict()), "gpu": gpu_name.lower(), "gpu_measured": bool(gpu.measured)},
    }


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


def table(rows: list[CostRow]) -> str:
    """The rows and their sum as text."""
    heads = ["stage", "jobs", "work", "tokens", "GPU time", "API calls", "dollars", "disk", "in the store"]
    timed = any(row.measured for row in rows)
    lines, stages = [heads], all_stages()
    for row in rows:
        share = "not known yet" if row.stored is None else f"{row.stored[0]} of {row.stored[1]} units"
        stored = share if stages[row.stage].computes else ""
        lines.append([row.stage, str(row.jobs), row.work, *_amounts(row), stored])
    total = total_of(rows)
    lines.append([total.stage, str(total.jobs), "", *_amounts(total), ""])
    if timed:
        times = [row.measured.wall_s if row.measured else 0.0 for row in rows]
        column = ["measured", *(duration(one) if one else "" for one in times), duration(sum(times))]
        lines = [[*line[:5], cell, *line[5:]] for line, cell in zip(lines, column, strict=True)]
        heads = lines[0]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def total_of(rows: list[CostRow]) -> CostRow:
    """The sum of the rows, as a row of the stage `all`."""
    return CostRow(
        "all",
        sum(row.jobs for row in rows),
        "",
        sum(row.tokens for row in rows),
        sum(row.gpu_hours for row in rows),
        sum(row.calls for row in rows),
        sum(row.dollars for row in rows),
        sum(row.disk for row in rows),
    )


def _amounts(row: CostRow) -> list[str]:
    money = "unknown" if math.isnan(row.dollars) else f"{row.dollars:.2f}" if row.calls else ""
    time = "unknown" if math.isnan(row.gpu_hours) else duration(3600 * row.gpu_hours) if row.tokens else ""
    tokens = f"{row.tokens / 1e6:.3g} M" if row.tokens else ""
    disk = "unknown" if math.isnan(row.disk) else f"{row.disk / 1e9:.2g} GB" if row.disk else ""
    return [tokens, time, str(row.calls) if row.calls else "", money, disk]
