"""Vectors in files: our own, which say what they belong to, and those of others, for which the caller says it.

Ours are safetensors with a manifest among the metadata. Files of others are read as plain numbers: a `.pt` file is
loaded as weights only, and a `.npy` file without pickled objects, so no file can run code.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from inoc.errors import DataError, did_you_mean
from inoc.tables import replace_file
from inoc.vectors.vector import Vector

FORMAT = "inoc vectors 1"
_FIELDS = ("name", "site", "model", "adapter", "readout", "source")


def save_vectors(vectors: Sequence[Vector], path: Path) -> None:
    """Write vectors into one safetensors file, with a manifest: what each belongs to, its norm, its activation norm.

    Raises:
        DataError: If two have one name.
    """
    from safetensors.numpy import save_file

    names = [vector.name for vector in vectors]
    if len(set(names)) < len(names):
        msg = f"{path}: two vectors have one name among {sorted(names)}; each needs its own"
        raise DataError(msg)
    manifest = {vector.name: manifest_of(vector) for vector in vectors}
    metadata = {"format": FORMAT, "vectors": json.dumps(manifest, sort_keys=True)}
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {vector.name: vector.values for vector in vectors}
    replace_file(path, lambda temporary: save_file(tensors, temporary, metadata))


def manifest_of(vector: Vector) -> dict[str, str | float | int | None]:
    """Manifest of a vector; an unknown activation norm is null."""
    known = None if np.isnan(vector.activation_norm) else vector.activation_norm
    fields = {field: getattr(vector, field) for field in _FIELDS}
    return {**fields, "width": len(vector.values), "norm": vector.norm, "activation_norm": known}


def load_vectors(path: Path) -> list[Vector]:
    """Read a file that `save_vectors` wrote.

    Raises:
        DataError: If it is no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stream:
            metadata = stream.metadata() or {}
            if metadata.get("format") != FORMAT:
                msg = (
                    f"{path} does not say what its vectors belong to. Load it with load_foreign and say site and model"
                )
                raise DataError(msg)
            manifest = json.loads(metadata["vectors"])
            return [_from_manifest(stream.get_tensor(name), entry) for name, entry in manifest.items()]
    except (OSError, SafetensorError) as error:
        msg = f"{path} cannot be read as vectors: {error}"
        raise DataError(msg) from error


def _from_manifest(values: np.ndarray, entry: dict[str, Any]) -> Vector:
    norm = entry["activation_norm"]
    return Vector(
        values=values,
        activation_norm=float("nan") if norm is None else norm,
        **{field: entry[field] for field in _FIELDS},
    )


def load_foreign(
    path: Path,
    *,
    name: str,
    site: str,
    model: str,
    key: str | None = None,
    row: int | None = None,
    intercept: bool = False,
    activation_norm: float = float("nan"),
    adapter: str = "base",
    readout: str = "",
) -> Vector:
    """A vector from a file of others: `.safetensors`, `.npy`, or `.pt` with weights only.

    Args:
        path: The file.
        name: Name of the vector.
        site: Where it belongs; see `inoc.vectors.sites.hidden_state_site` for entries of `hidden_states`.
        model: Digest of the weights it belongs to.
        key: Which tensor of a file that has several.
        row: Which row of a tensor that has one for each layer.
        intercept: The last value is a regression's intercept, and is left out.
        activation_norm: Mean norm of activations at the site, if it is known.
        adapter: Digest of the adapter it belongs to.
        readout: Which read-out it was made from.

    Raises:
        DataError: If the file has another form, or would have to run code to be read.
    """
    values = _pick_row(_pick_tensor(_tensors(path), key, path), row, path)
    if values.dtype.kind not in "fiu":
        msg = f"{path} has values of the type {values.dtype}; accepted: real numbers"
        raise DataError(msg)
    values = values[:-1] if intercept else values
    return Vector(name, values, site, model, adapter, readout, activation_norm, path.name)


def foreign_shape(path: Path, key: str | None = None) -> tuple[int, ...]:
    """Shape of the array in a file of others; arguments and errors as of `load_foreign`."""
    return tuple(int(size) for size in _pick_tensor(_tensors(path), key, path).shape)


def with_activation_norm(vector: Vector, norm: float) -> Vector:
    """The same vector, with the mean norm of activations at its site."""
    return replace(vector, activation_norm=norm)


def _tensors(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file; one without names is called by the empty name."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return {name: value.float().numpy() for name, value in load_file(path).items()}
        if path.suffix == ".npy":
            return {"": np.load(path, allow_pickle=False)}
        if path.suffix == ".pt":
            return _from_torch(path)
    except (OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = f"{path} cannot be read as plain numbers: {reason}. Nothing of it was run"
        raise DataError(msg) from error
    msg = f"{path}: the ending {path.suffix!r}; accepted: .safetensors, .npy, .pt"
    raise DataError(msg)


def _from_torch(path: Path) -> dict[str, np.ndarray]:
    import torch

    found = torch.load(path, map_location="cpu", weights_only=True)
    named = found if isinstance(found, dict) else {"": found}
    return {
        str(name): value.detach().float().numpy() for name, value in named.items() if isinstance(value, torch.Tensor)
    }


def _pick_tensor(tensors: dict[str, np.ndarray], key: str | None, path: Path) -> np.ndarray:
    if key is None and len(tensors) == 1:
        return next(iter(tensors.values()))
    if key is None or key not in tensors:
        hint = did_you_mean(key, tensors) if key else ""
        msg = f"{path}: key={key!r}{hint}; accepted: one of {sorted(tensors)}"
        raise DataError(msg)
    return tensors[key]


def _pick_row(values: np.ndarray, row: int | None, path: Path) -> np.ndarray:
    if values.ndim == 1 and row is None:
        return values
    if values.ndim == 2 and row is None and len(values) == 1:
        row = 0
    if values.ndim == 2 and row is not None and 0 <= row < len(values):
        picked: np.ndarray = values[row]
        return picked
    rows = f"a row from 0 to {len(values) - 1}" if values.ndim == 2 else "no row"
    msg = f"{path} has shape {values.shape} and row={row}; accepted for this shape: {rows}"
    raise DataError(msg)
