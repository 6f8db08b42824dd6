"""The table `precision`: how precise the contrasts of a dataset are after how many rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from inoc.stats.means import NAN, Floats, t_quantile
from inoc.studies.likelihood_shift.analyse.rows import Row, Scan
from inoc.studies.likelihood_shift.inputs import Column
from inoc.tables import FLAG, INDEX, NUMBER, STRING

PRECISION = pa.schema(
    [
        ("dataset", STRING),
        ("rows", INDEX),  # in a seeded order
        ("half_width", NUMBER),  # nats per token: largest half-width of a contrast between two prompts after so many
        ("target", NUMBER),  # the study's `scoring.precision`; NaN for none
        ("reached", FLAG),
    ]
)

_STEPS = (1.0, 2.0, 5.0)


def largest_half_width(shifts_PN: Floats, confidence: float) -> float:
    """Half-width of the least precise contrast between two prompts on the same rows, nats per token.

    Args:
        shifts_PN: Prompts × rows; a row that lacks a prompt is left out.
        confidence: Level of the intervals.

    Returns:
        NaN for fewer than two rows or two prompts.
    """
    whole = shifts_PN[:, ~np.isnan(shifts_PN).any(axis=0)]
    n_prompts, n = whole.shape
    if n < 2 or n_prompts < 2:
        return NAN
    covariance = np.atleast_2d(np.cov(whole))
    own = np.diag(covariance)
    spread = float((own[:, None] + own[None, :] - 2 * covariance).max())
    half: float = t_quantile(n - 1, confidence) * (max(spread, 0.0) / n) ** 0.5
    return half


def precision_rows(column: Column, scan: Scan, target: float | None) -> list[Row]:
    """Rows of one dataset, at 1, 2 and 5 times the powers of ten, from 50 rows on, and at all."""
    n = column.shifts.shape[1]
    order = np.random.default_rng([scan.seed, 4]).permutation(n)
    known = column.shifts[~np.isnan(column.shifts).all(axis=1)][:, order]
    rows: list[Row] = []
    for count in _counts(n):
        half = largest_half_width(known[:, :count], scan.confidence)
        wanted = NAN if target is None else target
        head: Row = {"dataset": column.dataset, "rows": int(count), "half_width": half, "target": wanted}
        rows.append({**head, "reached": bool(half <= wanted)})
    return rows


def _counts(n: int) -> NDArray[np.int64]:
    found = [int(step * 10**power) for power in range(1, 9) for step in _STEPS]
    return np.array([*(count for count in found if 50 <= count < n), n], dtype=np.int64)
