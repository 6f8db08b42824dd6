"""The table `instrument_correlations`: whether two instruments say the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.correlation import Correlation, pearson, spearman
from inoc.stats.means import NAN, Estimate
from inoc.stats.reliability import disattenuated
from inoc.stats.structural import reduced_major_axis, weighted_pearson
from inoc.stats.two_groups import adjusted
from inoc.studies.preferences.analyse.measures import Measure, origins_of
from inoc.studies.preferences.analyse.reliability import ALL
from inoc.tables import INDEX, NUMBER, STRING

INSTRUMENT_CORRELATIONS = pa.schema(
    [
        ("first", STRING),  # measure, as in `fits`
        ("second", STRING),
        ("kinds", STRING),  # such as rating-utility, which is stated against revealed
        ("origin", STRING),  # all; within: less the means of origins; between: means of origins; or one origin
        ("statistic", STRING),
        ("value", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("p", NUMBER),
        ("n", INDEX),  # common tasks; of `between`, origins
        ("n_nan", INDEX),
    ]
)
"""Key: first, second, origin, statistic.

`pearson` and `spearman`; `weighted` by 1 / (sigma² + sigma²) of two utilities; `disattenuated`, which is Pearson's r
over the root of both reliabilities; `rma_slope`, the ratio of the standard deviations with the sign of r (reduced major
axis), in units of the second per unit of the first.
"""


def correlation_rows(
    measures: Sequence[Measure], origins: Mapping[str, str], fewest: int, level: float
) -> pd.DataFrame:
    """Rows of `INSTRUMENT_CORRELATIONS`, for every two measures with enough common tasks.

    Args:
        measures: All measures.
        origins: Task → origin.
        fewest: Minimum number of common tasks.
        level: Confidence of the intervals.
    """
    rows: list[tuple[object, ...]] = []
    for one, other in itertools.combinations(measures, 2):
        common = one.values.dropna().index.intersection(other.values.dropna().index)
        if len(common) < fewest:
            continue
        kinds = f"{one.kind}-{other.kind}"
        for origin, statistic, found in _pair(one, other, common, origins, fewest, level):
            rows.append((one.name, other.name, kinds, origin, statistic, *_cells(found)))
    return pd.DataFrame(rows, columns=INSTRUMENT_CORRELATIONS.names)


def _cells(found: Correlation | Estimate) -> tuple[object, ...]:
    if isinstance(found, Correlation):
        return tuple(found)
    return (found.value, found.lo, found.hi, NAN, found.n, found.n_nan)


def _pair(
    one: Measure, other: Measure, common: pd.Index, origins: Mapping[str, str], fewest: int, level: float
) -> Iterator[tuple[str, str, Correlation | Estimate]]:
    x, y = one.values[common].to_numpy(dtype=np.float64), other.values[common].to_numpy(dtype=np.float64)
    r = pearson(x, y, level)
    yield ALL, "pearson", r
    yield ALL, "spearman", spearman(x, y, level)
    yield ALL, "rma_slope", reduced_major_axis(x, y, level)
    if np.isfinite(one.reliability) and np.isfinite(other.reliability):
        plain = Estimate(r.value, r.lo, r.hi, r.n, r.n_nan)
        yield ALL, "disattenuated", disattenuated(plain, one.reliability, other.reliability)
    if one.spread.notna().any() and other.spread.notna().any():
        variances = one.spread[common].to_numpy() ** 2 + other.spread[common].to_numpy() ** 2
        yield ALL, "weighted", Estimate(weighted_pearson(x, y, 1 / variances), NAN, NAN, r.n, 0)
    names = origins_of(list(common), origins)
    if len(set(names)) < 2:
        return
    yield "within", "pearson", adjusted(x, y, names, level)
    means = pd.DataFrame({"x": x, "y": y, "origin": names}).groupby("origin").mean()
    yield "between", "pearson", pearson(means["x"].to_numpy(), means["y"].to_numpy(), level)
    place = np.array(names, dtype=object)
    for origin in sorted(set(names)):
        here = place == origin
        if here.sum() >= fewest:
            yield origin, "pearson", pearson(x[here], y[here], level)
