"""Settings of a study file that would save GPU time, by the rates of its plan.

A setting is tried in a copy of the study whose costs are computed again. So a saving is as true as the plan is: whether
more rows fit in memory, for example, only the job finds out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from inoc.config.models import BaseStudy, ModelSpec, ModelStudy, Sampling, TrainingSpec
from inoc.errors import ConfigError
from inoc.jobs.costs import CostRow
from inoc.progress import duration
from inoc.stages import all_stages, kind_named, load

Cost = Callable[[BaseStudy], Sequence[CostRow]]
Place = tuple[tuple[str, bool], ...]
"""Names from the study file's top down, each with whether it is a key that the study chose."""

LEAST = 0.01  # share of all GPU time that a setting must save to be named
MORE = 1.1  # times what a smaller number saves, that a larger one must save
MOST_NAMED = 5
ROWS = (8, 16, 32, 64)  # at a time, in training
REQUESTS = (256, 512)  # at a time, in sampling with transformers


class Saving(NamedTuple):
    """A setting, and what it would change.

    Attributes:
        setting: As the study file says it; `*` stands for each key of a section.
        hours: GPU-hours that it saves.
        anew: Whether results are computed anew, under keys of their own; else what is in the store is kept.
    """

    setting: str
    hours: float
    anew: bool


class _Change(NamedTuple):
    setting: str
    apply: Callable[[BaseStudy], BaseStudy]
    anew: bool
    instead: str  # changes of the same thing, of which one is chosen


def savings(study: BaseStudy, cost: Cost) -> tuple[list[Saving], float]:
    """Settings that would save GPU time, the largest saving first, and GPU-hours of the study with all of them.

    Args:
        study: The study.
        cost: Its rows, or those of a changed copy.

    Returns:
        Each saving is that of the setting alone. Settings that the kind's checks refuse are left out.
    """
    before = _hours(cost(study))
    if not isinstance(study, ModelStudy) or not before > 0:
        return [], before
    best: dict[str, tuple[Saving, _Change]] = {}
    for change in _changes(study):
        changed = change.apply(study)
        if _refused(changed, study):
            continue
        try:
            saved = before - _hours(cost(changed))
        except ConfigError:
            continue  # the GPU of the plan cannot do it
        known = best.get(change.instead)
        # More at a time takes more memory, so it must save clearly more.
        if saved >= LEAST * before and (known is None or saved > MORE * known[0].hours):
            best[change.instead] = Saving(change.setting, saved, change.anew), change
    named = sorted(best.values(), key=lambda one: -one[0].hours)[:MOST_NAMED]
    everything: BaseStudy = study
    for _, change in named:
        everything = change.apply(everything)
    return [saving for saving, _ in named], _hours(cost(everything))


def by_the_clock(rows: Iterable[CostRow], gpus: int) -> float:
    """Hours until the last job of the last stage, if so many GPUs share the jobs of each stage equally."""
    return sum(row.gpu_hours / max(1, min(row.jobs, gpus)) for row in rows if row.gpu_hours)


def split(rows: Iterable[CostRow], n: int) -> dict[str, int]:
    """The `shards` of a study whose stages are split into so many jobs, as far as they can be."""
    known = all_stages()
    named = dict.fromkeys(known[row.stage].shards for row in rows if row.gpu_hours)
    return {name: n for name in named if name}


def saving_lines(found: Sequence[Saving], with_all: float) -> list[str]:
    """The settings as text, a line each."""
    if not found:
        return []
    width = max(len(one.setting) for one in found)
    lines = ["Would save GPU time, by the same rates, where memory allows:"]
    for one in found:
        kept = "results are computed anew" if one.anew else "results in the store stay"
        lines.append(f"  {one.setting.ljust(width)}  {duration(3600 * one.hours)}, {kept}")
    together = f"  {'with all of these' if len(found) > 1 else 'with it'}: {duration(3600 * with_all)}"
    return [*lines, together]


def _hours(rows: Iterable[CostRow]) -> float:
    return sum(row.gpu_hours for row in rows)


def _refused(changed: BaseStudy, study: BaseStudy) -> bool:
    """Whether the kind's checks find something wrong that was not wrong before."""
    problems: Callable[[BaseStudy, Collection[str] | None], list[Any]] = load(kind_named(study.kind).problems)
    return len(problems(changed, None)) > len(problems(study, None))


def _changes(study: ModelStudy) -> Iterator[_Change]:
    trained: dict[str, list[TrainingSpec]] = {}
    sampled: dict[str, list[Sampling]] = {}
    for place, section in _sections(study, ()):
        if isinstance(section, TrainingSpec):
            trained.setdefault(_pattern(place), []).append(section)
        elif isinstance(section, Sampling):
            sampled.setdefault(_pattern(place), []).append(section)
    for path, recipes in trained.items():
        for n in ROWS:
            if all(n > one.micro_batch_size and not one.batch_size % n for one in recipes):
                yield _change(path, "micro_batch_size", n, TrainingSpec, f"{path} rows", anew=False)
    plain = study.model.quantization is None
    for path, ways in sampled.items():
        if any(one.engine != "transformers" for one in ways):
            continue
        for n in REQUESTS:
            if all(n > one.batch_size for one in ways):
                yield _change(path, "batch_size", n, Sampling, f"{path} sampling", anew=False)
        if plain:
            yield _change(path, "engine", "vllm", Sampling, f"{path} sampling", anew=True)
    if plain and study.model.compute == "dtype" and study.model.dtype == "bfloat16":
        yield _change("model", "compute", "fp8", ModelSpec, "compute", anew=True)


def _change(path: str, field: str, value: object, of: type[BaseModel], instead: str, *, anew: bool) -> _Change:
    def apply(study: BaseStudy) -> BaseStudy:
        changed: BaseStudy = _with(study, (), path, of, {field: value})
        return changed

    return _Change(f"{path}.{field}: {value}", apply, anew, instead)


def _pattern(path: Place) -> str:
    """A place in the study file, with `*` for keys that the study chose."""
    return ".".join("*" if free else name for name, free in path)


def _sections(value: object, path: Place) -> Iterator[tuple[Place, BaseModel]]:
    """Every section of a study with its place."""
    if isinstance(value, BaseModel):
        yield path, value
        for name in type(value).model_fields:
            yield from _sections(getattr(value, name), (*path, (name, False)))
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _sections(one, (*path, (str(name), True)))


def _with(value: Any, path: Place, pattern: str, of: type[BaseModel], update: dict[str, object]) -> Any:
    """A copy in which the sections at a pattern are changed."""
    if isinstance(value, BaseModel):
        if isinstance(value, of) and _pattern(path) == pattern:
            return value.model_copy(update=update)
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        changed = {name: _with(one, (*path, (name, False)), pattern, of, update) for name, one in fields.items()}
        return value.model_copy(update={name: one for name, one in changed.items() if one is not fields[name]})
    if isinstance(value, dict):
        made = {name: _with(one, (*path, (str(name), True)), pattern, of, update) for name, one in value.items()}
        return made if any(made[name] is not value[name] for name in made) else value
    return value
