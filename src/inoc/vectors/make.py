"""Vectors made from activations: differences of means, ridge directions, and random ones as a null."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inoc.errors import DataError
from inoc.vectors.vector import Vector


def mean_norm(activations: np.ndarray) -> float:
    """Mean Euclidean norm of rows of shape (rows, width); rows with NaN are left out, and NaN is for none left."""
    norms = np.linalg.norm(activations.astype(np.float64), axis=1)
    norms = norms[~np.isnan(norms)]
    return float(norms.mean()) if len(norms) else float("nan")


def difference_of_means(
    name: str, positive: np.ndarray, negative: np.ndarray, *, site: str, model: str, readout: str, adapter: str = "base"
) -> Vector:
    """Mean of one group's activations minus that of another's.

    Args:
        name: Name of the vector.
        positive: Activations of shape (rows, width); a row with NaN, such as an empty response's, is left out.
        negative: The same of the other group.
        site: Where they were read.
        model: Digest of the weights.
        readout: Which read-out they are.
        adapter: Digest of the adapter.

    Returns:
        Points from the negative group to the positive one. Its activation norm is the mean over all rows of both.

    Raises:
        DataError: If a group has no row.
    """
    groups = [_known(group) for group in (positive, negative)]
    for side, group in zip(("positive", "negative"), groups, strict=True):
        if not len(group):
            msg = f"vector {name!r}: no {side} row has activations; a mean needs at least one"
            raise DataError(msg)
    high, low = (group.astype(np.float64).mean(axis=0) for group in groups)
    return Vector(
        name,
        (high - low).astype(np.float32),
        site,
        model,
        adapter,
        readout,
        mean_norm(np.concatenate(groups)),
        "difference",
    )


def _known(rows: np.ndarray) -> np.ndarray:
    known: np.ndarray = rows[~np.isnan(rows).any(axis=1)]
    return known


def ridge_direction(
    name: str,
    activations: np.ndarray,
    targets: np.ndarray,
    penalty: float,
    *,
    site: str,
    model: str,
    readout: str,
    adapter: str = "base",
) -> Vector:
    """Coefficients of a ridge regression of targets on activations, in float64, with an intercept that is left out.

    Args:
        name: Name of the vector.
        activations: Shape (rows, width); rows with NaN, here or among the targets, are left out.
        targets: Shape (rows,).
        penalty: Weight of the squared norm of the coefficients, above 0; activations are not scaled.
        site: Where they were read.
        model: Digest of the weights.
        readout: Which read-out they are.
        adapter: Digest of the adapter.

    Returns:
        Points to where targets are higher.

    Raises:
        DataError: If fewer than two rows are left, or the penalty is not above 0.
    """
    known = ~np.isnan(targets) & ~np.isnan(activations).any(axis=1)
    x, y = activations[known].astype(np.float64), targets[known].astype(np.float64)
    if len(y) < 2 or not penalty > 0:
        msg = (
            f"vector {name!r}: {len(y)} rows and penalty {penalty:g}; at least 2 rows and a penalty above 0 are needed"
        )
        raise DataError(msg)
    centred = x - x.mean(axis=0)
    off = y - y.mean()
    if len(y) <= x.shape[1]:  # the smaller of the two systems that have the same solution
        gram = centred @ centred.T
        weights = centred.T @ np.linalg.solve(gram + penalty * np.eye(len(y)), off)
    else:
        weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T @ off)
    return Vector(name, weights.astype(np.float32), site, model, adapter, readout, mean_norm(x), "ridge")


def random_combination(vector: Vector, activations: np.ndarray, seed: int) -> Vector:
    """A vector of the same norm, site and model that is a random combination of centred activations.

    It is what a difference of means is whose groups mean nothing, and lies where probes lie: activations fill few of
    all directions, along which a model reacts far more than along `random_like`.

    Args:
        vector: The vector it stands in for.
        activations: Shape (rows, width); rows with NaN are left out.
        seed: Seed of the weights, which are normal.

    Returns:
        Normal, with the covariance of the activations, before it is brought to the norm.

    Raises:
        DataError: If all rows are the same.
    """
    rows = _known(activations).astype(np.float64)
    rows -= rows.mean(axis=0)
    direction = np.random.default_rng(seed).standard_normal(len(rows)) @ rows
    length = float(np.linalg.norm(direction))
    if not length > 0:
        raise DataError(f"vector {vector.name!r}: {len(rows)} activations have no differences to combine; read others")
    values = direction * (vector.norm / length)
    return replace(vector, name=f"combination {seed}", values=values.astype(np.float32), source="combination")


def random_like(vector: Vector, seed: int) -> Vector:
    """A vector of the same norm, site and model in a random direction, as a null for the effect of steering.

    Args:
        vector: The vector it stands in for.
        seed: Seed of the direction.

    Returns:
        Uniform over directions.
    """
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(len(vector.values))
    values = direction * (vector.norm / np.linalg.norm(direction))
    return replace(vector, name=f"random {seed}", values=values.astype(np.float32), source="random")
