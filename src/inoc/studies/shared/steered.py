"""The cells of a steering sweep: a vector, and random ones of the same norm, at every coefficient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from inoc.vectors.make import random_like
from inoc.vectors.steering import Positions, Steered, Steering, Units
from inoc.vectors.vector import Vector


class Cell(NamedTuple):
    """One vector at one coefficient."""

    name: str  # of the vector; random 1 … for the controls
    coefficient: float
    steering: Steering


def cells_of(
    named: dict[str, Vector],
    coefficients: Sequence[float],
    positions: Positions,
    units: Units = "activation_norm",
    texts: tuple[Steered, ...] = (),
) -> Iterator[Cell]:
    """Every vector at every coefficient other than 0, which is the unsteered model for all of them.

    Args:
        named: Name → vector.
        coefficients: Multiples of `units`.
        positions: Where it is added.
        units: Unit of the coefficients.
        texts: Texts of the prompt at which it is added instead.
    """
    for name, vector in named.items():
        for coefficient in coefficients:
            if coefficient != 0:
                yield Cell(name, coefficient, Steering(vector, coefficient, positions, units, texts))


def with_random(name: str, vector: Vector, n: int) -> dict[str, Vector]:
    """A vector and `n` random ones of the same norm, as `random 1` and so on."""
    return {name: vector} | {f"random {k + 1}": random_like(vector, k + 1) for k in range(n)}
