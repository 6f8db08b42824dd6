"""Precision of the contrasts between prompts on one dataset, of which some rows are scored.

A contrast is about all rows of its dataset. Its n scored rows are drawn from the N without replacement, so its standard
error is S / √n · √(1 − n/N), with S the standard deviation of the row differences: nothing is left to chance once all
rows are scored. About further rows from where the dataset came from (the population), the error is S / √n.
"""

from __future__ import annotations

import math

import numpy as np

Z = 1.959963984540054  # of a two-sided 95 % interval
FIRST_BLOCKS = 2  # a standard deviation from fewer rows than these blocks hold is too rough to stop by


def half_width(means: np.ndarray, own: int = -1, n_rows: int | None = None) -> float:
    """The largest half-width of a 95 % interval of a contrast between two prompts, paired by row.

    Args:
        means: (prompts, rows) mean log-probability per token, nats, of rows drawn at random from the dataset. Rows with
            a NaN under any prompt are left out.
        own: Position of the dataset's own prompt: then only its contrasts with the others count. -1: all pairs do.
        n_rows: Number of rows of the dataset, for the interval of the contrast over all of them. Default: the interval
            is for the population that the rows came from.

    Returns:
        In nats per token; NaN with fewer than two rows, 0 with fewer than two prompts.
    """
    values = means[:, ~np.isnan(means).any(axis=0)]
    prompts, n = values.shape
    if prompts < 2:
        return 0.0
    if n < 2:
        return float("nan")
    covariance = np.atleast_2d(np.cov(values))
    variance = np.diag(covariance)
    of_difference = variance[:, None] + variance[None, :] - 2 * covariance
    chosen = of_difference if own < 0 else of_difference[own]
    left = 1.0 if n_rows is None else unscored(means.shape[1], n_rows)
    return float(Z * np.sqrt(max(0.0, chosen.max()) / n * left))


def unscored(scored: int, n_rows: int) -> float:
    """Share of a dataset's rows that are not scored: the finite-population correction of a variance.

    Rows that failed count as scored: those that cannot be scored are not part of what the mean is about.
    """
    return max(0.0, 1 - scored / n_rows) if n_rows else 0.0


def rows_for(precision: float | None, spread: float, n_rows: int, block: int, fewest: int) -> int:
    """Rows that are scored until a contrast is as precise as asked.

    Args:
        precision: Half-width of the 95 % interval about the contrast over all rows, nats per token; None: all rows.
        spread: Standard deviation of the contrast over rows, nats per token.
        n_rows: Number of rows of the dataset.
        block: Rows are scored in blocks of this size.
        fewest: No fewer rows are scored, unless the dataset has fewer.
    """
    if precision is None:
        return n_rows
    # Z² S² (1/n − 1/N) = h², solved for n.
    needed = 1 / ((precision / (Z * spread)) ** 2 + 1 / n_rows)
    return min(n_rows, max(fewest, block * math.ceil(needed / block)))
