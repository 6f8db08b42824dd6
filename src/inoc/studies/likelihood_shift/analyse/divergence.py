"""The table `divergence`: how far the shifts of two datasets under one prompt are apart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from inoc.stats.divergence import Divergence, binned, divergence
from inoc.stats.effects import cohens_d
from inoc.stats.means import NAN, Floats, welch_difference
from inoc.studies.likelihood_shift.analyse.rows import Row, Scan
from inoc.tables import INDEX, NUMBER, STRING

DIVERGENCE = pa.schema(
    [
        ("dataset_a", STRING),
        ("dataset_b", STRING),
        ("prompt", STRING),
        ("jsd_bits", NUMBER),  # Jensen–Shannon divergence, 100 bins over the pooled range, 0 to 1
        ("jsd_corrected", NUMBER),  # less its bias
        ("lo", NUMBER),  # jackknife interval of the corrected value; NaN below `stats.divergence.FEWEST_ROWS` rows
        ("hi", NUMBER),
        ("bootstrap_lo", NUMBER),  # bootstrap interval of the corrected value
        ("bootstrap_hi", NUMBER),
        ("mean_difference", NUMBER),  # mean of a − mean of b, nats per token
        ("mean_lo", NUMBER),
        ("mean_hi", NUMBER),
        ("cohens_d", NUMBER),  # in pooled SDs
        ("d_lo", NUMBER),
        ("d_hi", NUMBER),
        ("n_a", INDEX),
        ("n_b", INDEX),
        ("n_nan", INDEX),
    ]
)

MOST_RESAMPLES: Final = 200
"""Resamples of a divergence are no more than this: there are pairs of datasets times prompts of them."""


class Sample:
    """Shifts of one dataset under one prompt, sorted, without NaN."""

    def __init__(self, shifts: Floats) -> None:
        known = np.sort(shifts)
        self.n_nan = int(np.isnan(known).sum())
        self.values = known[: known.size - self.n_nan]


def divergence_rows(samples: Mapping[tuple[str, str], Sample], datasets: Sequence[str], scan: Scan) -> list[Row]:
    """A row for each prompt and each two datasets, in the study's order.

    Args:
        samples: (dataset, prompt) → its shifts.
        datasets: In their order.
        scan: The study.
    """
    rows: list[Row] = []
    resamples = min(scan.resamples, MOST_RESAMPLES)
    for prompt in scan.prompts:
        known = [dataset for dataset in datasets if (dataset, prompt) in samples]
        for first, second in itertools.combinations(known, 2):
            a, b = samples[first, prompt], samples[second, prompt]
            found = Divergence(NAN, NAN, NAN, NAN, NAN, NAN)
            if a.values.size and b.values.size:
                # One seed for every pair: an interval does not depend on what else is analysed.
                rng = np.random.default_rng([scan.seed, 3])
                found = divergence(*binned(a.values, b.values), rng, resamples, scan.confidence)
            rows.append(
                {
                    "dataset_a": first,
                    "dataset_b": second,
                    "prompt": prompt,
                    "jsd_bits": found.plain,
                    "jsd_corrected": found.corrected,
                    "lo": found.lo,
                    "hi": found.hi,
                    "bootstrap_lo": found.bootstrap_lo,
                    "bootstrap_hi": found.bootstrap_hi,
                    **_moved(a, b, scan.confidence),
                }
            )
    return rows


def _moved(a: Sample, b: Sample, confidence: float) -> Row:
    means = welch_difference(a.values, b.values, confidence)
    effect = cohens_d(a.values, b.values, confidence)
    return {
        "mean_difference": means.value,
        "mean_lo": means.lo,
        "mean_hi": means.hi,
        "cohens_d": effect.value,
        "d_lo": effect.lo,
        "d_hi": effect.hi,
        "n_a": a.values.size,
        "n_b": b.values.size,
        "n_nan": a.n_nan + b.n_nan,
    }


def given_divergence(first: str, second: str, prompt: str, value: float) -> Row:
    """The row of a published divergence."""
    unknown: Row = {name: NAN for name in DIVERGENCE.names if DIVERGENCE.field(name).type == NUMBER}
    counts: Row = {"n_a": 0, "n_b": 0, "n_nan": 0}
    return {**unknown, "dataset_a": first, "dataset_b": second, "prompt": prompt, "jsd_bits": value, **counts}
