"""The tables `projections` and `projection_distances`: where rows of numbers lie along the vectors of traits."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.stats.divergence import Divergence, binned, divergence
from inoc.stats.effects import cohens_d, paired_d
from inoc.stats.means import NAN, Floats, mean_interval, share_interval, welch_difference
from inoc.studies.subliminal.analyse.persona_answers import Row
from inoc.tables import INDEX, NUMBER, STRING

PROJECTIONS = pa.schema(
    [
        ("dataset", STRING),
        ("vector", STRING),
        ("readout", STRING),
        ("site", STRING),
        ("measure", STRING),  # raw: activation · vector / norm of the vector; cosine: over that of the activation too
        ("reference", STRING),  # dataset whose row of the same prompt is subtracted; empty: nothing is
        ("mean", NUMBER),  # activation units, or a cosine
        ("mean_lo", NUMBER),
        ("mean_hi", NUMBER),
        ("sd", NUMBER),  # ddof 1
        ("d", NUMBER),  # mean / sd of paired differences; NaN without a reference
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("positive", NUMBER),  # share above 0
        ("positive_lo", NUMBER),
        ("positive_hi", NUMBER),
        ("n_pairs", INDEX),  # rows, or pairs of rows
        ("n_unpaired", INDEX),  # rows without a partner in the reference
        ("n_nan", INDEX),  # rows or pairs without a projection
    ]
)

PROJECTION_DISTANCES = pa.schema(
    [
        ("vector", STRING),
        ("readout", STRING),
        ("site", STRING),
        ("measure", STRING),
        ("dataset_a", STRING),
        ("dataset_b", STRING),
        ("jsd_bits", NUMBER),  # 100 bins over the pooled range
        ("jsd_corrected", NUMBER),  # less its bias
        ("jsd_lo", NUMBER),  # bootstrap interval of the corrected value
        ("jsd_hi", NUMBER),
        ("mean_difference", NUMBER),  # mean of a − mean of b, unpaired
        ("mean_lo", NUMBER),
        ("mean_hi", NUMBER),
        ("d", NUMBER),  # in pooled SDs
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n_a", INDEX),
        ("n_b", INDEX),
        ("n_nan", INDEX),
    ]
)

RESAMPLES = 100
"""Resamples of a divergence: there are many pairs of datasets."""


class Projected(NamedTuple):
    """Projections of the rows of one dataset on one vector."""

    dataset: str
    vector: str
    readout: str
    site: str
    measure: str  # raw, cosine
    ids: Sequence[str]  # prompts; rows of two datasets with one id answer the same prompt
    values: Floats  # shape (rows,); NaN for an empty answer, or a vector that is zero

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Vector, read-out, site and measure."""
        return self.vector, self.readout, self.site, self.measure


class Differences(NamedTuple):
    """Rows of a dataset less the reference's rows of the same prompts."""

    ids: list[str]
    values: Floats
    n_unpaired: int  # rows of the dataset without a partner


def differences(own: Projected, reference: Projected) -> Differences:
    """Paired differences, in the dataset's order."""
    place = {row: at for at, row in enumerate(reference.ids)}
    rows = [at for at, row in enumerate(own.ids) if row in place]
    partners = [place[own.ids[at]] for at in rows]
    values = own.values[rows] - reference.values[partners]
    return Differences([own.ids[at] for at in rows], values, len(own.ids) - len(rows))


def projection_rows(found: Mapping[str, Projected], neutral: str, confidence: float) -> list[Row]:
    """Rows of the datasets on one vector: each by itself, and each but the neutral one less the neutral rows.

    Args:
        found: Dataset → its projections, all on one vector at one site in one measure.
        neutral: The dataset that is the reference; empty for none.
        confidence: Level of the intervals.
    """
    rows: list[Row] = []
    for dataset, own in found.items():
        rows.append(_row(own, "", own.values, 0, confidence))
        if neutral in found and dataset != neutral:
            moved = differences(own, found[neutral])
            rows.append(_row(own, neutral, moved.values, moved.n_unpaired, confidence))
    return rows


def _row(own: Projected, reference: str, values: Floats, n_unpaired: int, confidence: float) -> Row:
    mean, above = mean_interval(values, confidence), share_interval(values, confidence)
    known = values[~np.isnan(values)]
    effect = paired_d(values, confidence) if reference else None
    return {
        "dataset": own.dataset,
        "vector": own.vector,
        "readout": own.readout,
        "site": own.site,
        "measure": own.measure,
        "reference": reference,
        "mean": mean.value,
        "mean_lo": mean.lo,
        "mean_hi": mean.hi,
        "sd": float(known.std(ddof=1)) if known.size > 1 else NAN,
        "d": effect.value if effect else NAN,
        "lo": effect.lo if effect else NAN,
        "hi": effect.hi if effect else NAN,
        "positive": above.value,
        "positive_lo": above.lo,
        "positive_hi": above.hi,
        "n_pairs": mean.n,
        "n_unpaired": n_unpaired,
        "n_nan": mean.n_nan,
    }


def distance_rows(found: Mapping[str, Projected], seed: int, resamples: int, confidence: float) -> list[Row]:
    """A row for each two datasets on one vector.

    Args:
        found: Dataset → its projections, all on one vector at one site in one measure.
        seed: Of the resamples.
        resamples: Their number, of which no more than `RESAMPLES` are drawn.
        confidence: Level of the intervals.
    """
    known = {dataset: np.sort(one.values[~np.isnan(one.values)]) for dataset, one in found.items()}
    rows: list[Row] = []
    for first, second in itertools.combinations(found, 2):
        a, b = known[first], known[second]
        apart = Divergence(NAN, NAN, NAN, NAN, NAN, NAN)
        if a.size and b.size:
            rng = np.random.default_rng([seed, 4])
            apart = divergence(*binned(a, b), rng, min(resamples, RESAMPLES), confidence)
        means, effect = welch_difference(a, b, confidence), cohens_d(a, b, confidence)
        vector, readout, site, measure = found[first].place
        rows.append(
            {
                "vector": vector,
                "readout": readout,
                "site": site,
                "measure": measure,
                "dataset_a": first,
                "dataset_b": second,
                "jsd_bits": apart.plain,
                "jsd_corrected": apart.corrected,
                "jsd_lo": apart.lo,
                "jsd_hi": apart.hi,
                "mean_difference": means.value,
                "mean_lo": means.lo,
                "mean_hi": means.hi,
                "d": effect.value,
                "lo": effect.lo,
                "hi": effect.hi,
                "n_a": a.size,
                "n_b": b.size,
                "n_nan": found[first].values.size + found[second].values.size - a.size - b.size,
            }
        )
    return rows
