"""The smallest difference between two prompts' suppressions that a design can detect, before the runs are paid for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import nctdtrinc, stdtrit

from inoc.errors import DataError
from inoc.stats.means import NAN, Floats


class Spread(NamedTuple):
    """Variance components of one suppression that a difference of two prompts does not cancel, points²."""

    seed: float  # prompt × seed: the effect of a seed differs between prompts
    instruction: float  # prompt × instruction
    residual: float  # prompt × seed × instruction, with the noise of sampling


class Detectable(NamedTuple):
    """The smallest difference that a paired t test detects."""

    difference: float  # points; NaN if a component that it needs is not known
    error: float  # standard error of the difference, points
    degrees: float  # of freedom


def variance_weights(n_instructions: int, n_seeds: int) -> Spread:
    """Weight of each component in the variance of a difference of two prompts' suppressions.

    With S seeds and I instructions the variance is 2 · (seed / S + instruction / I + residual / (S · I)). One seed says
    nothing of other seeds: there two *runs* are compared, and the seed's component does not enter.

    Raises:
        DataError: If there are fewer than two instructions or no seed.
    """
    if n_instructions < 2 or n_seeds < 1:
        msg = f"{n_instructions} instructions and {n_seeds} seeds; accepted: from two instructions and one seed on"
        raise DataError(msg)
    return Spread(2 / n_seeds if n_seeds > 1 else 0.0, 2 / n_instructions, 2 / (n_seeds * n_instructions))


class Design(NamedTuple):
    """Size of a design."""

    n_instructions: int
    n_seeds: int
    n_prompts: int = 2  # whose mean squares are pooled; two are those that are compared


def detectable_difference(spread: Spread, design: Design, power: float = 0.8, confidence: float = 0.95) -> Detectable:
    """Smallest difference of two prompts' suppressions that is detected with some power, two-sided.

    All prompts are trained with the same seeds and asked the same instructions, and share the control; what a seed or
    an instruction does to all of them cancels. One seed has the paired t test over instructions. For several, the test
    takes its mean squares from the whole table of prompts × seeds × instructions, m_S + m_I − m_R with Satterthwaite's
    degrees of freedom, where m_S = 2 · (I · seed + residual), m_I = 2 · (S · instruction + residual) and
    m_R = 2 · residual; each has (prompts − 1) times the degrees of freedom of one difference.
    The table of how often such a test saw the difference in simulations is in `docs/design/intervals.md`.

    Args:
        spread: Variance components; negative estimates count as 0. With one seed, `seed` may be NaN.
        design: Two instructions or more, one seed or more, two prompts or more.
        power: Probability of seeing the difference.
        confidence: 1 − the level of the test.

    Returns:
        `difference` is the noncentrality that gives this power, in standard errors. The chance that the test calls the
        difference significant with the wrong sign, below 1e-5, is left out. More instructions never ask for a larger
        difference: where their degrees of freedom would (few seeds and few prompts, so that the mean square of seeds
        outweighs the others), the best design with fewer of them counts, for answers can be left out.

    Raises:
        DataError: If there are fewer than two instructions or two prompts, or no seed.
    """
    weights = variance_weights(design.n_instructions, design.n_seeds)
    if design.n_prompts < 2:
        msg = f"{design.n_prompts} prompts; a difference needs two"
        raise DataError(msg)
    if not all(np.isfinite(part) for weight, part in zip(weights, spread, strict=True) if weight):
        return Detectable(NAN, NAN, NAN)
    fewest = 2 if design.n_seeds > 1 else design.n_instructions
    every = [_test(spread, design._replace(n_instructions=n)) for n in range(fewest, design.n_instructions + 1)]
    error, degrees = np.array(every).T
    if not error[-1] > 0:
        return Detectable(0.0, 0.0, NAN)
    differences = noncentrality(degrees, power, confidence) * error
    best = int(differences.argmin())
    return Detectable(float(differences[best]), float(error[best]), float(degrees[best]))


def _test(spread: Spread, design: Design) -> tuple[float, float]:
    """Standard error of a difference, in points, and the degrees of freedom of its test."""
    n_instructions, n_seeds, n_prompts = design
    weights = variance_weights(n_instructions, n_seeds)
    seed, instruction, residual = (
        weight * max(part, 0.0) if weight else 0.0 for weight, part in zip(weights, spread, strict=True)
    )
    variance = seed + instruction + residual
    if n_seeds == 1 or not variance > 0:
        return variance**0.5, n_instructions - 1
    parts = ((seed + residual) / variance, (instruction + residual) / variance, residual / variance)
    freedom = (n_seeds - 1, n_instructions - 1, (n_seeds - 1) * (n_instructions - 1))
    pairs = zip(parts, freedom, strict=True)
    return variance**0.5, 1 / sum(part**2 / ((n_prompts - 1) * free) for part, free in pairs)


def noncentrality(degrees: Floats, power: float, confidence: float) -> Floats:
    """True value of a t statistic, in standard errors, that a two-sided test detects with some power."""
    found: Floats = nctdtrinc(degrees, 1 - power, stdtrit(degrees, 0.5 + confidence / 2))
    return found
