"""The table `contexts`: what system turns do to ratings, at completion and at measurement."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.means import Estimate, mean_interval
from inoc.stats.paired import main_effects, paired_effect
from inoc.studies.preferences.analyse.reliability import ALL
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.study import NONE
from inoc.tables import INDEX, NUMBER, STRING

CONTEXTS = pa.schema(
    [
        ("instrument", STRING),
        ("rater", STRING),
        ("completer", STRING),
        ("origin", STRING),
        ("context_completion", STRING),  # all: over all of them, for main effects
        ("context_measurement", STRING),
        ("statistic", STRING),
        ("value", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),  # tasks that are left out, because a cell lacks them or a completion gives its turn away
    ]
)
"""Key: instrument, rater, completer, origin, both contexts, statistic.

`mean` of each cell, over tasks that all cells have; against the cell without contexts `difference`, paired by task, and
the shares of tasks `higher`, `tie` and `lower`, which add up to 1; `main_effect` of a context of one side, averaged
over the contexts of the other, where the cells are crossed.
"""


def context_rows(measured: Measured, level: float, *, drop_mentions: bool) -> pd.DataFrame:
    """Rows of `CONTEXTS`, for every instrument, rater and completer with more than one cell.

    Args:
        measured: What was measured, without reversed instruments.
        level: Confidence of the intervals.
        drop_mentions: Whether tasks are left out, in all cells, of which a completion mentions its system turn.
    """
    rows: list[tuple[object, ...]] = []
    for who, part in measured.ratings.groupby(["instrument", "rater", "completer"], sort=True):
        if len(part[["context_completion", "context_measurement"]].drop_duplicates()) < 2:
            continue
        mentioned = mentioning(measured.completions, str(who[2])) if drop_mentions else set()
        names = [ALL, *sorted(set(part["origin"]) - {""})]
        for origin in names if len(names) > 2 else [ALL]:
            here = part if origin == ALL else part[part["origin"] == origin]
            rows += [(*who, origin, *row) for row in _cells(here, mentioned, level)]
    return pd.DataFrame(rows, columns=CONTEXTS.names)


def mentioning(completions: pd.DataFrame, completer: str) -> set[str]:
    """Tasks of which a completion in any context mentions its system turn."""
    own = completions[completions["completer"] == completer]
    return set(own.loc[own["mentions"] == 1, "task"])


def _cells(rows: pd.DataFrame, mentioned: set[str], level: float) -> Iterator[tuple[object, ...]]:
    value = rows["expectation"].where(rows["expectation"].notna(), rows["value"])
    means = value.groupby([rows["task"], rows["context_completion"], rows["context_measurement"]]).mean()
    table = means.unstack(["context_completion", "context_measurement"])
    names = [(str(one[0]), str(one[1])) for one in table.columns.to_list()]
    cells = sorted(names, key=lambda cell: (cell != (NONE, NONE), cell))
    whole = table[~table.index.isin(mentioned)].dropna()
    left_out = len(table) - len(whole)
    if whole.empty:
        return
    for cell in cells:
        found = mean_interval(whole[cell].to_numpy(dtype=np.float64), level)
        yield *cell, "mean", *found._replace(n_nan=left_out)
        if (NONE, NONE) in names and cell != (NONE, NONE):
            effect = paired_effect(whole[cell].to_numpy(), whole[(NONE, NONE)].to_numpy(), confidence=level)
            for name in ("difference", "higher", "tie", "lower"):
                one: Estimate = getattr(effect, name)
                yield *cell, name, *one._replace(n_nan=left_out)
    yield from _main(whole, cells, left_out, level)


def _main(
    whole: pd.DataFrame, cells: list[tuple[str, str]], left_out: int, level: float
) -> Iterator[tuple[object, ...]]:
    first = sorted({cell[0] for cell in cells}, key=lambda one: (one != NONE, one))
    second = sorted({cell[1] for cell in cells}, key=lambda one: (one != NONE, one))
    if len(cells) < len(first) * len(second) or NONE not in first or NONE not in second:
        return
    blocks = np.array([[whole[(a, b)].to_numpy(dtype=np.float64) for b in second] for a in first])
    completion, measurement = main_effects(blocks, 0, level)
    for name, one in list(zip(first, completion, strict=True))[1:]:
        yield name, ALL, "main_effect", *one._replace(n_nan=left_out)
    for name, one in list(zip(second, measurement, strict=True))[1:]:
        yield ALL, name, "main_effect", *one._replace(n_nan=left_out)
