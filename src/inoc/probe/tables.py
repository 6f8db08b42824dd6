"""Tables of the stage `probe`."""

from __future__ import annotations

import pyarrow as pa

from inoc.tables import FLAG, INDEX, NUMBER, STRING

MEAN = "mean of groups"
"""Fold of an import: mean over the groups that were held out, as no release has the predictions of all of them."""

PROBES = pa.schema(
    [
        ("probe", STRING),
        ("target", STRING),
        ("site", STRING),  # empty for a baseline that needs no activations, and for a ceiling
        ("readout", STRING),  # as the site
        ("protocol", STRING),  # within, held_out_origin, train_k; empty for a ceiling
        ("fold", STRING),  # all; a fold, an origin or origins; refused, answered; of an import, `MEAN`
        ("metric", STRING),
        ("value", NUMBER),  # NaN where the metric is not defined
        ("lo", NUMBER),  # NaN without an interval
        ("hi", NUMBER),
        ("n", INDEX),  # held-out rows; for r_between, origins; for penalty, training rows
        ("baseline", STRING),  # empty for the probe itself
    ]
)
"""`probes`. Key: probe, site, readout, protocol, fold, metric, baseline. All of it is held out.

Metrics are those of `inoc.stats.probes.metrics`, `r2_ceiling` and `r_ceiling` of `inoc.stats.probes.labels`, the chosen
`penalty`, and the tests `p` (of r2, against shuffled labels) and `p_within` (of r_within, against labels that were
shuffled within origins). Tests are those of a ridge probe of the labels, whatever the method. The interval of the
baseline `shuffled` of a ridge probe is that of shuffles.
"""

PREDICTIONS = pa.schema(
    [
        ("probe", STRING),
        ("site", STRING),
        ("readout", STRING),
        ("protocol", STRING),
        ("fold", STRING),
        ("task", STRING),
        ("origin", STRING),
        ("refused", NUMBER),  # 1, 0, or NaN if that is not known
        ("measured", NUMBER),
        ("se", NUMBER),  # standard error of the label; NaN if it is not known
        ("predicted", NUMBER),  # of the label; of logistic probes a probability, of pairs a score
        ("by_origin", NUMBER),  # prediction by the mean of the origin in the training rows
    ]
)
"""`probe_predictions`. Key: probe, site, readout, protocol, fold, task. All of it is held out."""

COSINES = pa.schema(
    [
        ("probe_a", STRING),
        ("origin_a", STRING),  # the tasks it was trained on; empty for all
        ("probe_b", STRING),
        ("origin_b", STRING),
        ("site", STRING),
        ("readout", STRING),
        ("cosine", NUMBER),  # of coefficients alone; NaN if one has no direction
        ("lo", NUMBER),  # by refits on resampled tasks
        ("hi", NUMBER),
        ("null_lo", NUMBER),  # by the same refits, with shuffled labels of one of both
        ("null_hi", NUMBER),
        ("p", NUMBER),  # two-sided, of that null
        ("n_a", INDEX),  # tasks
        ("n_b", INDEX),
        ("n_refits", INDEX),
    ]
)
"""`probe_cosines`. Key: both probes with their origins, site, readout."""

FITS = pa.schema(
    [
        ("vector", STRING),  # name in probes.safetensors
        ("probe", STRING),
        ("site", STRING),
        ("readout", STRING),
        ("shuffled", FLAG),  # whether it was fitted to shuffled labels
        ("intercept", NUMBER),  # of the label; not in the vector
        ("penalty", NUMBER),  # multiple of the number of dimensions
        ("norm", NUMBER),  # of the coefficients, in label units per activation unit
        ("activation_norm", NUMBER),
        ("n", INDEX),
    ]
)
"""`probe/fits.parquet`: probes fitted to all tasks, whose coefficients are the vectors. Key: vector."""
