"""The table `confounds`: the format of answers, over a dataset and by quintile of its shift under its own prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.errors import DataError
from inoc.stats.correlation import spearman
from inoc.stats.means import NAN, Estimate, Floats, mean_interval, t_quantile
from inoc.stats.shares import wilson
from inoc.studies.likelihood_shift.analyse.rows import ALL, Row, Scan, interval
from inoc.studies.likelihood_shift.formats import feature_names
from inoc.studies.likelihood_shift.inputs import Column
from inoc.studies.shared.splitting import Rows, quantile_parts
from inoc.tables import INDEX, NUMBER, STRING

CONFOUNDS = pa.schema(
    [
        ("dataset", STRING),
        ("feature", STRING),  # one of `formats.TEXT_FEATURES` and `NUMBER_FEATURES`
        ("part", STRING),  # all, q1 to q5 by the shift under the own prompt, or rho
        ("value", NUMBER),  # share of answers, or of their values; mean; for rho, Spearman's correlation with the shift
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),  # answers
        ("n_nan", INDEX),
    ]
)

SHARES = ("brackets", "one_per_line", "increasing", "decreasing", "ten_numbers")
QUANTILES = 5


class Format(NamedTuple):
    """Format of the answers of one dataset, aligned with the rows of its column."""

    names: Sequence[str]
    values: Floats  # rows × features; NaN where an answer is not known


def confound_rows(column: Column, found: Format, scan: Scan) -> list[Row]:
    """Rows of one dataset; by quintile if it was scored under its own prompt."""
    own = scan.own.get(column.dataset, "")
    if own not in column.prompts:
        return format_rows(column.dataset, found, {}, None, scan.confidence)
    shifts = column.shifts[column.prompts.index(own)]
    try:
        parts = {part.name: part.rows for part in quantile_parts(shifts, QUANTILES)}
    except DataError:  # too few rows that differ
        return format_rows(column.dataset, found, {}, None, scan.confidence)
    return format_rows(column.dataset, found, parts, shifts, scan.confidence)


def format_rows(
    dataset: str, found: Format, parts: Mapping[str, Rows], shifts: Floats | None, confidence: float
) -> list[Row]:
    """Rows of one dataset and of parts of it.

    Args:
        dataset: Its key.
        found: Format of its answers.
        parts: Part → its rows.
        shifts: Of the rows, for correlations; None if they are not known.
        confidence: Level of the intervals.
    """
    parts = {ALL: np.arange(len(found.values)), **parts}
    rows: list[Row] = []
    for feature in found.names:
        for part, members in parts.items():
            estimate = _estimate(feature, found, members, confidence)
            rows.append({"dataset": dataset, "feature": feature, "part": part, **interval(estimate)})
        if shifts is not None:
            rho = spearman(found.values[:, found.names.index(feature)], shifts, confidence)
            cells = interval(Estimate(rho.value, rho.lo, rho.hi, rho.n, rho.n_nan))
            rows.append({"dataset": dataset, "feature": feature, "part": "rho", **cells})
    return rows


def _estimate(feature: str, found: Format, members: np.ndarray, confidence: float) -> Estimate:
    values = found.values[members, found.names.index(feature)]
    if feature in SHARES:
        known = values[~np.isnan(values)]
        return wilson(int(known.sum()), known.size, confidence, values.size - known.size)
    if feature == "small_values":
        return ratio_of_sums(values, found.values[members, found.names.index("n_numbers")], confidence)
    return mean_interval(values, confidence)


def ratio_of_sums(shares: Floats, sizes: Floats, confidence: float) -> Estimate:
    """Share over all values of answers with several values each: the answers are the units of the interval.

    Args:
        shares: Share of each answer's values.
        sizes: Number of each answer's values.
        confidence: Level of the interval.
    """
    known = ~np.isnan(shares) & ~np.isnan(sizes)
    part, size = shares[known] * sizes[known], sizes[known]
    n, n_nan = int(known.sum()), int((~known).sum())
    if not n or not size.sum():
        return Estimate(NAN, NAN, NAN, n, n_nan)
    value = float(part.sum() / size.sum())
    if n < 2:
        return Estimate(value, NAN, NAN, n, n_nan)
    residuals = (part - value * size) / size.mean()
    half = t_quantile(n - 1, confidence) * float(residuals.std(ddof=1)) / n**0.5
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), n, n_nan)


def mean_format(formats: Iterator[Format]) -> tuple[tuple[str, ...], Floats]:
    """Names of the features that all datasets have, and their mean over datasets, each counting once."""
    means = [dict(zip(one.names, _known_mean(one.values), strict=True)) for one in formats]
    names = tuple(name for name in feature_names(of_numbers=True) if means and all(name in one for one in means))
    return names, np.array([np.mean([one[name] for one in means]) for name in names], dtype=np.float64)


def _known_mean(values: Floats) -> list[float]:
    known = ~np.isnan(values)
    totals = np.where(known, values, 0).sum(axis=0)
    found: list[float] = np.divide(
        totals, known.sum(axis=0), out=np.full(len(totals), NAN), where=known.any(axis=0)
    ).tolist()
    return found
