"""Costs of persona vectors: answers, their judges, activations, steering and projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from inoc.config.models import Sampling
from inoc.config.workflow import Shards
from inoc.jobs.costs import JUDGE_TOKENS, CostRow, Rates, sampled_row, scored_row
from inoc.studies.subliminal.persona import projected_teachers, steered_traits
from inoc.studies.subliminal.study import Study, Trait

ASSUMED_QUESTIONS, ASSUMED_TURNS = 40, 5  # of a trait whose file is not read for a plan


class Answers(NamedTuple):
    """Answers about one trait."""

    extraction: int
    steering: int


def answers_of(study: Study) -> dict[str, Answers]:
    """Trait → how many answers are sampled about it."""
    steered = steered_traits(study)
    return {
        key: Answers(_extraction(trait), _steering(study, trait) if key in steered else 0)
        for key, trait in study.persona.items()
    }


def _extraction(trait: Trait) -> int:
    if trait.vectors is not None:
        return 0
    turns = len(trait.positive) or ASSUMED_TURNS
    return 2 * turns * (trait.n_questions or ASSUMED_QUESTIONS) * trait.n_answers


def _steering(study: Study, trait: Trait) -> int:
    spec = study.steering
    if spec is None:
        return 0
    own = trait.evaluation_questions is not None
    questions = (trait.n_questions or ASSUMED_QUESTIONS) if own else trait.held_out
    steered = sum(coefficient != 0 for coefficient in spec.coefficients)
    cells = 1 + len(spec.sites) * (1 + spec.random_vectors) * steered
    return questions * cells * spec.n_answers


def persona_costs(study: Study, shards: Shards, rates: Rates, rows_kept: int, list_tokens: int) -> list[CostRow]:
    """A row for each stage that works on traits.

    Args:
        study: The study.
        shards: How it is split.
        rates: Sizes, rates of the GPU and prices.
        rows_kept: Rows of a teacher.
        list_tokens: Tokens of a list of numbers.
    """
    found = answers_of(study)
    extraction, steering = (sum(column) for column in zip(*found.values(), strict=True)) if found else (0, 0)
    rows: list[CostRow] = []
    if extraction:
        sampling = [trait.sampling for key, trait in study.persona.items() if found[key].extraction]
        rows.append(_sampled(sampling, shards, extraction, "answers of traits", rates))
    if study.steering is not None and steering:
        rows.append(_sampled([study.steering.sampling], shards, steering, "steered answers", rates))
    projected = len(projected_teachers(study)) * min(rows_kept, _most_rows(study, rows_kept))
    read = [(extraction, max((one.sampling.max_tokens for one in study.persona.values()), default=0), "answers")]
    read.append((projected, list_tokens, "rows of numbers"))
    for n, tokens, what in read:
        if n:
            row = scored_row("read", shards.get("read", 1), n, rates.size._replace(response_tokens=tokens), rates.gpu)
            rows.append(replace(row, work=f"{n} {what}"))
    return [*rows, *_judged(study, found, rates)]


def _sampled(sampling: Sequence[Sampling], shards: Shards, n: int, what: str, rates: Rates) -> CostRow:
    longest = max(sampling, key=lambda one: one.max_tokens)
    size = rates.size._replace(response_tokens=longest.max_tokens)
    row = sampled_row("sample", shards.get("sample", 1), n, longest, size, rates.gpu)
    return replace(row, work=f"{n} {what}")


def _most_rows(study: Study, rows_kept: int) -> int:
    limit = study.projection.n_rows if study.projection is not None else None
    return limit if limit is not None else rows_kept


def _judged(study: Study, found: Mapping[str, Answers], rates: Rates) -> list[CostRow]:
    calls, dollars = 0, 0.0
    for key, trait in study.persona.items():
        for judge in (trait.judge, trait.coherence):
            if judge is not None and judge.name == "llm":
                n = sum(found[key])
                calls += n
                dollars += rates.dollars(judge.model, n, *JUDGE_TOKENS)
    return [CostRow("judge", 1, f"{calls} answers of traits", calls=calls, dollars=dollars)] if calls else []
