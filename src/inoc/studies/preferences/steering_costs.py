"""Costs of concept vectors and steering."""

from __future__ import annotations

from collections.abc import Iterator

from inoc.config.workflow import Shards
from inoc.jobs.costs import JUDGE_TOKENS, CostRow, Rates, sampled_row, scored_row
from inoc.studies.preferences.roles import template_of
from inoc.studies.preferences.steering_parts import targets_of
from inoc.studies.preferences.steering_vectors import made_names, own_names
from inoc.studies.preferences.study import Study


def steered_cells(study: Study) -> int:
    """Number of times that each steered question is asked, once of them without steering."""
    spec = study.steering
    if spec is None:
        return 0
    doses = sum(coefficient != 0 for coefficient in spec.coefficients)
    sources, made = len(spec.vectors), len(made_names(spec))
    if spec.units != "raw":  # one set of random vectors is shared
        sources, made = 1, min(1, made)
    return 1 + doses * (len(own_names(spec)) + spec.random * sources + spec.combinations * made)


def steered_items(study: Study, target: str, tasks: int) -> int:
    """Number of questions of a target without steering, both orders of pairs counted."""
    spec = study.steering
    if spec is None:
        return 0
    given = spec.targets[target]
    instrument = study.instruments[given.instrument]
    choice = template_of(instrument).kind == "choice"
    units = tasks
    if choice:
        every = tasks * (tasks - 1) // 2
        sizes = {"all": every, "listed": len(instrument.pairs.listed)}
        units = sizes.get(instrument.pairs.design, min(every, tasks * instrument.pairs.degree // 2))
    return min(units, given.n or units) * (2 if choice else 1)


def steering_costs(study: Study, shards: Shards, rates: Rates, tasks: int) -> Iterator[CostRow]:
    """A row for each stage that works on concepts or steering.

    Args:
        study: The study.
        shards: How it is split.
        rates: Sizes, rates of the GPU and prices.
        tasks: Number of tasks.
    """
    size, gpu = rates.size, rates.gpu
    completed = {key: 2 * min(tasks, one.tasks.n or tasks) for key, one in study.concepts.items()}
    if completed:
        longest = max((one.sampling for one in study.concepts.values()), key=lambda one: one.max_tokens)
        yield sampled_row("sample", shards.get("sample", 1), sum(completed.values()), longest, size, gpu)
    read = sum(n * len(study.concepts[key].keep_prompt) for key, n in completed.items())
    if read:
        yield scored_row("read", shards.get("read", 1), read, size, gpu)
    cells = steered_cells(study)
    closed = cells * sum(steered_items(study, key, tasks) for key in targets_of(study, is_open=False))
    if closed:
        yield scored_row("choose", shards.get("choose", 1), closed, size, gpu)
    openly = cells * study.samples * sum(steered_items(study, key, tasks) for key in targets_of(study, is_open=True))
    if openly:
        open_ones = targets_of(study, is_open=True).values()
        longest = max((study.instruments[one.instrument].sampling for one in open_ones), key=lambda one: one.max_tokens)
        yield sampled_row("sample", shards.get("sample", 1), openly, longest, size, gpu)
        yield from _judged(study, rates, openly)


def _judged(study: Study, rates: Rates, n: int) -> Iterator[CostRow]:
    spec = study.steering
    judges = [] if spec is None else [spec.attitude or study.parsing.tone, spec.coherence]
    asked = [judge for judge in judges if judge is not None and judge.name == "llm"]
    dollars = sum(rates.dollars(judge.model, n, *JUDGE_TOKENS) for judge in asked)
    if asked:
        yield CostRow("judge", 1, f"{n * len(asked)} steered answers", calls=n * len(asked), dollars=dollars)
