"""Means, shares and differences with their intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from inoc.errors import DataError

Floats = NDArray[np.float64]
NAN = float("nan")


class Estimate(NamedTuple):
    """A number with its interval, in the unit of the data."""

    value: float  # NaN if nothing was measured
    lo: float  # NaN if the interval is undefined
    hi: float
    n: int  # values (or pairs) used
    n_nan: int  # values (or pairs) dropped because they are NaN


MISSING = Estimate(NAN, NAN, NAN, 0, 0)
"""What is known of something that nobody measured."""


def t_quantile(degrees: float, confidence: float) -> float:
    """Half-width of a two-sided interval in standard errors, by degrees of freedom."""
    return float(stdtrit(degrees, 0.5 + confidence / 2))


def normal_quantile(confidence: float) -> float:
    """Half-width of a two-sided interval in standard deviations of a normal."""
    return float(ndtri(0.5 + confidence / 2))


def mean_interval(values: Floats, confidence: float = 0.95) -> Estimate:
    """Mean with Student's t interval.

    Args:
        values: Any shape; NaN are skipped and counted.
        confidence: Level of the interval.

    Returns:
        In the unit of the values. Bounds are NaN for fewer than two values, the mean too for none.
    """
    found = values[~np.isnan(values)]
    n, n_nan = found.size, values.size - found.size
    if n == 0:
        return Estimate(NAN, NAN, NAN, 0, n_nan)
    mean = float(found.mean())
    if n == 1:
        return Estimate(mean, NAN, NAN, 1, n_nan)
    half = t_quantile(n - 1, confidence) * float(found.std(ddof=1)) / n**0.5
    return Estimate(mean, mean - half, mean + half, n, n_nan)


def score_interval(scores: Floats, confidence: float = 0.95) -> Estimate:
    """`mean_interval` of scores between 0 and 100, whose bounds stay there."""
    found = mean_interval(scores, confidence)
    return found._replace(lo=float(np.maximum(found.lo, 0)), hi=float(np.minimum(found.hi, 100)))


def paired_difference(minuend: Floats, subtrahend: Floats, confidence: float = 0.95) -> Estimate:
    """Mean of minuend − subtrahend over pairs, with the paired t interval.

    Args:
        minuend: Shape (pairs,).
        subtrahend: The same pairs.
        confidence: Level of the interval.

    Returns:
        Positive means that the minuend is larger. A pair with a NaN on either side is dropped and counted.
    """
    check_paired(minuend, subtrahend)
    return mean_interval(minuend - subtrahend, confidence)


def welch_difference(minuend: Floats, subtrahend: Floats, confidence: float = 0.95) -> Estimate:
    """Difference of the means of two independent samples, with Welch's t interval.

    Returns:
        Positive means that the minuend's mean is larger; `n` and `n_nan` count both samples.
    """
    first, second = minuend[~np.isnan(minuend)], subtrahend[~np.isnan(subtrahend)]
    n = first.size + second.size
    n_nan = minuend.size + subtrahend.size - n
    if not first.size or not second.size:
        return Estimate(NAN, NAN, NAN, n, n_nan)
    value = float(first.mean() - second.mean())
    if min(first.size, second.size) < 2:
        return Estimate(value, NAN, NAN, n, n_nan)
    parts = np.array([first.var(ddof=1) / first.size, second.var(ddof=1) / second.size])
    total = float(parts.sum())
    if total == 0:
        return Estimate(value, value, value, n, n_nan)
    degrees = total**2 / float((parts**2 / np.array([first.size - 1, second.size - 1])).sum())
    half = t_quantile(degrees, confidence) * total**0.5
    return Estimate(value, value - half, value + half, n, n_nan)


def share_interval(values: Floats, confidence: float = 0.95) -> Estimate:
    """Share of values above zero, with Wilson's interval.

    Args:
        values: NaN are skipped and counted; a value of exactly zero is not above it.
        confidence: Level of the interval.

    Returns:
        Between 0 and 1; NaN if no value is known.
    """
    found = values[~np.isnan(values)]
    n, n_nan = found.size, values.size - found.size
    if n == 0:
        return Estimate(NAN, NAN, NAN, 0, n_nan)
    share = float((found > 0).mean())
    z2 = normal_quantile(confidence) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) + z2 / (4 * n)) / n) ** 0.5 / (1 + z2 / n)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n, n_nan)


def interaction_differences(
    with_with: Floats, with_without: Floats, without_with: Floats, without_without: Floats
) -> Floats:
    """The interaction of a 2×2 in every instruction.

    The first word of a cell says how it was trained, the second how it was asked.

    Returns:
        (with_with − with_without) − (without_with − without_without), shape as given. Positive means that
        asking with the prefix raises the score more after training with it than after training without. NaN
        where one of the four is.
    """
    for cell in (with_without, without_with, without_without):
        check_paired(with_with, cell)
    return (with_with - with_without) - (without_with - without_without)


def interaction(
    with_with: Floats,
    with_without: Floats,
    without_with: Floats,
    without_without: Floats,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of `interaction_differences` over instructions, with its t interval."""
    differences = interaction_differences(with_with, with_without, without_with, without_without)
    return mean_interval(differences, confidence)


def check_paired(first: Floats, second: Floats) -> None:
    """Refuse arrays that cannot be pairs.

    Raises:
        DataError: If the shapes differ.
    """
    if first.shape != second.shape:
        shapes = f"{first.shape} and {second.shape}"
        msg = f"paired values must have one shape, not {shapes}; align them by instruction first"
        raise DataError(msg)
