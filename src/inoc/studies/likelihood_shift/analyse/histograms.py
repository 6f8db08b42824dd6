"""Histograms of shifts and counts of dropped rows, from one dataset at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from inoc.tables import INDEX, NUMBER, STRING

if TYPE_CHECKING:
    from inoc.studies.likelihood_shift.inputs import Column

HISTOGRAMS = pa.schema(
    [("dataset", STRING), ("prompt", STRING), ("bin_lo", NUMBER), ("bin_hi", NUMBER), ("count", INDEX)]
)
"""`analyse/histograms`: rows of a dataset by their shift under a prompt, in nats per token.

All prompts of a dataset have the same bins. A bin holds its lower edge, and the last also its upper one. Rows whose
shift failed are in none. Key: dataset, prompt, bin_lo.
"""
ROW_COUNTS = pa.schema([("dataset", STRING), ("reason", STRING), ("n", INDEX)])
"""`analyse/row_counts`: rows of each dataset that were scored (reason `scored`), and those that were counted for
another reason: dropped, or kept although they are duplicates. Key: dataset, reason."""
BINS = 60
MIDDLE = (0.005, 0.995)
MARGIN = 0.05


class Bar(NamedTuple):
    """One bin of a histogram."""

    dataset: str
    prompt: str
    bin_lo: float  # nats per token
    bin_hi: float
    count: int  # type: ignore[assignment]  # the column's name, which a tuple has a method of


def edges_of(shifts: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Edges of equal bins over the middle of all values, and of one more bin at either end for what lies beyond.

    Args:
        shifts: Any shape; values that are not finite are left out.
        bins: Equal bins over the quantiles 0.5 % to 99.5 %, widened by 5 % at either end.

    Returns:
        Ascending edges that hold every finite value; empty without any.
    """
    known = shifts[np.isfinite(shifts)]
    if not known.size:
        return np.empty(0)
    low, high = (float(bound) for bound in np.quantile(known, MIDDLE))
    margin = MARGIN * (high - low) or max(1e-6, 1e-3 * abs(low))
    middle = np.linspace(low - margin, high + margin, bins + 1)
    least, most = float(known.min()), float(known.max())
    below = [least] if least < middle[0] else []
    above = [most] if most > middle[-1] else []
    return np.concatenate([below, middle, above])


def histogram_rows(column: Column, bins: int = BINS) -> Iterator[Bar]:
    """Histograms of a dataset's shifts under each of its prompts.

    Args:
        column: Shifts of one dataset.
        bins: As for `edges_of`.
    """
    edges = edges_of(column.shifts, bins)
    if not edges.size:
        return
    for prompt, shifts in zip(column.prompts, column.shifts, strict=True):
        counts, _ = np.histogram(shifts[np.isfinite(shifts)], edges)
        for low, high, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True):
            yield Bar(column.dataset, prompt, low, high, count)


def count_rows(column: Column) -> list[tuple[str, str, int]]:
    """Rows of `row_counts` of a dataset.

    Args:
        column: Shifts of one dataset.
    """
    counts = {"scored": len(column.ids), **column.n_dropped}
    return [(column.dataset, reason, int(n)) for reason, n in counts.items()]
