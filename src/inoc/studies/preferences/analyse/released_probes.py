"""Rows of the table `released` about probes and vectors: cosines of directions alone, and evaluations that held out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd

from inoc.stats.directions import cosine
from inoc.stats.means import NAN
from inoc.studies.preferences.released.read import Released

Row = tuple[object, ...]
MOST_VECTORS = 60
"""Vectors of a release of which every two are compared; of more, those of one folder."""


def probe_rows(released: Released) -> Iterator[Row]:
    """Rows of `released.RELEASED` about probes and vectors."""
    yield from _cosines(released)
    yield from _norms(released)
    yield from _held_out(released.frame("held_out"))


def _plain(source: object, of: object, statistic: str, value: float, n: int) -> Row:
    return (source, of, statistic, value, NAN, NAN, NAN, n)


def _cosines(released: Released) -> Iterator[Row]:
    """Of every two directions of one width; with the value behind them, as published, where both have one."""
    table = released.frame("stored_vectors")
    lasts = dict(zip(table["vector"], table["last"].to_numpy(dtype=np.float64), strict=True))
    values = {one.name: one.values.astype(np.float64) for one in released.vectors}
    for first, second in itertools.combinations(sorted(values), 2):
        if len(values[first]) != len(values[second]):
            continue
        if len(values) > MOST_VECTORS and first.rsplit("/", 1)[0] != second.rsplit("/", 1)[0]:
            continue
        n, of = len(values[first]), f"{first}, {second}"
        yield _plain("vectors", of, "cosine", cosine(values[first], values[second]), n)
        last = [float(lasts[name]) for name in (first, second)]
        if np.isfinite(last).all():
            both = [np.append(values[name], one) for name, one in zip((first, second), last, strict=True)]
            yield _plain("vectors", of, "cosine_with_intercept", cosine(both[0], both[1]), n + 1)


def _norms(released: Released) -> Iterator[Row]:
    for row in released.frame("stored_vectors").to_dict("records"):
        yield _plain("vectors", row["vector"], "norm", float(row["norm"]), int(row["width"]))
    published = released.frame("published")
    for row in published[published["section"] == "vectors"].to_dict("records"):
        yield _plain(row["source"], row["group"], str(row["statistic"]), float(row["value"]), 0)
    stored = published[published["section"] == "probes_stored"]
    stored = stored[stored["statistic"].isin(["cv_r2_mean", "final_r"])]
    for row in stored.to_dict("records"):
        yield _plain(row["source"], row["group"], str(row["statistic"]), float(row["value"]), 0)


def _held_out(rows: pd.DataFrame) -> Iterator[Row]:
    """Means over groups, plain and by their tasks, and what follows for each group from its errors."""
    for (source, on, layer), part in rows.groupby(["source", "on", "layer"], sort=True):
        n = part["n"].to_numpy(dtype=np.float64)
        of = f"{on}, layer {layer}"
        for name in ("r_squared", "r_squared_adjusted", "r", "accuracy"):
            value = part[name].to_numpy(dtype=np.float64)
            if np.isnan(value).any():
                continue
            yield _plain(source, of, f"{name}_mean", float(value.mean()), int(n.sum()))
            yield _plain(source, of, f"{name}_weighted", float(value @ n / n.sum()), int(n.sum()))
            if len(value) > 1:
                yield _plain(source, of, f"{name}_sd", float(value.std()), len(value))
        if on == "held_out":
            yield from _of_errors(str(source), part)


def _of_errors(source: str, part: pd.DataFrame) -> Iterator[Row]:
    """Variance of the labels and the squared bias of the predictions, which the stored errors imply."""
    for row in part[part["mse_adjusted"].notna()].to_dict("records"):
        n, mse, r2 = int(row["n"]), float(row["mse"]), float(row["r_squared"])
        variance, bias = mse / (1 - r2), mse - float(row["mse_adjusted"])
        yield _plain(source, row["group"], "label_variance", variance, n)
        yield _plain(source, row["group"], "squared_bias", bias, n)
        yield _plain(source, row["group"], "r_squared_without_bias", r2 + bias / variance, n)
        yield _plain(source, row["group"], "r_squared_adjusted", float(row["r_squared_adjusted"]), n)
        yield _plain(source, row["group"], "r_squared_at_most", float(row["r"]) ** 2, n)
