"""Evaluations and directions of a release in the tables of the stage `probe`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from inoc.probe.tables import COSINES, PROBES
from inoc.stats.directions import cosine
from inoc.stats.means import NAN
from inoc.vectors.vector import Vector

_METRICS = {"r2": "r_squared", "r2_mean_adjusted": "r_squared_adjusted", "r": "r", "accuracy": "accuracy"}
"""Metric of a probe → its column in `tables.HELD_OUT`."""
UNKNOWN = -1


def probe_rows(held_out: pd.DataFrame) -> pd.DataFrame:
    """Rows of `PROBES`: what was measured on held-out groups; values with training tasks among them are left out.

    Args:
        held_out: `tables.HELD_OUT`.
    """
    rows = []
    for one in held_out[held_out["on"] == "held_out"].to_dict("records"):
        name = str(one["source"]).rsplit(".", 1)[0]
        where = (name, "", f"resid_post.{one['layer']}", "", "held_out_origin", str(one["group"]))
        for metric, column in _METRICS.items():
            if np.isfinite(value := float(one[column])):
                rows.append((*where, metric, value, NAN, NAN, int(one["n"]), ""))
    return pd.DataFrame(rows, columns=PROBES.names)


def direction_rows(vectors: Sequence[Vector]) -> pd.DataFrame:
    """Rows of `COSINES`: directions of one site, without their intercepts; refits are not known of a release."""
    rows = []
    for a, b in itertools.combinations(sorted(vectors, key=lambda one: one.name), 2):
        if a.site == b.site and len(a.values) == len(b.values):
            unknown = (NAN, NAN, NAN, NAN, NAN, UNKNOWN, UNKNOWN, 0)
            rows.append((a.name, "", b.name, "", a.site, "", cosine(a.values, b.values), *unknown))
    return pd.DataFrame(rows, columns=COSINES.names)
