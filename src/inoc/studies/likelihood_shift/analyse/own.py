"""Tests of the prompt under which a dataset was written against the other candidates, from whole cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from inoc.stats.means import NAN, Floats, t_quantile

FEWEST_OTHERS = 3
"""Other candidates from which on their spread can be told."""


class Excess(NamedTuple):
    """Distance of a prompt's cell above those of the other candidates, in the unit of the cells."""

    value: float  # positive: above; NaN if there is no such cell
    lo: float  # NaN for fewer than `FEWEST_OTHERS` others
    hi: float
    p: float  # one-sided, of the prompt being one of the others


def excess(block_PD: Floats, own_D: Sequence[int], column: int, confidence: float) -> Excess:
    """Test whether a column's own prompt stands out by more than the other candidates differ among themselves.

    Rows differ for reasons of their own: a prompt can raise every dataset. So each candidate's cell is first taken less
    that prompt's mean effect in the other columns, where cells of own prompts do not count. Under the hypothesis that
    the own prompt is one of the candidates, exchangeable with the others and normal, its residual less the mean of
    theirs has a t distribution with (others − 1) degrees of freedom in units of their SD · √(1 + 1/others).

    Args:
        block_PD: Cells, candidates × datasets with an own prompt.
        own_D: Index of each dataset's own prompt.
        column: The dataset that is tested.
        confidence: Level of the interval.
    """
    residuals = block_PD[:, column] - _row_effects(block_PD, own_D, column)
    mine = residuals[own_D[column]]
    others = np.delete(residuals, own_D[column])
    others = others[~np.isnan(others)]
    if np.isnan(mine) or not others.size:
        return Excess(NAN, NAN, NAN, NAN)
    value = float(mine - others.mean())
    if others.size < FEWEST_OTHERS:
        return Excess(value, NAN, NAN, NAN)
    error = float(others.std(ddof=1)) * (1 + 1 / others.size) ** 0.5
    half = t_quantile(others.size - 1, confidence) * error
    p = NAN if error == 0 else float(stdtr(others.size - 1, -value / error))
    return Excess(value, value - half, value + half, p)


def _row_effects(block_PD: Floats, own_D: Sequence[int], column: int) -> Floats:
    """Mean effect of each candidate in the other columns; all 0 if a candidate has no other column to tell it from."""
    apart_PD = block_PD.copy()
    apart_PD[own_D, np.arange(len(own_D))] = NAN
    counted = (~np.isnan(apart_PD)).sum(axis=0)
    totals = np.where(np.isnan(apart_PD), 0, apart_PD).sum(axis=0)
    apart_PD = apart_PD - np.divide(totals, counted, out=np.full(counted.shape, NAN), where=counted > 0)
    apart_PD[:, column] = NAN
    known_P = (~np.isnan(apart_PD)).sum(axis=1)
    if not known_P.all():
        return np.zeros(len(block_PD))
    effects: Floats = np.where(np.isnan(apart_PD), 0, apart_PD).sum(axis=1) / known_P
    return effects
