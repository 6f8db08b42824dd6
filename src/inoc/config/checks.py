"""Checks that the parts of a study agree, as every kind of study runs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from math import isqrt
from typing import TypeVar

from inoc.config.document import KeyPath, Problem, listed
from inoc.config.models import ModelSpec, SystemTurn, TrainingSpec, WorldSpec

S = TypeVar("S")
Checks = Sequence[tuple[tuple[str, ...], Callable[[S], Iterator[Problem]]]]
"""Names of the sections that a check reads, and the check."""


def problems_of(checks: Checks[S], study: S, sections: Collection[str] | None) -> list[Problem]:
    """All disagreements between the parts of a study.

    Args:
        checks: Of its kind.
        study: The study.
        sections: Names of its well-formed sections; checks that read any other are left out. None: all sections.
    """
    return [
        problem
        for needed, check in checks
        if sections is None or set(needed) <= set(sections)
        for problem in check(study)
    ]


def turn_text(turn: SystemTurn, path: KeyPath) -> Iterator[Problem]:
    """A system turn has a text exactly for `kind: text`.

    Args:
        turn: The system turn.
        path: Its place in the study file.
    """
    if (turn.kind == "text") != bool(turn.text.strip()):
        yield Problem((*path, "text"), f"goes with `kind: text` and with no other; kind = {turn.kind!r}", turn.text)


def computing(model: ModelSpec, path: KeyPath) -> Iterator[Problem]:
    """Layers multiply in 8-bit floating point beside weights in bfloat16 alone.

    Args:
        model: The model.
        path: Its place in the study file.
    """
    if model.compute == "dtype":
        return
    if model.dtype != "bfloat16":
        yield Problem((*path, "compute"), f"goes with `dtype: bfloat16`; dtype = {model.dtype!r}", model.compute)
    if model.quantization is not None:
        yield Problem(
            (*path, "compute"),
            f"goes with no `quantization`, which is {model.quantization!r}: those weights are rounded already",
            model.compute,
        )


def divisors(number: int) -> list[int]:
    """Whole numbers that divide a positive one, ascending. Takes as many tries as its square root."""
    low = [one for one in range(1, isqrt(number) + 1) if number % one == 0]
    return sorted({*low, *(number // one for one in low)})


def micro_batches(training: TrainingSpec, path: KeyPath) -> Iterator[Problem]:
    """The micro-batch size divides the batch size.

    Args:
        training: The training.
        path: Its place in the study file.
    """
    batch, micro = training.batch_size, training.micro_batch_size
    if batch % micro:
        accepted = listed(str(size) for size in divisors(batch))
        default = "" if "batch_size" in training.model_fields_set else " (the default)"
        yield Problem(
            (*path, "micro_batch_size"), f"does not divide batch_size = {batch}{default}; accepted: {accepted}", micro
        )


def moves(training: TrainingSpec, steps: int | None, path: KeyPath) -> Iterator[Problem]:
    """A training is not a single step of a warm-up, whose learning rate is 0, so that nothing would be learned.

    Args:
        training: The training.
        steps: Number of its optimiser steps, as far as it is known.
        path: Its place in the study file.
    """
    if steps == 1 and training.warmup_steps:
        default = "" if "warmup_steps" in training.model_fields_set else " by default"
        yield Problem(
            (*path, "warmup_steps"),
            f"the training has one step, and the learning rate of the first step of a warm-up{default} is 0, so it "
            "would change nothing; accepted: 0, or more steps",
            training.warmup_steps,
        )


def world_sizes(
    world: WorldSpec | None,
    uses: Iterable[tuple[KeyPath, bool, str]],
    contents: Collection[str] = ("facts",),
    place: KeyPath = ("world",),
) -> Iterator[Problem]:
    """There is a section `world` if anything needs it, its sizes fit together, and it has what the study asks about.

    Args:
        world: The section; None if there is none.
        uses: Places that could need it, whether they do, and the value there that says so.
        contents: Accepted contents.
        place: Place of the section in the study file.
    """
    name = ".".join(map(str, place))
    if world is None:
        for path, used, value in uses:
            if used:
                yield Problem(path, f"needs a section `{name}`; add one, `{place[-1]}: {{}}` for its defaults", value)
        return
    if world.heads % 2 or world.hidden_size % world.heads:
        yield Problem(
            (*place, "heads"), f"accepted: an even number that divides hidden_size = {world.hidden_size}", world.heads
        )
    if world.content not in contents:
        yield Problem(
            (*place, "content"), f"is of no use to this study; accepted: {', '.join(contents)}", world.content
        )
