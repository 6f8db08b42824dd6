"""The table `steering_slopes`: the effect of each vector per unit of the coefficient, beside what random ones do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.bootstrap import percentile_bounds
from inoc.stats.contrasts import Contrast
from inoc.stats.dose import rank_p, slope_over
from inoc.stats.means import NAN, Floats
from inoc.studies.preferences.analyse.dose_response import Bounds, Row, Swept, swept
from inoc.studies.preferences.steering_vectors import COMBINATION, NULLS, RANDOM, kind_of
from inoc.tables import INDEX, NUMBER, STRING

STEERING_SLOPES = pa.schema(
    [
        ("vector", STRING),
        ("kind", STRING),  # own; or a null: random, combination (of activations), shuffled
        ("site", STRING),
        ("target", STRING),
        ("text", STRING),
        ("answers", STRING),  # all, coherent
        ("slope", NUMBER),  # mean over tasks, or pairs in one order, of their own slopes: values per unit
        ("lo", NUMBER),  # tasks are the unit
        ("hi", NUMBER),
        ("p", NUMBER),  # two-sided, of no slope
        ("null_lo", NUMBER),  # the middle 95 % of the slopes of random vectors; NaN without any
        ("null_hi", NUMBER),
        ("null_p", NUMBER),  # share of random vectors with as steep a slope, the vector among them
        ("beyond", INDEX),  # random vectors with a less steep slope
        ("n_random", INDEX),
        ("combination_lo", NUMBER),  # the same of combinations of activations, the stricter null
        ("combination_hi", NUMBER),
        ("combination_p", NUMBER),
        ("beyond_combinations", INDEX),
        ("n_combinations", INDEX),
        ("n", INDEX),  # tasks, or pairs in one order, with a slope
        ("n_nan", INDEX),  # those with answers at too few coefficients
        ("usable_lo", NUMBER),  # the largest coefficients on both sides up to which answers stay coherent
        ("usable_hi", NUMBER),
    ]
)
"""Key: vector, site, target, answers."""


def slope_rows(trials: pd.DataFrame, bounds: Bounds, confidence: float) -> list[Row]:
    """Rows of `STEERING_SLOPES`.

    Args:
        trials: Columns of `steering_trials.TRIAL`.
        bounds: Of coherence.
        confidence: Level of the intervals.
    """
    found: dict[tuple[str, str], list[tuple[Swept, Contrast]]] = {}
    for one in swept(trials):
        for which in ("all", "coherent"):
            key = one.key["target"] + "|" + one.key["site"], which
            found.setdefault(key, []).append((one, slope_over(one.doses(which, bounds), confidence)))
    return [
        _row(one, which, slope, [_null(one.key["vector"], kind, own) for kind in NULLS], bounds, confidence)
        for (_, which), own in found.items()
        for one, slope in own
    ]


def strictest_p(row: Mapping[Any, Any]) -> float:
    """Two-sided p of a slope among those of combinations of activations, or of random vectors where there are none.

    Shuffled labels are judged by it: their probe is a direction in which activations differ.

    Args:
        row: A row of `STEERING_SLOPES`.
    """
    return float(row["combination_p" if row["n_combinations"] else "null_p"])


def _null(vector: str, kind: str, own: list[tuple[Swept, Contrast]]) -> Floats:
    """Slopes of the vectors of a null that a vector is compared with, without itself."""
    names = [(one.key["vector"], slope.value) for one, slope in own]
    found = np.array(
        [
            value
            for name, value in names
            if kind_of(name) == kind and name != vector and ("/" not in name or name.endswith(f"/{vector}"))
        ],
        dtype=np.float64,
    )
    return found[~np.isnan(found)]


_BESIDE = {
    RANDOM: ("null_lo", "null_hi", "null_p", "beyond", "n_random"),
    COMBINATION: (
        "combination_lo",
        "combination_hi",
        "combination_p",
        "beyond_combinations",
        "n_combinations",
    ),
}
"""Kind of a null → columns of bounds, p, number of less steep ones, and number."""


def _beside(value: float, kind: str, null: Floats, confidence: float) -> Row:
    lo, hi = percentile_bounds(null, confidence) if null.size else (NAN, NAN)
    less = int((np.abs(null) < abs(value)).sum())
    return dict(zip(_BESIDE[kind], (float(lo), float(hi), rank_p(value, null), less, int(null.size)), strict=True))


def _row(one: Swept, which: str, slope: Contrast, nulls: list[Floats], bounds: Bounds, confidence: float) -> Row:
    usable_lo, usable_hi = one.usable(bounds)
    beside: Row = {}
    for kind, null in zip(NULLS, nulls, strict=True):
        beside |= _beside(slope.value, kind, null, confidence)
    return {
        **one.key,
        "kind": kind_of(one.key["vector"]),
        "answers": which,
        "slope": slope.value,
        "lo": slope.lo,
        "hi": slope.hi,
        "p": slope.p,
        **beside,
        "n": slope.n,
        "n_nan": slope.n_nan,
        "usable_lo": usable_lo,
        "usable_hi": usable_hi,
    }
