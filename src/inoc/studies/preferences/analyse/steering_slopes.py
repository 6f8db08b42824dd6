"""The table `steering_slopes`: the effect of each vector per unit of the coefficient, beside what random ones do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.bootstrap import percentile_bounds
from inoc.stats.contrasts import Contrast
from inoc.stats.dose import rank_p, slope_over
from inoc.stats.means import NAN
from inoc.studies.preferences.analyse.dose_response import Bounds, Row, Swept, swept
from inoc.studies.preferences.steering_vectors import RANDOM, kind_of
from inoc.tables import INDEX, NUMBER, STRING

STEERING_SLOPES = pa.schema(
    [
        ("vector", STRING),
        ("kind", STRING),  # own; or a null: random, shuffled
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
        _row(one, which, slope, _null(one.key["vector"], own), bounds, confidence)
        for (_, which), own in found.items()
        for one, slope in own
    ]


def _null(vector: str, own: list[tuple[Swept, Contrast]]) -> np.ndarray:
    """Slopes of the random vectors that a vector is compared with, without itself."""
    names = [(one.key["vector"], slope.value) for one, slope in own]
    return np.array(
        [
            value
            for name, value in names
            if kind_of(name) == RANDOM and name != vector and ("/" not in name or name.endswith(f"/{vector}"))
        ],
        dtype=np.float64,
    )


def _row(one: Swept, which: str, slope: Contrast, null: np.ndarray, bounds: Bounds, confidence: float) -> Row:
    known = null[~np.isnan(null)]
    lo, hi = percentile_bounds(known, confidence) if known.size else (NAN, NAN)
    usable_lo, usable_hi = one.usable(bounds)
    return {
        **one.key,
        "kind": kind_of(one.key["vector"]),
        "answers": which,
        "slope": slope.value,
        "lo": slope.lo,
        "hi": slope.hi,
        "p": slope.p,
        "null_lo": float(lo),
        "null_hi": float(hi),
        "null_p": rank_p(slope.value, known),
        "beyond": int((np.abs(known) < abs(slope.value)).sum()),
        "n_random": int(known.size),
        "n": slope.n,
        "n_nan": slope.n_nan,
        "usable_lo": usable_lo,
        "usable_hi": usable_hi,
    }
