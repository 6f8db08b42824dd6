"""Costs of a likelihood-shift study, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping

from inoc.config.judge_spec import asks_api
from inoc.config.workflow import Shards
from inoc.jobs.costs import (
    JUDGE_TOKENS,
    CostRow,
    Rates,
    adapter_bytes,
    sampled_row,
    scored_row,
    training_hours,
)
from inoc.score.step import BLOCK
from inoc.studies.likelihood_shift.precision import FIRST_BLOCKS, rows_for
from inoc.studies.likelihood_shift.runs import students_of, written_datasets
from inoc.studies.likelihood_shift.study import Study, prompt_table

ASSUMED_SPREAD = 0.08
"""Standard deviation of a contrast over rows, nats per token, that the plan counts with before anything is scored."""
ASSUMED_ROWS = 27_000  # of a file, whose rows are not counted for a plan


def costs(study: Study, shards: Shards, rates: Rates) -> list[CostRow]:
    """The costs of every stage that computes or asks.

    Args:
        study: The study.
        shards: How it is split.
        rates: Sizes, rates of the GPU and prices.
    """
    size, gpu = rates.size, rates.gpu
    rows: list[CostRow] = []
    written = {key: spec.written for key, spec in study.datasets.items() if spec.written is not None}
    if written_datasets(study):
        n = sum(one.n for one in written.values())
        longest = max((one.sampling for one in written.values()), key=lambda one: one.max_tokens)
        rows.append(sampled_row("sample", shards.get("sample", 1), n, longest, size, gpu))
    whole = {key: written[key].n if key in written else ASSUMED_ROWS for key in study.datasets}
    limit = study.scoring.n_rows
    full = {key: n if limit is None else min(n, limit) for key, n in whole.items()}
    used = {key: min(full[key], planned_rows(study.scoring.precision, n)) for key, n in whole.items()}
    ways = 1 + len(prompt_table(study))
    scored = scored_row("score", shards.get("score", 1), round(ways * sum(used.values())), size, gpu)
    if study.scoring.precision is not None:
        saved = 1 - sum(used.values()) / sum(full.values())
        scored.work += f" ({saved:.0%} fewer than all, if contrasts vary by {ASSUMED_SPREAD} nats per token)"
    rows.append(scored)
    return rows + _student_rows(study, shards, rates, full)


def planned_rows(precision: float | None, n_rows: int) -> int:
    """Rows of a dataset that are scored until contrasts are as precise as asked, by `ASSUMED_SPREAD`."""
    return rows_for(precision, ASSUMED_SPREAD, n_rows, BLOCK, FIRST_BLOCKS * BLOCK)


def _student_rows(study: Study, shards: Shards, rates: Rates, full: Mapping[str, float]) -> list[CostRow]:
    """Training, evaluation and judging of the students."""
    size, gpu = rates.size, rates.gpu
    spec, students = study.students, students_of(study)
    if spec is None:
        return []
    seen = spec.epochs * sum(full[one.dataset] * _share(study, one.split) for one in students)
    tokens = seen * (size.prompt_tokens + size.response_tokens)
    disk = len(students) * spec.epochs * adapter_bytes(spec.training.lora.rank, size.weights)
    jobs = shards.get("train", 1)
    hours = training_hours(tokens, spec.training, jobs, size, gpu)
    asked = len(students) * (1 + spec.epochs) * spec.n_questions * spec.samples
    adapters = len(students) * spec.epochs
    evaluated = sampled_row("evaluate", jobs, asked, spec.sampling, size, gpu, adapters=adapters)
    models = [target.judge.model for target in spec.targets.values() if asks_api(target.judge)]
    dollars = sum(rates.dollars(model, asked, *JUDGE_TOKENS) for model in models)
    judged = CostRow("judge", 1, f"{asked} answers", calls=asked * len(models), dollars=dollars)
    return [CostRow("train", jobs, f"{len(students)} students", tokens, hours, disk=disk), evaluated, judged]


def _share(study: Study, split: str) -> float:
    """Share of a dataset's rows in each part of a split; 1 for the whole dataset."""
    if not split:
        return 1.0
    spec = study.splits[split]
    return 1 / spec.n if spec.by == "quantiles" else 0.5 if spec.by == "median" else spec.share
