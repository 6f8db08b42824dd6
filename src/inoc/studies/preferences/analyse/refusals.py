"""The table `refusals`: whether refused tasks are liked less, or more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.correlation import Correlation, pearson
from inoc.stats.means import NAN, Estimate, mean_interval
from inoc.stats.shares import wilson
from inoc.stats.two_groups import adjusted, point_biserial, rank_test, rates_by_quartile
from inoc.studies.preferences.analyse.measures import Measure, origins_of
from inoc.studies.preferences.analyse.reliability import ALL
from inoc.studies.preferences.inputs import Measured
from inoc.tables import INDEX, NUMBER, STRING

REFUSALS = pa.schema(
    [
        ("measure", STRING),  # as in `fits`; empty for rates
        ("of", STRING),  # task: the task was refused; question: the share of its questions that were
        ("source", STRING),  # whose completions, or which instrument and rater
        ("origin", STRING),  # all; adjusted: less the means of origins; or one origin
        ("statistic", STRING),
        ("value", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("p", NUMBER),
        ("n", INDEX),
    ]
)
"""Key: measure, of, source, origin, statistic.

`rate`; `pearson` of refusal with the measure (point-biserial for tasks; positive: refused tasks are liked more);
`mann_whitney_u` with its p, and `auc`, the probability that a refused task is above another; `mean_refused` and
`mean_others`; `rate_q1` to `rate_q4`, rates by quartile of the measure.
"""
FEWEST = 10
"""Tasks of an origin from which on it has rows of its own."""


def refusal_rows(
    measured: Measured,
    measures: Sequence[Measure],
    refused: Mapping[str, pd.Series],
    level: float,
    stored: Mapping[str, pd.Series] | None = None,
) -> pd.DataFrame:
    """Rows of `REFUSALS`.

    Args:
        measured: What was measured, for the refused questions.
        measures: All measures.
        refused: Source → task → whether it was refused, 1 or 0; a measure is paired with its completer, and with every
            source that is no completer, such as an imported file of judgements.
        level: Confidence of the intervals.
        stored: Measure → task → share of its questions that were refused, where only that was imported.
    """
    rows: list[tuple[object, ...]] = []
    origins, completers = measured.origins, {one.completer for one in measures}
    for source, flags in refused.items():
        rows += [("", "task", source, *row) for row in _rates(flags, origins, level)]
        for one in measures:
            if one.completer in ("", source) or source not in completers:
                rows += [(one.name, "task", source, *row) for row in _tasks(one.values, flags, origins, level)]
    for one in measures:
        if stored and one.name in stored:
            own = _shares(one.values, stored[one.name], origins, level)
            rows += [(one.name, "question", one.name, *row) for row in own]
        for source, shares in question_rates(measured).items():
            if source == f"{one.instrument}/{one.rater}":
                rows += [(one.name, "question", source, *row) for row in _shares(one.values, shares, origins, level)]
    return pd.DataFrame(rows, columns=REFUSALS.names)


def task_refusals(completions: pd.DataFrame) -> dict[str, pd.Series]:
    """Completer → task → 1 if its completion without a context was refused (any seed's), else 0; unknown ones not."""
    from inoc.studies.preferences.study import NONE

    plain = completions[(completions["context"] == NONE) & completions["refused"].notna()]
    return {
        str(completer): part.groupby("task")["refused"].max().sort_index()
        for completer, part in plain.groupby("completer", sort=True)
    }


def question_rates(measured: Measured) -> dict[str, pd.Series]:
    """Instrument and rater → task → share of its questions that were refused; a comparison counts for both tasks."""
    pairs = measured.comparisons
    parts = [
        pairs[["instrument", "rater", "category", side]].rename(columns={side: "task"}) for side in ("task_a", "task_b")
    ]
    rows = pd.concat([measured.ratings[["instrument", "rater", "category", "task"]], *parts])
    rows = rows[rows["category"].isin(["answered", "refused"])]
    found = {}
    for who, part in rows.groupby(["instrument", "rater"], sort=True):
        shares = (part["category"] == "refused").groupby(part["task"]).mean().sort_index()
        if shares.gt(0).any():
            found[f"{who[0]}/{who[1]}"] = shares
    return found


def _rates(flags: pd.Series, origins: Mapping[str, str], level: float) -> Iterator[tuple[object, ...]]:
    yield ALL, "rate", *_row(wilson(int(flags.sum()), flags.size, level))
    names = pd.Series(origins_of(list(flags.index), origins), index=flags.index)
    for origin in sorted(set(names) - {""}):
        part = flags[names == origin]
        yield origin, "rate", *_row(wilson(int(part.sum()), part.size, level))


def _row(found: Estimate | Correlation) -> tuple[object, ...]:
    p = found.p if isinstance(found, Correlation) else NAN
    return (found.value, found.lo, found.hi, p, found.n)


def _tasks(
    values: pd.Series, flags: pd.Series, origins: Mapping[str, str], level: float
) -> Iterator[tuple[object, ...]]:
    common = values.dropna().index.intersection(flags.index)
    if len(common) < FEWEST:
        return
    y, marked = values[common].to_numpy(dtype=np.float64), flags[common].to_numpy() > 0
    names = np.array(origins_of(list(common), origins), dtype=object)
    yield from ((ALL, *row) for row in _two_groups(marked, y, level))
    for number, one in enumerate(rates_by_quartile(marked, y, level), start=1):
        yield ALL, f"rate_q{number}", *_row(one)
    if len(set(names)) > 1:
        yield "adjusted", "pearson", *_row(adjusted(marked.astype(np.float64), y, list(names), level))
    for origin in sorted(set(names) - {""}):
        here = names == origin
        if here.sum() >= FEWEST and marked[here].any() and not marked[here].all():
            yield from ((origin, *row) for row in _two_groups(marked[here], y[here], level))


def _two_groups(marked: np.ndarray, y: np.ndarray, level: float) -> Iterator[tuple[object, ...]]:
    if not marked.any() or marked.all():
        return
    yield "pearson", *_row(point_biserial(marked, y))
    test = rank_test(marked, y, level)
    yield "mann_whitney_u", test.u, NAN, NAN, test.p, test.n_with + test.n_without
    yield "auc", *_row(test.auc)
    yield "mean_refused", *_row(mean_interval(y[marked], level))
    yield "mean_others", *_row(mean_interval(y[~marked], level))


def _shares(
    values: pd.Series, shares: pd.Series, origins: Mapping[str, str], level: float
) -> Iterator[tuple[object, ...]]:
    common = values.dropna().index.intersection(shares.index)
    if len(common) < FEWEST:
        return
    x, y = shares[common].to_numpy(dtype=np.float64), values[common].to_numpy(dtype=np.float64)
    yield ALL, "pearson", *_row(pearson(x, y, level))
    names = origins_of(list(common), origins)
    if len(set(names)) > 1:
        yield "adjusted", "pearson", *_row(adjusted(x, y, names, level))
