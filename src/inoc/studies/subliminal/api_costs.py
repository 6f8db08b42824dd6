"""Costs of a study whose model is behind an API, stage by stage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from inoc.api.request import tuned_price
from inoc.config.workflow import Price, Shards
from inoc.jobs.costs import CostRow, dollars_of
from inoc.studies.subliminal.runs import students_of, teachers_by, writing_teachers
from inoc.studies.subliminal.study import Study

_KEPT = 3  # checkpoints that OpenAI's server keeps of a job
_CHOICE_TOKENS = 8  # of an answer whose probabilities are read


class Sizes(NamedTuple):
    """Counted or assumed sizes."""

    prompt_tokens: int  # of a prompt for numbers, and of a question
    list_tokens: int  # of a list of numbers
    rows: int  # of a teacher that are trained on
    questions: int  # that every subject is asked


def api_costs(study: Study, shards: Shards, prices: Mapping[str, Price], batch: float, sizes: Sizes) -> list[CostRow]:
    """The costs of every stage that asks. Fine-tuning jobs have one price, in batches or not.

    Args:
        study: The study.
        shards: How it is split.
        prices: Model of the API → dollars per million tokens.
        batch: Share of the price of a request that is paid: 1, or a batch's.
        sizes: Sizes of what is asked and trained on.
    """
    price = prices.get(study.model.path)
    tuned = tuned_price(price) if price is not None else None
    rows: list[CostRow] = []
    written = len(writing_teachers(study)) * study.numbers.n_prompts
    if written:
        of_tuned = len(teachers_by(study, "finetuned")) * study.numbers.n_prompts
        each = (sizes.prompt_tokens, sizes.list_tokens)
        dollars = _dollars(price, tuned, written - of_tuned, of_tuned, *each)
        rows.append(_asked("sample", shards, f"{written} lists of {study.model.path}", written, batch * dollars))
    trained = _trained(study, shards, price, sizes)
    rows += [trained] if trained is not None else []
    plain = sizes.questions * (1 + len(teachers_by(study, "system")))
    of_tuned = sizes.questions * (len(teachers_by(study, "finetuned")) + sum(_models(study).values()))
    spec = study.preference
    for method, n, longest in (("sample", spec.n_answers, spec.sampling.max_tokens), ("choose", 1, _CHOICE_TOKENS)):
        if method in spec.methods:
            calls = n * (plain + of_tuned)
            dollars = _dollars(price, tuned, n * plain, n * of_tuned, sizes.prompt_tokens, longest)
            rows.append(_asked(method, shards, f"{calls} questions", calls, batch * dollars))
    return rows


def _models(study: Study) -> dict[str, int]:
    """Student → models of it that are asked."""
    served = study.api is not None and study.api.checkpoints == "served"
    return {one.name: min(study.students[one.group].epochs, _KEPT if served else 1) for one in students_of(study)}


def _dollars(price: Price | None, tuned: Price | None, n: int, n_tuned: int, sent: int, answered: int) -> float:
    return n * dollars_of(price, sent, answered) + n_tuned * dollars_of(tuned, sent, answered)


def _asked(stage: str, shards: Shards, work: str, calls: int, dollars: float) -> CostRow:
    return CostRow(stage, shards.get(stage, 1), work, calls=calls, dollars=dollars)


def _trained(study: Study, shards: Shards, price: Price | None, sizes: Sizes) -> CostRow | None:
    """The row of the fine-tuning jobs."""
    students = students_of(study)
    tokens = 0
    for one in students:
        spec = study.students[one.group]
        tokens += spec.epochs * (spec.n_rows or sizes.rows) * (sizes.prompt_tokens + sizes.list_tokens)
    teachers = [study.teachers[key].finetuned for key in teachers_by(study, "finetuned")]
    for given in teachers:
        if given is not None:
            rows = given.n_questions or sizes.questions
            tokens += max(1, round(given.training.epochs)) * rows * sizes.prompt_tokens
    n = len(students) + len(teachers)
    if not n:
        return None
    per_million = price.training if price is not None and price.training is not None else math.nan
    work = f"{n} fine-tuning jobs"
    return CostRow("train", shards.get("train", 1), work, tokens, calls=n, dollars=tokens * per_million / 1e6)
