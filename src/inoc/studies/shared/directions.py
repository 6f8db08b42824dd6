"""Directions that two sides of system turns make: persona vectors and concept vectors alike.

The same question is answered under a positive and under a negative system turn; the direction is the difference of the
means of the activations of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.read.step import load_activations
from inoc.stats.directions import Groups, corrected_norm, group_rows, split_half
from inoc.stats.means import NAN, Floats
from inoc.vectors.make import difference_of_means, mean_norm
from inoc.vectors.sites import in_order
from inoc.vectors.vector import Vector

SIDES = ("positive", "negative")

SPLITS = 100
"""Random splits of the questions."""

Row = dict[str, object]


class PairActivations(NamedTuple):
    """Activations of pairs of answers at one site, in one read-out."""

    positive: Floats  # pairs × width, float32; NaN for an answer without the read-out
    negative: Floats
    groups: list[str]  # question or task of each pair

    @property
    def known(self) -> np.ndarray:
        """Pairs whose two answers have the read-out."""
        return np.asarray(~(np.isnan(self.positive).any(axis=1) | np.isnan(self.negative).any(axis=1)))


class Direction(NamedTuple):
    """The difference of means at one site, and what it was made from if that is known."""

    name: str  # key of the trait or concept
    readout: str
    site: str
    values: Floats
    groups: Groups | None  # differences of pairs, by question
    activation_norm: float
    n: int  # pairs
    n_nan: int


class PartActivations:
    """Activations of a part of the stage `read`, site by site; those of one site and read-out are kept in memory.

    Args:
        folders: Those of all its jobs.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._cached: tuple[tuple[str, str], dict[str, Floats]] | None = None

    def sites(self) -> list[str]:
        """Sites that were read, from the first to the last."""
        return in_order(site for site, _ in self._names())

    def readouts(self) -> list[str]:
        """Read-outs that were read."""
        return sorted({readout for _, readout in self._names()})

    def _names(self) -> list[tuple[str, str]]:
        from safetensors import safe_open

        for folder in self._folders:
            for path in sorted(folder.glob("activations-*.safetensors"))[:1]:
                with safe_open(path, framework="numpy") as stream:
                    return [(key.partition("/")[0], key.partition("/")[2]) for key in stream.keys()]  # noqa: SIM118
        return []

    def rows(self, site: str, readout: str) -> dict[str, Floats]:
        """Id → activations."""
        if self._cached is None or self._cached[0] != (site, readout):
            found: dict[str, Floats] = {}
            for folder in self._folders:
                if any(folder.glob("activations-*.safetensors")):
                    ids, values = load_activations(folder, site, readout)
                    found |= dict(zip(ids, values, strict=True))
            self._cached = (site, readout), found
        return self._cached[1]


def pair_vector(name: str, found: PairActivations, *, site: str, model: str, readout: str) -> Vector:
    """The vector from the negative side to the positive one, over pairs that have the read-out on both.

    Args:
        name: Name of the vector.
        found: Activations.
        site: Where they were read.
        model: Digest of the model's weights.
        readout: Name of the read-out.

    Raises:
        DataError: If no pair has the read-out.
    """
    known = found.known
    return difference_of_means(
        name, found.positive[known], found.negative[known], site=site, model=model, readout=readout
    )


def direction_of(name: str, readout: str, site: str, found: PairActivations) -> Direction:
    """The direction of pairs, with what tells how well it is known."""
    known = found.known
    moved = found.positive.astype(np.float64) - found.negative
    groups = group_rows(moved, found.groups)
    norm = mean_norm(np.concatenate([found.positive[known], found.negative[known]]))
    return Direction(name, readout, site, groups.mean, groups, norm, int(known.sum()), int((~known).sum()))


def direction_row(one: Direction, seed: int) -> Row:
    """Size and reliability of a direction: columns of the tables `vectors`.

    Args:
        one: The direction.
        seed: Of the random splits.
    """
    head: Row = {"norm": float(np.linalg.norm(one.values)), "activation_norm": one.activation_norm}
    if one.groups is None:
        unknown = dict.fromkeys(("norm_corrected", "split_half", "split_lo", "split_hi", "reliability"), NAN)
        return {**head, **unknown, "n": one.n, "n_nan": one.n_nan, "n_questions": 0}
    halves = split_half(one.groups, SPLITS, seed)
    return {
        **head,
        "norm_corrected": corrected_norm(one.groups),
        "split_half": halves.cosine,
        "split_lo": halves.lo,
        "split_hi": halves.hi,
        "reliability": halves.reliability,
        "n": one.n,
        "n_nan": one.n_nan,
        "n_questions": halves.n_groups,
    }
