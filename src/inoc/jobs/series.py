"""Plans that one job runs one after the other, where each may depend on what those before it found.

So a job can ask several models, or choose its next questions by the answers so far. The store keeps each plan's units,
and what comes next depends on results alone: a job that was killed makes the same choices again, and asks nothing
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from inoc.store import Store, Unit

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Series(Generic[P, R]):
    """Plans, one after the other.

    Attributes:
        next: Makes the next plan of the results so far, in their order; None ends the job. It must end, and give the
            same plan for the same results.
        place: Where the results of all plans go together, as the stage's plans say it: a folder, or a table.
    """

    next: Callable[[Sequence[R]], P | None]
    place: Path


def run_series(series: Series[P, R], compute: Callable[[P], R]) -> list[R]:
    """Run every plan.

    Args:
        series: The plans.
        compute: Runs one.

    Returns:
        The result of each.
    """
    found: list[R] = []
    while (plan := series.next(found)) is not None:
        found.append(compute(plan))
    return found


def series_units(
    series: Series[P, R], store: Store, units: Callable[[P], Sequence[Unit]], compute: Callable[[P], R]
) -> list[Unit]:
    """The units of a series as far as it is known: up to the first plan that the store lacks a unit of.

    Args:
        series: The plans.
        store: What has been computed.
        units: The units of a plan.
        compute: Reads a plan's results, all of whose units are in the store.
    """
    known: list[Unit] = []
    found: list[R] = []
    while (plan := series.next(found)) is not None:
        own = units(plan)
        known += own
        if store.missing(own):
            break
        found.append(compute(plan))
    return known
