"""Consistency of repeated ratings of one thing, between 0 and 1: on the declared scale, and by three earlier rules."""

from __future__ import annotations

import numpy as np

from inoc.errors import DataError
from inoc.stats.means import NAN, Floats


def normalised(values: Floats, lowest: float, highest: float) -> Floats:
    """Ratings with the ends of their scale at 0 and 1; NaN for those off the scale."""
    if not lowest < highest:
        raise DataError(f"a scale from {lowest} to {highest} has no length")
    moved = (values - lowest) / (highest - lowest)
    return np.asarray(np.where((moved >= 0) & (moved <= 1), moved, np.nan))


def spread_within(table_NS: Floats) -> Floats:
    """Population standard deviation of each thing over its known repeats; NaN for fewer than two.

    Args:
        table_NS: Things × repeats.
    """
    known = (~np.isnan(table_NS)).sum(axis=1)
    found = np.full(table_NS.shape[0], NAN)
    found[known >= 2] = np.nanstd(table_NS[known >= 2], axis=1)
    return found


def by_scale(spreads: Floats) -> Floats:
    """1 − s / 0.5 of spreads on the normalised scale, whose greatest is 0.5: all repeats at the two ends.

    It depends on the thing's own ratings alone, so models and things are comparable.
    """
    return np.asarray(1 - spreads / 0.5)


def earlier_half_scale(spreads: Floats) -> Floats:
    """The earlier study's third rule: `by_scale`, cut at 0; a thing with a spread above 1 is dropped (NaN)."""
    return np.asarray(np.where(spreads > 1, np.nan, np.maximum(0, 1 - spreads / 0.5)))


def earlier_own_percentile(spreads: Floats, percentile: float | None = None) -> Floats:
    """The earlier study's second rule: 1 − min(s / P95, 1), with the 95th percentile of the model's own spreads.

    A model that is twice as noisy gets the same scores, so levels are not comparable between models.

    Args:
        spreads: One per thing.
        percentile: P95, if it is known; default: that of the spreads.
    """
    top = float(np.nanpercentile(spreads, 95)) if percentile is None else percentile
    return np.asarray(1 - np.minimum(spreads / top, 1)) if top > 0 else np.full(spreads.shape, NAN)


def earlier_pooled(intra: Floats, inter: Floats, top_intra: float, top_inter: float) -> Floats:
    """The earlier study's first rule: nine parts of agreement between seeds, one part between templates.

    Args:
        intra: Mean over models and templates of the spread between seeds, one per thing.
        inter: Mean over models of the spread between means of templates.
        top_intra: 95th percentile of all single spreads between seeds.
        top_inter: Of all single spreads between templates.
    """
    return np.asarray(0.9 * (1 - np.minimum(intra / top_intra, 1)) + 0.1 * (1 - np.minimum(inter / top_inter, 1)))


def pooled_tops(intra: Floats, inter: Floats, scores: Floats) -> tuple[float, float]:
    """The two percentiles of `earlier_pooled`, found from its scores.

    Args:
        intra: As there.
        inter: As there.
        scores: What it gave.

    Returns:
        The percentiles that give these scores to 1e-9 on the things below both; NaN if there are none of which half of
        the things are below.
    """
    known = np.isfinite(intra) & np.isfinite(inter) & np.isfinite(scores)
    if not known.any():
        return NAN, NAN
    # Those with high scores are below both percentiles, which the search starts from.
    kept = known & (scores >= np.median(scores[known]))
    for _ in range(20):
        if kept.sum() < 3:
            return NAN, NAN
        design = np.column_stack([intra[kept], inter[kept]])
        slopes = np.linalg.lstsq(design, 1 - scores[kept], rcond=None)[0]
        if not (slopes > 0).all():
            return NAN, NAN
        tops = 0.9 / slopes[0], 0.1 / slopes[1]
        below = known & (intra < tops[0]) & (inter < tops[1])
        away = np.abs(earlier_pooled(intra, inter, *tops) - scores)
        if below.sum() >= known.sum() / 2 and away[below].max() < 1e-9:
            return float(tops[0]), float(tops[1])
        if not below.any():
            return NAN, NAN
        kept = below & (away <= np.quantile(away[below], 0.9))
    return NAN, NAN
