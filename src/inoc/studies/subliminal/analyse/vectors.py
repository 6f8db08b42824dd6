"""The tables `vectors` and `cosines`: the directions of traits, how well they are known, and how alike they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from inoc.stats.directions import Cosine, cosine, cosine_of_means
from inoc.stats.means import NAN
from inoc.studies.shared.directions import Direction, direction_row
from inoc.studies.subliminal.analyse.persona_answers import Row
from inoc.tables import INDEX, NUMBER, STRING

VECTORS = pa.schema(
    [
        ("trait", STRING),
        ("readout", STRING),
        ("site", STRING),
        ("norm", NUMBER),  # of the difference of means, activation units
        ("norm_corrected", NUMBER),  # less what noise adds; NaN where only the vector is known, as below
        ("activation_norm", NUMBER),  # mean norm of the activations at the site
        ("split_half", NUMBER),  # mean cosine of the vectors from two halves of the questions
        ("split_lo", NUMBER),  # the middle 95 % of the splits
        ("split_hi", NUMBER),
        ("reliability", NUMBER),  # of the whole, by Spearman and Brown
        ("n", INDEX),  # pairs of answers
        ("n_nan", INDEX),  # pairs without the read-out, such as an empty answer
        ("n_questions", INDEX),
    ]
)

COSINES = pa.schema(
    [
        ("site", STRING),
        ("trait_a", STRING),
        ("readout_a", STRING),
        ("trait_b", STRING),
        ("readout_b", STRING),
        ("cosine", NUMBER),  # of the vectors as they are; NaN if one is zero
        ("corrected", NUMBER),  # less what noise takes away; NaN where only the vectors are known
        ("lo", NUMBER),  # of the corrected cosine; questions are the unit
        ("hi", NUMBER),
        ("ceiling", NUMBER),  # the highest cosine that the reliabilities of both allow on average
        ("n_questions", INDEX),
    ]
)


def vector_rows(directions: Iterable[Direction], seed: int) -> list[Row]:
    """A row for each direction.

    Args:
        directions: Of all traits, read-outs and sites.
        seed: Of the random splits.
    """
    return [
        {"trait": one.name, "readout": one.readout, "site": one.site, **direction_row(one, seed)} for one in directions
    ]


def cosine_rows(
    directions: Sequence[Direction], reliability: Mapping[tuple[str, str, str], float], confidence: float
) -> list[Row]:
    """A row for each two traits of one read-out, and for each two read-outs of one trait, at one site.

    Args:
        directions: Those of one site.
        reliability: (trait, read-out, site) → reliability of its vector.
        confidence: Level of the intervals.
    """
    rows: list[Row] = []
    for place, first in enumerate(directions):
        for second in directions[place + 1 :]:
            if first.name != second.name and first.readout != second.readout:
                continue
            found = _cosine(first, second, confidence)
            bounds = [reliability.get((one.name, one.readout, one.site), NAN) for one in (first, second)]
            rows.append(
                {
                    "site": first.site,
                    "trait_a": first.name,
                    "readout_a": first.readout,
                    "trait_b": second.name,
                    "readout_b": second.readout,
                    "cosine": found.plain,
                    "corrected": found.corrected,
                    "lo": found.lo,
                    "hi": found.hi,
                    "ceiling": float(np.sqrt(bounds[0] * bounds[1])) if min(bounds) > 0 else NAN,
                    "n_questions": found.n_groups,
                }
            )
    return rows


def _cosine(first: Direction, second: Direction, confidence: float) -> Cosine:
    if first.groups is None or second.groups is None:
        return Cosine(cosine(first.values, second.values), NAN, NAN, NAN, 0)
    return cosine_of_means(first.groups, second.groups, confidence)
