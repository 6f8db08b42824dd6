"""The common scale of two fits: a line through the items that both have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.stats.correlation import Correlation, pearson
from inoc.stats.means import Floats

FEWEST_COMMON = 5
"""Items that two fits must have in common to be linked."""


class Link(NamedTuple):
    """`slope * mu + intercept` brings the second fit's utilities to the scale of the first."""

    slope: float
    intercept: float
    n: int  # common items
    agreement: Correlation  # of the utilities of the common items
    residual_sd: float  # of the linked utilities about the first fit's, in its unit

    def moved(self, mu: Floats) -> Floats:
        """Utilities of the second fit on the scale of the first."""
        return np.asarray(self.slope * mu + self.intercept)


def link(first: Floats, second: Floats, *, scaled: bool = True) -> Link:
    """Link two fits on their common items.

    Every fit has a location of its own, and a scale that its penalty or its model sets; utilities of two fits cannot
    be compared, subtracted or put into one list before that. The slope is the ratio of the standard deviations (that
    of the reduced major axis), so that linking the other way round is the exact inverse.

    Args:
        first: Utilities of the common items in the first fit.
        second: Utilities of the same items in the second.
        scaled: Whether the scale is linked too; if not, the slope is 1 and the location alone is.

    Raises:
        DataError: If there are too few common items, or their utilities do not rise together.
    """
    known = ~(np.isnan(first) | np.isnan(second))
    a, b = first[known], second[known]
    if a.size < FEWEST_COMMON:
        raise DataError(
            f"two fits with {a.size} common items cannot be linked; at least {FEWEST_COMMON} are needed. "
            "Compare some of the items of one with those of the other, and fit all comparisons together"
        )
    agreement = pearson(a, b)
    if not agreement.value > 0:
        raise DataError(
            f"the common items of two fits correlate {agreement.value:.2f}, so they have no common scale. "
            "Report the two fits apart"
        )
    slope = float(a.std() / b.std()) if scaled else 1.0
    intercept = float(a.mean() - slope * b.mean())
    rest = a - slope * b - intercept
    return Link(slope, intercept, a.size, agreement, float(rest.std(ddof=1)))


def refuse_pooled(mu: Floats, name: str) -> None:
    """Refuse utilities that are those of several fits, one after the other.

    A fit that holds one item at 0 has one utility of exactly 0. Two say that two such fits were put into one file, and
    their utilities differ by an unknown constant and an unknown factor.

    Args:
        mu: Utilities of a file.
        name: What the file is called in the message.

    Raises:
        DataError: If more than one utility is exactly 0.
    """
    anchors = np.flatnonzero(mu == 0.0)
    if anchors.size > 1:
        rows = ", ".join(str(int(one) + 1) for one in anchors[:5])
        raise DataError(
            f"{name}: {anchors.size} utilities are exactly 0 (rows {rows}), so fits with an anchor each were put one "
            "after the other. Each has its own location and scale, which nothing in the file links: read the fits "
            "apart, or fit their comparisons together"
        )
