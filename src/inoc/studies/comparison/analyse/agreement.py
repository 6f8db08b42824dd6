"""Agreement of two studies over the rows that they have in common."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from inoc.stats.correlation import pearson, spearman
from inoc.stats.crossed import within as kept_within
from inoc.stats.means import NAN, Estimate, Floats, mean_interval, share_interval
from inoc.studies.comparison.measures import Matched

SEPARATOR = " · "
Row = dict[str, object]


def agreement(table: pd.DataFrame, one: Matched, confidence: float) -> list[Row]:
    """Statistics over common rows, apart for each value of the columns that are not to be mixed.

    Args:
        table: Rows of `differences` of one measure and two studies.
        one: The measure.
        confidence: Level of the intervals.

    Returns:
        Rows with `within`, statistic, value, lo, hi, p, n and n_nan, where n counts common rows.
    """
    keys = [key for key in one.of.within if key in one.keys]
    groups = list(table.groupby(keys, sort=False)) if keys else [((), table)]
    rows: list[Row] = []
    for name, part in groups:
        names = name if isinstance(name, tuple) else (name,)
        within = SEPARATOR.join(str(value) for value in names if value != "")
        rows += [{"within": within, **row} for row in _statistics(part, signed=one.of.signed, confidence=confidence)]
    return rows


def _statistics(part: pd.DataFrame, *, signed: bool, confidence: float) -> list[Row]:
    first, second = (part[name].to_numpy(dtype=float) for name in ("first_value", "second_value"))
    apart = second - first
    rows: list[Row] = [
        {"statistic": name, **correlate(first, second, confidence)._asdict()}
        for name, correlate in (("pearson", pearson), ("spearman", spearman))
    ]
    if signed:
        rows.append(_row("same_sign", share_interval(same_signs(first, second), confidence)))
    rows.append(_row("mean_difference", mean_interval(apart, confidence)))
    rows.append(_row("mean_absolute_difference", kept_within(mean_interval(np.abs(apart), confidence), 0, math.inf)))
    return rows


def same_signs(first: Floats, second: Floats) -> Floats:
    """1 where two numbers have the same sign, or both are 0; else 0. NaN where one is NaN."""
    same = (np.sign(first) == np.sign(second)).astype(np.float64)
    return np.where(np.isnan(first) | np.isnan(second), NAN, same)


def _row(statistic: str, found: Estimate) -> Row:
    return {"statistic": statistic, **found._asdict(), "p": NAN}
