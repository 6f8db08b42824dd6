"""Costs of a study of preferences, stage by stage."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from inoc.config.workflow import Shards
from inoc.jobs.costs import JUDGE_TOKENS, CostRow, Rates, Size, passed_hours, sampled_row
from inoc.jobs.rates import Gpu
from inoc.studies.preferences.parts import API, asked_parts, closed_by_sampling
from inoc.studies.preferences.reading import PARTS, reads
from inoc.studies.preferences.roles import (
    anchors_of,
    cells,
    completers,
    method_of,
    needed_completions,
    raters,
    role,
    template_of,
)
from inoc.studies.preferences.steering_costs import steering_costs
from inoc.studies.preferences.study import Instrument, Study

ASSUMED_TASKS = 1_000  # of an origin whose file is not read for a plan
_QUESTION_TOKENS = 120  # of a question beside the tasks that it shows


class Asked(NamedTuple):
    """Number of questions of one instrument to one rater."""

    instrument: str
    rater: str
    method: str
    n: int  # questions; of a selection, at most
    tasks: int  # that each shows


def n_tasks(study: Study) -> int:
    """Number of tasks, as far as it is known without their files."""
    sizes = [len(origin.texts) or ASSUMED_TASKS for origin in study.tasks.origins.values()]
    return min(sum(sizes), study.tasks.n or sum(sizes))


def asked(study: Study) -> Iterator[Asked]:
    """Number of questions of each instrument to each rater, anchors included; selections at their maximum."""
    tasks = n_tasks(study)
    for key, given in study.instruments.items():
        kind = template_of(given).kind
        shown = len(completers(study, key)) * len(cells(study, key))
        shown *= len(study.completions.seeds) if given.when == "after" else 1
        anchors = anchors_of(study, key)
        size = {"choice": 2, "ranking": given.ranking.size}.get(kind, 1)
        for rater in raters(study, key):
            method = method_of(study, key, rater)
            n = _units(study, given, kind, tasks) * shown + len(anchors.good) + len(anchors.bad)
            yield Asked(key, rater, method, n * (1 if method == "choose" else len(study.seeds) * study.samples), size)


def _units(study: Study, given: Instrument, kind: str, tasks: int) -> int:
    if kind == "ranking":
        return tasks * given.ranking.appearances // given.ranking.size
    if kind != "choice":
        return tasks
    spec = given.pairs
    every = tasks * (tasks - 1) // 2
    n = {"all": every, "listed": len(spec.listed)}.get(spec.design, min(every, tasks * spec.degree // 2))
    if spec.design == "active":
        n = min(every, n + study.selection.batch * (study.selection.max_rounds - 1))
    return n * (2 if spec.orders == "both" else 1)


def summary(study: Study) -> str:
    """One line that says how much a study would run."""
    n = sum(one.n for one in asked(study))
    most = "at most " if any(given.pairs.design == "active" for given in study.instruments.values()) else ""
    tasks, models, instruments = n_tasks(study), len(study.models), len(study.instruments)
    return f"{tasks} tasks, {models} models, {instruments} instruments, {most}{n} questions"


def costs(study: Study, shards: Shards, rates: Rates) -> list[CostRow]:
    """The costs of every stage that computes or asks.

    Args:
        study: The study.
        shards: How it is split.
        rates: Sizes, rates of the GPU and prices.
    """
    rows = [*_completions(study, shards, rates)]
    questions = list(asked(study))
    here = [one for one in questions if one.method == "sample" and not role(study, one.rater).api]
    if here:
        longest = max((study.instruments[one.instrument].sampling for one in here), key=lambda one: one.max_tokens)
        jobs = _jobs(study, shards, "sample")
        rows.append(sampled_row("sample", jobs, sum(one.n for one in here), longest, rates.size, rates.gpu))
    rows += _exact(study, shards, rates, questions)
    rows += _api(study, rates, questions)
    rows += _inside(study, shards, rates.size, rates.gpu)
    return [*rows, *steering_costs(study, shards, rates, n_tasks(study))]


def _inside(study: Study, shards: Shards, size: Size, gpu: Gpu) -> Iterator[CostRow]:
    """Reading of the tasks and of their completions; probes take no accelerator."""
    parts = [part for part in PARTS if reads(study, part)]
    if not parts:
        return
    n, seeds = n_tasks(study), len(study.completions.seeds)
    tokens = n * size.prompt_tokens if "prompts" in parts else 0.0
    chats, vectors = (n if "prompts" in parts else 0), 0
    for probe in study.probes.values():
        vectors += len(probe.sites) * len(probe.readouts)
    if "completions" in parts:
        tokens += n * seeds * (size.prompt_tokens + size.response_tokens)
        chats += n * seeds
    jobs = shards.get("read", 1) * len(parts)
    hours = passed_hours(tokens, jobs, size, gpu)
    width = math.sqrt(size.weights) / 20  # of a model of 8e9 weights, about 4,096
    yield CostRow("read", jobs, f"{chats} chats", tokens, hours, disk=4.0 * width * n * vectors)
    if study.probes:
        yield CostRow("probe", 1, f"{len(study.probes)} probes at {vectors} places", 0, 0.0)


def _completions(study: Study, shards: Shards, rates: Rates) -> Iterator[CostRow]:
    size = rates.size
    each = n_tasks(study) * len(study.completions.seeds)
    sampling = study.completions.sampling
    needed = [role(study, completer) for completer, _ in needed_completions(study)]
    n_here = each * sum(not one.api for one in needed)
    if n_here:
        yield sampled_row("sample", shards.get("sample", 1), n_here, sampling, size, rates.gpu)
    for name in dict.fromkeys(one.api for one in needed if one.api):
        n = each * sum(one.api == name for one in needed)
        dollars = rates.dollars(name, n, size.prompt_tokens, min(sampling.max_tokens, size.response_tokens))
        yield CostRow("sample", 1, f"{n} completions of {name}", calls=n, dollars=dollars)
    judge = study.parsing.refusal
    if judge is not None and needed:
        n = each * len(needed)
        calls = n if judge.name == "llm" else 0
        dollars = rates.dollars(judge.model, calls, *JUDGE_TOKENS)
        yield CostRow("judge", 1, f"{n} completions", calls=calls, dollars=dollars)


def _shown_tokens(study: Study, size: Size, one: Asked) -> float:
    """Tokens of a question with what it shows."""
    after = study.instruments[one.instrument].when == "after"
    return _QUESTION_TOKENS + one.tasks * (size.prompt_tokens + (size.response_tokens if after else 0))


def _jobs(study: Study, shards: Shards, stage: str) -> int:
    """Jobs of a stage that put questions to models that are here: each part has jobs of its own."""
    parts = {part for _, of, part in asked_parts(study) if of == stage and part != "completions"}
    return shards.get(stage, 1) * sum(not part.startswith(API) for part in parts)


def _exact(study: Study, shards: Shards, rates: Rates, questions: list[Asked]) -> Iterator[CostRow]:
    own = [one for one in questions if one.method == "choose" and not role(study, one.rater).api]
    if not own:
        return
    n = sum(one.n for one in own)
    tokens = sum(one.n * _shown_tokens(study, rates.size, one) for one in own)
    jobs = _jobs(study, shards, "choose")
    hours = passed_hours(tokens, jobs, rates.size, rates.gpu)
    yield CostRow("choose", jobs, f"{n} questions", tokens, hours, disk=100.0 * n)


def _api(study: Study, rates: Rates, questions: list[Asked]) -> Iterator[CostRow]:
    for name, method in dict.fromkeys((role(study, one.rater).api, one.method) for one in questions):
        own = [one for one in questions if one.method == method and name and role(study, one.rater).api == name]
        if not own:
            continue
        n = sum(one.n for one in own)
        dollars = sum(
            rates.dollars(
                name,
                one.n,
                _shown_tokens(study, rates.size, one),
                study.instruments[one.instrument].sampling.max_tokens if method == "sample" else 1,
            )
            for one in own
        )
        yield CostRow(method, 1, f"{n} questions to {name}", calls=n, dollars=dollars)
    yield from _parsed(study, rates, questions)
    tone = study.parsing.tone
    if tone is not None and tone.name == "llm":
        n = sum(one.n for one in questions if template_of(study.instruments[one.instrument]).kind == "open")
        dollars = rates.dollars(tone.model, n, *JUDGE_TOKENS)
        yield CostRow("judge", 1, f"{n} answers in words", calls=n, dollars=dollars)


def _parsed(study: Study, rates: Rates, questions: list[Asked]) -> Iterator[CostRow]:
    """Sampled answers that no rule can read; how many that are shows only afterwards."""
    closed = set(closed_by_sampling(study))
    sampled = [one for one in questions if (one.instrument, one.rater) in closed]
    if study.parsing.judge is None or not sampled:
        return
    n = sum(one.n for one in sampled)
    longest = max(study.instruments[one.instrument].sampling.max_tokens for one in sampled)
    dollars = rates.dollars(study.parsing.judge, n, 2 * _QUESTION_TOKENS + longest, 1)
    yield CostRow("choose", 1, f"at most {n} unclear answers", calls=n, dollars=dollars)
