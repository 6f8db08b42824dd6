"""Precision of the contrasts between prompts on one dataset."""

from __future__ import annotations

import numpy as np

Z = 1.959963984540054  # of a two-sided 95 % interval


def half_width(means: np.ndarray, own: int = -1) -> float:
    """The largest half-width of a 95 % interval of a contrast between two prompts, paired by row.

    Args:
        means: (prompts, rows) mean log-probability per token, nats. Rows with a NaN under any prompt are left out.
        own: Position of the dataset's own prompt: then only its contrasts with the others count. -1: all pairs do.

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
    return float(Z * np.sqrt(max(0.0, chosen.max()) / n))
