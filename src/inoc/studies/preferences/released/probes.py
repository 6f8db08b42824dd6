"""Probes and vectors of a release: their manifests, their evaluations, and the arrays themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from inoc.errors import DataError
from inoc.files import as_number
from inoc.stats.means import NAN
from inoc.studies.preferences.released.sources import Source
from inoc.studies.preferences.released.tables import HELD_OUT, PUBLISHED, STORED_VECTORS
from inoc.vectors.vector import Vector

UNKNOWN = "unknown"
"""Digest of weights that a release does not have."""
FOLDER = "imports/vectors.safetensors"

_LAYER = re.compile(r"(?:layer_|_L)(\d+)$")
_PROBE = ("cv_r2_mean", "cv_r2_std", "best_alpha", "train_test_gap", "sweep_r", "final_r", "final_acc")
_METRICS = ("r2", "r2_adjusted", "mse", "mse_adjusted", "pearson_r", "n_samples")

Row = tuple[object, ...]


def _map(source: Source) -> Mapping[str, Any]:
    value: Mapping[str, Any] = source.value  # type: ignore[assignment]  # its kind was found by its keys
    return value


def read_probe_manifest(source: Source) -> pd.DataFrame:
    """Rows of `PUBLISHED`: what a manifest says of each probe; its group is id, layer and origins of training."""
    rows: list[Row] = []
    for probe in _map(source)["probes"]:
        origins = "+".join(sorted(str(one) for one in probe.get("datasets") or []))
        group = f"{probe['id']}|{probe['layer']}|{origins}"
        numbers = {name: as_number(probe[name]) for name in _PROBE if name in probe}
        numbers["n"] = as_number(probe.get("n_unique_tasks", probe.get("n_samples")))
        rows += [(source.name, "probes_stored", group, name, value) for name, value in numbers.items()]
    return pd.DataFrame(rows, columns=PUBLISHED.names)


def read_vector_manifest(source: Source) -> pd.DataFrame:
    """Rows of `PUBLISHED`: norms of vectors and activations, by read-out and layer."""
    rows: list[Row] = []
    for name in ("vector_norms", "activation_norms"):
        for readout, layers in (_map(source).get(name) or {}).items():
            rows += [
                (source.name, "vectors", f"{readout}|{layer}", name.removesuffix("s"), as_number(value))
                for layer, value in layers.items()
            ]
    return pd.DataFrame(rows, columns=PUBLISHED.names)


def read_held_out(source: Source) -> pd.DataFrame:
    """Rows of `HELD_OUT`, of either format.

    Raises:
        DataError: If no fold has results.
    """
    rows: list[Row] = [(source.name, *row) for fold in _map(source)["folds"] for row in _fold(fold)]
    if not rows:
        raise DataError(f"{source.name}: no fold has results")
    return pd.DataFrame(rows, columns=HELD_OUT.names)


def _fold(fold: Mapping[str, Any]) -> Iterator[Row]:
    if "layers" in fold:
        group = "+".join(str(one) for one in fold["held_out_groups"])
        for name, one in fold["layers"].items():
            values = [as_number(one.get(key)) for key in ("hoo_r2", "hoo_r2_adjusted", "hoo_mse", "hoo_mse_adjusted")]
            counts = as_number(one.get("hoo_acc")), int(one["hoo_n_samples"])
            trained = as_number(one.get("val_r")), as_number(one.get("val_r2")), int(one.get("n_train", -1))
            yield (group, str(name), int(one["layer"]), "held_out", *values, as_number(one["hoo_r"]), *counts, *trained)
        return
    if "metrics" in fold:  # on all tasks, those of the training among them
        yield _metrics(fold, str(fold["probe_id"]), int(fold["layer"]), "training_included", fold["metrics"])
        return
    for probe in fold["probes"]:
        yield _metrics(fold, str(probe["id"]), int(probe["layer"]), "held_out", probe["eval_metrics"])


def _metrics(fold: Mapping[str, Any], probe: str, layer: int, on: str, found: Mapping[str, Any]) -> Row:
    *values, r, n = (as_number(found.get(name)) for name in _METRICS)
    return (str(fold["eval_dataset"]), probe, layer, on, *values, r, NAN, int(n), NAN, NAN, -1)


def read_array(source: Source) -> tuple[pd.DataFrame, Vector]:
    """A row of `STORED_VECTORS`, and the vector itself.

    Widths of models are even. One value more is the place of a regression's intercept, which is no part of the
    direction: it is kept in the table, and left out of the vector.

    Raises:
        DataError: If the file is no vector.
    """
    values = np.asarray(source.value, dtype=np.float64)
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise DataError(f"{source.name} has shape {values.shape}; accepted: one row of finite numbers")
    last = float(values[-1]) if values.size % 2 else NAN
    own = values[:-1] if values.size % 2 else values
    found = _LAYER.search(source.path.stem)
    layer = int(found[1]) if found else -1
    name = source.name.removesuffix(".npy")
    site = f"resid_post.{layer}" if layer >= 0 else UNKNOWN
    row = (name, source.name, layer, own.size, float(np.linalg.norm(own)), last)
    vector = Vector(name, own.astype(np.float32), site, UNKNOWN, source="import")
    return pd.DataFrame([row], columns=STORED_VECTORS.names), vector


def with_layers(vectors: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Vectors whose file does not tell its layer, with that of the manifest of the same folder, or of its name.

    Args:
        vectors: `STORED_VECTORS`.
        published: `PUBLISHED`, with the manifests of probes.
    """
    known: dict[tuple[str, str], int] = {}
    stored = published[published["section"] == "probes_stored"]
    for source, group in stored[["source", "group"]].drop_duplicates().itertuples(index=False):
        probe, layer, _ = str(group).split("|")
        known[str(source).rsplit("/", 2)[-2], probe] = int(layer)
    layers = []
    for row in vectors.itertuples():
        parts = str(row.source).split("/")
        probe = parts[-1].removesuffix(".npy").removeprefix("probe_")
        folder = parts[-3] if len(parts) > 2 else ""
        own = int(str(row.layer))
        layers.append(own if own >= 0 else known.get((folder, probe), -1))
    return vectors.assign(layer=layers)


def placed(vectors: Sequence[Vector], table: pd.DataFrame) -> list[Vector]:
    """Vectors with the sites that the table has for them."""
    from dataclasses import replace

    layers = dict(zip(table["vector"], table["layer"], strict=True))
    return [
        replace(one, site=f"resid_post.{layers[one.name]}") if layers[one.name] >= 0 else one for one in vectors
    ]  # fmt: skip
