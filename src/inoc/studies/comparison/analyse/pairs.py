"""Differences between two studies: from single measurements of the same things, else from the two intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inoc.analyse.comparable import Units
from inoc.errors import DataError
from inoc.stats.contrasts import Contrast, contrast_of
from inoc.stats.means import Estimate, Floats
from inoc.stats.prediction import benjamini_hochberg
from inoc.stats.two_estimates import difference_of_estimates
from inoc.stats.utilities.link import link
from inoc.studies.comparison.analyse.rows import NUMBERS, Key
from inoc.studies.comparison.measures import Matched
from inoc.studies.shared.captions import records

PAIRED = "paired"
INTERVALS = "intervals"
FEWEST_SHARED = 0.5
"""Share of the single measurements of either study that must be the other's too for a row to be paired."""

Places = tuple[NDArray[np.int64], NDArray[np.int64]]
Side = Mapping[Key, Units]


class Pairing:
    """Places of the common names of two lists, found once for all rows that share the lists."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], Places] = {}

    def differences(self, first: Units, second: Units) -> Floats | None:
        """Second less first for the common measurements; None if too few are common."""
        key = (id(first.names), id(second.names))
        if key not in self._found:
            self._found[key] = _common(first.names, second.names)
        one, other = self._found[key]
        fewest = FEWEST_SHARED * max(len(first.names), len(second.names))
        if len(one) < max(2, fewest):
            return None
        return np.asarray(second.values[other] - first.values[one])


def _common(first: Sequence[str], second: Sequence[str]) -> Places:
    places = {name: at for at, name in enumerate(first)}
    pairs = [(places[name], at) for at, name in enumerate(second) if name in places]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def linked(matched: pd.DataFrame, one: Matched) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Rows with the second study's numbers on the scale of the first, and groups that have no common scale.

    Args:
        matched: Common rows, with value, lo and hi of both studies.
        one: The measure.
    """
    within = [key for key in one.of.within if key in one.keys]
    if not one.of.linked:
        return matched, []
    parts, failed = [], []
    for name, part in matched.groupby(within, sort=False) if within else [("all", matched)]:
        try:
            found = link(part["value_1"].to_numpy(dtype=float), part["value_2"].to_numpy(dtype=float))
        except DataError as error:
            failed.append((" ".join(map(str, name)) if isinstance(name, tuple) else str(name), str(error)))
            continue
        moved = {f"{side}_2": found.moved(part[f"{side}_2"].to_numpy(dtype=float)) for side in ("value", "lo", "hi")}
        parts.append(part.assign(**moved))
    return (pd.concat(parts, ignore_index=True) if parts else matched.iloc[:0]), failed


def differences(matched: pd.DataFrame, one: Matched, first: Side, second: Side, confidence: float) -> pd.DataFrame:
    """A row for each common row of two studies, with the second's number less the first's.

    Args:
        matched: Common rows: the columns of `one.keys`, and of each study value, lo, hi, n and n_nan, which end in `_1`
            and `_2`.
        one: The measure.
        first: Single measurements of the first study, where they may be paired.
        second: Those of the second.
        confidence: Level of the intervals.

    Returns:
        The keys, first_value, second_value, difference, lo, hi, p, q, n, n_nan, how and unit. q is the
        false-discovery rate over these rows.
    """
    pairing, rows = Pairing(), []
    for record in records(matched):
        key = tuple(str(record[name]) for name in one.keys)
        found, method = _difference(record, first.get(key), second.get(key), pairing, confidence)
        rows.append(
            {
                **{name: record[name] for name in one.keys},
                "first_value": record["value_1"],
                "second_value": record["value_2"],
                "difference": found.value,
                **{name: getattr(found, name) for name in ("lo", "hi", "p", "n", "n_nan")},
                "how": method,
                "unit": one.of.unit if method == PAIRED else "",
            }
        )
    names = [*one.keys, "first_value", "second_value", "difference", "lo", "hi", "p", "n", "n_nan", "how", "unit"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(q=benjamini_hochberg(table["p"].to_numpy(dtype=float)))


def _difference(
    record: Mapping[str, object], first: Units | None, second: Units | None, pairing: Pairing, confidence: float
) -> tuple[Contrast, str]:
    paired = None if first is None or second is None else pairing.differences(first, second)
    if paired is not None:
        return contrast_of(paired, confidence), PAIRED
    one, other = (_estimate(record, ending) for ending in ("_1", "_2"))
    return difference_of_estimates(one, other, confidence), INTERVALS


def _estimate(record: Mapping[str, object], ending: str) -> Estimate:
    value, lo, hi, n, n_nan = (float(str(record[name + ending])) for name in NUMBERS)
    return Estimate(value, lo, hi, int(np.nan_to_num(n)), int(np.nan_to_num(n_nan)))
