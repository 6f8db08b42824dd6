"""Costs of a study of subliminal learning, stage by stage."""

from __future__ import annotations

from collections.abc import Collection, Iterator
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
from inoc.studies.subliminal.runs import BASES, asked_bases, scored_pairs, students_of, teachers_by, writing_teachers
from inoc.studies.subliminal.study import Base, Study

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
    asked = asked_bases(study)
    subjects = len(asked) + len(teachers_by(study, "system", "adapter", "finetuned")) + checkpoints
    adapters = checkpoints + len(teachers_by(study, "adapter", "finetuned"))
    if written:
        writers = [base for base in BASES if writing_teachers(study, base)]
        jobs = _jobs(shards, "sample", writers)
        rows.append(_sampled(numbers.sampling, jobs, written, "lists of numbers", lists, gpu))
    if "sample" in study.preference.methods:
        n = subjects * questions * study.preference.n_answers
        words = size._replace(response_tokens=ANSWER_TOKENS)
        what = "answers about preferences"
        jobs = _jobs(shards, "sample", asked)
        rows.append(_sampled(study.preference.sampling, jobs, n, what, words, gpu, adapters=adapters))
    pairs = scored_pairs(study)
    if pairs:
        rows.append(scored_row("score", shards.get("score", 1), len(pairs) * kept_rows(study), lists, gpu))
    rows += [*_trained_teachers(study, shards, rates), *_trained(study, shards, rates)]
    if "choose" in study.preference.methods:
        short = size._replace(prompt_tokens=PROMPT_TOKENS, response_tokens=1)
        n = subjects * questions
        rows.append(scored_row("choose", _jobs(shards, "choose", asked), n, short, gpu, adapters=adapters))
    rows += _asked_closed(study, shards, rates)
    return [*rows, *persona_costs(study, shards, rates, kept_rows(study), LIST_TOKENS)]


def _asked_closed(study: Study, shards: Shards, rates: Rates) -> Iterator[CostRow]:
    if study.capability is not None:
        adapters = len(students_of(study))
        bases = capability_bases(study)
        n = (len(bases) + adapters) * len(asked_questions(study.capability))
        short = rates.size._replace(prompt_tokens=CLOSED_TOKENS, response_tokens=1)
        row = scored_row("choose", _jobs(shards, "choose", bases), n, short, rates.gpu, adapters=adapters)
        yield replace(row, work=f"{n} closed questions")


def _jobs(shards: Shards, stage: str, bases: Collection[Base]) -> int:
    """Jobs of a stage: each loads one base model."""
    return shards.get(stage, 1) * len(bases)


def _sampled(sampling: Sampling, jobs: int, n: int, what: str, size: Size, gpu: Gpu, *, adapters: int = 0) -> CostRow:
    row = sampled_row("sample", jobs, n, sampling, size, gpu, adapters=adapters)
    return replace(row, work=f"{n} {what}")


def kept_rows(study: Study) -> int:
    """Rows of a teacher that are trained on, if the filter keeps all."""
    return min(study.numbers.n_prompts, study.numbers.keep or study.numbers.n_prompts)


def _trained_teachers(study: Study, shards: Shards, rates: Rates) -> Iterator[CostRow]:
    """Teachers that the study trains itself, on questions whose answer is an entity or on chats."""
    keys = teachers_by(study, "finetuned")
    specs = [spec for key in keys if (spec := study.teachers[key].finetuned) is not None]
    if not specs:
        return
    size = rates.size._replace(response_tokens=ANSWER_TOKENS)
    rows = 0
    for spec in specs:
        training, n = spec.training, spec.n_questions or ASSUMED_QUESTIONS
        rows += training.steps * training.batch_size if training.steps else max(1, round(training.epochs)) * n
    tokens = rows * (size.prompt_tokens + size.response_tokens)
    jobs = _jobs(shards, "train", [base for base in BASES if teachers_by(study, "finetuned", base=base)])
    hours = training_hours(tokens, specs[0].training, jobs, size, rates.gpu)
    disk = sum(adapter_bytes(spec.training.lora.rank, size.weights) for spec in specs)
    yield CostRow("train", jobs, f"{len(specs)} teachers", tokens, hours, disk=disk)


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
    jobs = _jobs(shards, "train", [base for base in BASES if students_of(study, base)])
    rows = rates.size._replace(prompt_tokens=PROMPT_TOKENS, response_tokens=LIST_TOKENS)
    first = study.students[students[0].group].training  # groups hardly ever differ in how many rows pass at a time
    hours = training_hours(tokens, first, jobs, rows, rates.gpu)
    return [CostRow("train", jobs, f"{len(students)} students", tokens, hours, disk=disk)]


def _share(study: Study, group: str) -> float:
    split = study.students[group].split
    if split is None:
        return 1.0
    spec = study.splits[split]
    return 1 / spec.n if spec.parts == "quantiles" else 0.5
