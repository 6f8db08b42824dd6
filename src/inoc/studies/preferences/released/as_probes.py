"""Evaluations and directions of a release in the tables of the stage `probe`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from inoc.probe.tables import COSINES, MEAN, PROBES
from inoc.stats.directions import cosine
from inoc.stats.means import NAN, mean_interval
from inoc.vectors.vector import Vector

_METRICS = {
    "held_out_origin": {"r2": "r_squared", "r2_mean_adjusted": "r_squared_adjusted", "r": "r", "accuracy": "accuracy"},
    "within": {"r2": "trained_r_squared", "r": "trained_r"},
}
"""Protocol → metric of a probe → its column in `tables.HELD_OUT`."""
UNKNOWN = -1


def probe_rows(held_out: pd.DataFrame) -> pd.DataFrame:
    """Rows of `PROBES`: what was measured on held-out groups; values with training tasks among them are left out.

    The protocol `within` has other tasks of the groups of training, in the fold of the group that was held out.

    Args:
        held_out: `tables.HELD_OUT`.
    """
    known = held_out[held_out["on"] == "held_out"]
    rows = [row for (source, layer), own in known.groupby(["source", "layer"], sort=True) for row in _rows(own)]
    return pd.DataFrame(rows, columns=PROBES.names)


def _rows(own: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """Each group that was held out, and means over groups, of one probe at one site."""
    first = own.iloc[0]
    where = (str(first["source"]).rsplit(".", 1)[0], "", f"resid_post.{first['layer']}", "")
    for protocol, metrics in _METRICS.items():
        n = own["n" if protocol == "held_out_origin" else "n_trained"]
        for metric, column in metrics.items():
            values = own[column].to_numpy(dtype=np.float64)
            there = np.isfinite(values)
            for group, value, size in zip(own.loc[there, "group"], values[there], n[there], strict=True):
                yield (*where, protocol, str(group), metric, float(value), NAN, NAN, int(size), "")
            if there.sum() > 1:
                mean = mean_interval(values[there], 0.95)
                if protocol == "held_out_origin":
                    yield (*where, protocol, MEAN, metric, mean.value, mean.lo, mean.hi, int(n[there].sum()), "")
                else:  # without an interval: any two of these were measured on nearly the same tasks
                    yield (*where, protocol, MEAN, metric, mean.value, NAN, NAN, int(n[there].max()), "")


def direction_rows(vectors: Sequence[Vector]) -> pd.DataFrame:
    """Rows of `COSINES`: directions of one site, without their intercepts; refits are not known of a release."""
    rows = []
    for a, b in itertools.combinations(sorted(vectors, key=lambda one: one.name), 2):
        if a.site == b.site and len(a.values) == len(b.values):
            unknown = (NAN, NAN, NAN, NAN, NAN, UNKNOWN, UNKNOWN, 0)
            rows.append((a.name, "", b.name, "", a.site, "", cosine(a.values, b.values), *unknown))
    return pd.DataFrame(rows, columns=COSINES.names)
