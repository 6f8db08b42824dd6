"""The table `precision`: how precise the contrasts of a dataset are after how many rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from inoc.stats.means import NAN
from inoc.studies.likelihood_shift.analyse.rows import Row, Scan
from inoc.studies.likelihood_shift.inputs import Column
from inoc.studies.likelihood_shift.precision import half_width
from inoc.tables import FLAG, INDEX, NUMBER, STRING

PRECISION = pa.schema(
    [
        ("dataset", STRING),
        ("rows", INDEX),  # in a seeded order
        # Largest half-width of a 95 % interval of a contrast, nats per token, by `precision.half_width`:
        ("half_width", NUMBER),  # of the contrast over all rows of the dataset; 0 once they are all scored
        ("half_width_population", NUMBER),  # of the contrast over further rows from where the dataset came from
        ("target", NUMBER),  # the study's `scoring.precision`; NaN for none
        ("reached", FLAG),
    ]
)

_STEPS = (1.0, 2.0, 5.0)


def precision_rows(column: Column, scan: Scan, target: float | None) -> list[Row]:
    """Rows of one dataset, at 1, 2 and 5 times the powers of ten, from 50 rows on, and at all."""
    n = column.shifts.shape[1]
    order = np.random.default_rng([scan.seed, 4]).permutation(n)
    measured = [place for place, shifts in enumerate(column.shifts) if not np.isnan(shifts).all()]
    keys = [column.prompts[place] for place in measured]
    own = scan.own.get(column.dataset, "")
    at = keys.index(own) if own in keys else -1
    known = column.shifts[measured][:, order]
    rows: list[Row] = []
    for count in _counts(n):
        half = half_width(known[:, :count], at, column.n_rows)
        beyond = half_width(known[:, :count], at)
        wanted = NAN if target is None else target
        head: Row = {"dataset": column.dataset, "rows": int(count)}
        width: Row = {"half_width": half, "half_width_population": beyond, "target": wanted}
        rows.append({**head, **width, "reached": bool(half <= wanted)})
    return rows


def _counts(n: int) -> NDArray[np.int64]:
    found = [int(step * 10**power) for power in range(1, 9) for step in _STEPS]
    return np.array([*(count for count in found if 50 <= count < n), n], dtype=np.int64)
