"""The table `agreement`: whether the projection of a row and its likelihood shift say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from scipy.stats import fisher_exact

from inoc.stats.correlation import pearson, spearman
from inoc.stats.means import NAN, Floats
from inoc.stats.shares import wilson
from inoc.studies.subliminal.analyse.persona_answers import Row
from inoc.studies.subliminal.analyse.projections import Projected, differences
from inoc.tables import INDEX, NUMBER, STRING

AGREEMENT = pa.schema(
    [
        ("dataset", STRING),
        ("vector", STRING),
        ("readout", STRING),
        ("site", STRING),
        ("measure", STRING),
        ("reference", STRING),  # dataset whose row of the same prompt is subtracted from the projection; or empty
        ("under", STRING),  # prompt of the likelihood shift
        ("statistic", STRING),  # pearson, spearman; same_half: share of rows on the same side of both medians
        ("value", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("p", NUMBER),  # two-sided, of no relation, for which `same_half` is 0.5
        ("n", INDEX),  # rows with both
        ("n_nan", INDEX),
    ]
)


def agreement_rows(
    found: Mapping[str, Projected],
    shifts: Mapping[str, Mapping[str, float]],
    under: Mapping[str, str],
    neutral: str,
    confidence: float,
) -> list[Row]:
    """Rows for each dataset with likelihood shifts on one vector.

    Args:
        found: Dataset → its projections, all on one vector at one site in one measure.
        shifts: Dataset → row → likelihood shift, nats per token.
        under: Dataset → prompt of its shifts.
        neutral: Dataset that differences are taken from; empty for none.
        confidence: Level of the intervals.
    """
    rows: list[Row] = []
    for dataset, own in found.items():
        if dataset not in shifts:
            continue
        cases = [("", list(own.ids), own.values)]
        if neutral in found and dataset != neutral:
            moved = differences(own, found[neutral])
            cases.append((neutral, moved.ids, moved.values))
        for reference, ids, values in cases:
            lls = np.array([shifts[dataset].get(row, NAN) for row in ids], dtype=np.float64)
            head: Row = {
                "dataset": dataset,
                **dict(zip(("vector", "readout", "site", "measure"), own.place, strict=True)),
            }
            head |= {"reference": reference, "under": under.get(dataset, "")}
            rows += [{**head, **row} for row in _statistics(values, lls, confidence)]
    return rows


def _statistics(values: Floats, lls: Floats, confidence: float) -> Iterator[Row]:
    for statistic, compute in (("pearson", pearson), ("spearman", spearman)):
        r = compute(values, lls, confidence)
        yield {"statistic": statistic, "value": r.value, "lo": r.lo, "hi": r.hi, "p": r.p, "n": r.n, "n_nan": r.n_nan}
    known = ~(np.isnan(values) | np.isnan(lls))
    n = int(known.sum())
    same, p = 0, NAN
    if n:
        sides = [one[known] >= np.median(one[known]) for one in (values, lls)]
        same = int((sides[0] == sides[1]).sum())
        # Both medians fix the margins, so the exact test of the four counts is Fisher's.
        table = [[int(((sides[0] == i) & (sides[1] == j)).sum()) for j in (True, False)] for i in (True, False)]
        p = float(fisher_exact(table).pvalue)
    share = wilson(same, n, confidence, values.size - n)
    cells: Row = {"value": share.value, "lo": share.lo, "hi": share.hi, "p": p, "n": n, "n_nan": share.n_nan}
    yield {"statistic": "same_half", **cells}
