"""Costs of a study of subliminal learning, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from inoc.config.models import Sampling
from inoc.config.workflow import Shards
from inoc.jobs.costs import (
    CostRow,
    Rates,
    Size,
    adapter_bytes,
    sampled_row,
    scored_row,
    training_hours,
)
from inoc.jobs.rates import Gpu
from inoc.studies.shared.capability import asked_questions
from inoc.studies.subliminal.api_costs import Sizes, api_costs
from inoc.studies.subliminal.capability import capability_bases
from inoc.studies.subliminal.persona_costs import persona_costs
from inoc.studies.subliminal.runs import scored_pairs, students_of, teachers_by, writing_teachers
from inoc.studies.subliminal.study import Study

PROMPT_TOKENS, LIST_TOKENS = 60, 40  # of a prompt of the stream and of a list of ten numbers
CLOSED_TOKENS = 60  # of a closed question with its options
ANSWER_TOKENS = 8  # of an answer that names an animal
ASSUMED_QUESTIONS = 50  # of a set whose file is not counted for a plan


def costs(study: Study, shards: Shards, rates: Rates) -> list[CostRow]:
    """The costs of every stage that computes or asks.

    Args:
        study: The study.
        shards: How it is split.
        rates: Sizes, rates of the GPU and prices.
    """
    size, gpu = rates.size, rates.gpu
    lists = size._replace(prompt_tokens=PROMPT_TOKENS, response_tokens=LIST_TOKENS)
    numbers = study.numbers
    rows: list[CostRow] = []
    written = len(writing_teachers(study)) * numbers.n_prompts
    questions = sum(spec.n or ASSUMED_QUESTIONS for spec in study.preference.question_sets.values())
    if study.api is not None:
        sizes = Sizes(PROMPT_TOKENS, LIST_TOKENS, kept_rows(study), questions)
        return api_costs(study, shards, rates.prices, rates.batch, sizes)
    checkpoints = sum(study.students[one.group].epochs for one in students_of(study))
    subjects = 1 + len(teachers_by(study, "system", "adapter", "finetuned")) + checkpoints
    adapters = checkpoints + len(teachers_by(study, "adapter", "finetuned"))
    if written:
        rows.append(_sampled(numbers.sampling, shards, written, "lists of numbers", lists, gpu))
    if "sample" in study.preference.methods:
        n = subjects * questions * study.preference.n_answers
        words = size._replace(response_tokens=ANSWER_TOKENS)
        what = "answers about preferences"
        rows.append(_sampled(study.preference.sampling, shards, n, what, words, gpu, adapters=adapters))
    pairs = scored_pairs(study)
    if pairs:
        rows.append(scored_row("score", shards.get("score", 1), len(pairs) * kept_rows(study), lists, gpu))
    rows += _trained(study, shards, rates)
    if "choose" in study.preference.methods:
        short = size._replace(prompt_tokens=PROMPT_TOKENS, response_tokens=1)
        n = subjects * questions
        rows.append(scored_row("choose", shards.get("choose", 1), n, short, gpu, adapters=adapters))
    rows += _asked_closed(study, shards, rates)
    return [*rows, *persona_costs(study, shards, rates, kept_rows(study), LIST_TOKENS)]


def _asked_closed(study: Study, shards: Shards, rates: Rates) -> Iterator[CostRow]:
    if study.capability is not None:
        adapters = len(students_of(study))
        n = (len(capability_bases(study)) + adapters) * len(asked_questions(study.capability))
        short = rates.size._replace(prompt_tokens=CLOSED_TOKENS, response_tokens=1)
        row = scored_row("choose", shards.get("choose", 1), n, short, rates.gpu, adapters=adapters)
        yield replace(row, work=f"{n} closed questions")


def _sampled(
    sampling: Sampling, shards: Shards, n: int, what: str, size: Size, gpu: Gpu, *, adapters: int = 0
) -> CostRow:
    row = sampled_row("sample", shards.get("sample", 1), n, sampling, size, gpu, adapters=adapters)
    return replace(row, work=f"{n} {what}")


def kept_rows(study: Study) -> int:
    """Rows of a teacher that are trained on, if the filter keeps all."""
    return min(study.numbers.n_prompts, study.numbers.keep or study.numbers.n_prompts)


def _trained(study: Study, shards: Shards, rates: Rates) -> list[CostRow]:
    students = students_of(study)
    if not students:
        return []
    tokens = disk = 0.0
    for one in students:
        spec = study.students[one.group]
        n = spec.n_rows or kept_rows(study) * _share(study, one.group)
        tokens += spec.epochs * n * (PROMPT_TOKENS + LIST_TOKENS)
        disk += spec.epochs * adapter_bytes(spec.training.lora.rank, rates.size.weights)
    jobs, rows = shards.get("train", 1), rates.size._replace(prompt_tokens=PROMPT_TOKENS, response_tokens=LIST_TOKENS)
    first = study.students[students[0].group].training  # groups hardly ever differ in how many rows pass at a time
    hours = training_hours(tokens, first, jobs, rows, rates.gpu)
    return [CostRow("train", jobs, f"{len(students)} students", tokens, hours, disk=disk)]


def _share(study: Study, group: str) -> float:
    split = study.students[group].split
    if split is None:
        return 1.0
    spec = study.splits[split]
    return 1 / spec.n if spec.parts == "quantiles" else 0.5
