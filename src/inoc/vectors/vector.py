"""A direction at a site of a model, with the identity of both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from inoc.digest import digest
from inoc.errors import DataError


class ModelOnDisk(Protocol):
    """The part of a model's identity that must match that of a vector."""

    @property
    def folder(self) -> Path:
        """Where it is."""
        ...

    @property
    def weights(self) -> str:
        """Digest of its weights."""
        ...


@dataclass(frozen=True, eq=False)
class Vector:
    """A direction.

    Attributes:
        name: Name in tables and messages; no part of the digest.
        values: float32, shape (width,), finite.
        site: Where it was read, and is added; see `inoc.vectors.sites`.
        model: Digest of the model's weights.
        adapter: Digest of the adapter through which it was read; `base` for none.
        readout: Which read-out it was made from; empty if that is not known.
        activation_norm: Mean norm of the activations it was made from, NaN if that is not known.
        source: How it was made: `difference`, `ridge`, `random`, `combination`, or the file of others.
    """

    name: str
    values: np.ndarray
    site: str
    model: str
    adapter: str = "base"
    readout: str = ""
    activation_norm: float = float("nan")
    source: str = ""

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, dtype=np.float32)
        if values.ndim != 1 or not np.isfinite(values).all():
            msg = (
                f"vector {self.name!r} has shape {np.shape(self.values)}"
                f"{'' if np.isfinite(values).all() else ' and numbers that are not finite'}; one row of finite numbers "
                "is needed"
            )
            raise DataError(msg)
        object.__setattr__(self, "values", values)

    @property
    def norm(self) -> float:
        """Euclidean norm, in activation units."""
        return float(np.linalg.norm(self.values.astype(np.float64)))

    @cached_property
    def digest(self) -> str:
        """Digest of the numbers, the site and the model, for keys."""
        import hashlib

        numbers = hashlib.sha256(self.values.tobytes()).hexdigest()
        return digest({"values": numbers, "site": self.site, "model": self.model, "adapter": self.adapter})

    def check_model(self, model: ModelOnDisk, adapter: str = "base") -> None:
        """Refuse another model.

        Args:
            model: The model that the vector is to be used with. One without a digest of its weights is planned with and
                never run, and is not compared.
            adapter: Digest of its adapter. A vector of the bare model goes with each of its adapters.

        Raises:
            DataError: If the vector was made with other weights, or through another adapter.
        """
        if model.weights and self.model != model.weights:
            msg = (
                f"vector {self.name!r} belongs to the weights {self.model[:12]}…, but {model.folder} has "
                f"{model.weights[:12]}…. Read the vector with this model"
            )
            raise DataError(msg)
        if self.adapter not in ("base", adapter):
            msg = (
                f"vector {self.name!r} was read through the adapter {self.adapter[:12]}…, but is to be used with "
                f"{adapter[:12]}…. Accepted: that adapter, or a vector of the bare model"
            )
            raise DataError(msg)

    def check_site(self, site: str, width: int) -> None:
        """Refuse another site or width.

        Raises:
            DataError: If the vector is of another site, or has another number of values.
        """
        if self.site != site:
            msg = f"vector {self.name!r} belongs to the site {self.site!r}, not to {site!r}"
            raise DataError(msg)
        if len(self.values) != width:
            msg = f"vector {self.name!r} has {len(self.values)} values, but activations at {site!r} have {width}" + (
                ". Is the last value an intercept? Load it with intercept=True" if len(self.values) == width + 1 else ""
            )
            raise DataError(msg)
