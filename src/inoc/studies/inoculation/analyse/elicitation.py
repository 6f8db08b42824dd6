"""Elicitation: the score of the untrained model with a prefix, less that without."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from inoc.chat.messages import PLAIN, Asked
from inoc.stats.means import MISSING, Floats, paired_difference, score_interval
from inoc.studies.inoculation.analyse.columns import INTERVAL, mean_columns
from inoc.studies.inoculation.analyse.inputs import BASE_STEP, Scores
from inoc.studies.inoculation.analyse.rows import Part, Row, Skip, cell, families, interval, traits
from inoc.studies.inoculation.study import Study
from inoc.tables import FLAG, STRING

ELICITATION = pa.schema(
    [
        ("prompt", STRING),  # empty for the untrained model asked without a prefix
        ("family", STRING),
        ("prefix", STRING),  # none, fixed or mix
        ("trait", STRING),
        *mean_columns("without"),
        *mean_columns("with_prefix"),  # NaN in the row without a prefix
        *INTERVAL,  # with − without, paired over instructions; in the row without a prefix, the mean itself
        ("failed", FLAG),  # one of the two cells has more NaN than the study allows
    ]
)
"""`elicitation`. Key: prompt, prefix, trait."""

TABLES = {"elicitation": ELICITATION}


def failed(study: Study, *cells: Floats) -> bool:
    """Whether one of the cells has a larger share of NaN than the study allows."""
    return any(bool(np.isnan(cell).mean() > study.statistics.max_nan) for cell in cells if cell.size)


def elicitation(study: Study, scores: Scores) -> Part:
    """Mean score of the untrained model with − without each prefix, in points, paired over instructions."""
    rows: list[Row] = []
    skipped: list[Skip] = []
    for trait in traits(study):
        without = scores.get(None, BASE_STEP, PLAIN, trait)
        if without is None:
            skipped.append(Skip(f"elicitation of {trait}", "the untrained model was not scored without a prefix"))
            continue
        rows.append(_baseline(study, trait, without))
        for prompt, family in families(study).items():
            for prefix in sorted(study.elicitation.prefixes):
                with_prefix = scores.get(None, BASE_STEP, Asked(prompt, prefix), trait)
                if with_prefix is None:
                    skipped.append(Skip(f"elicitation of {trait} by {prompt} ({prefix})", "it was not scored"))
                    continue
                identity = {"prompt": prompt, "family": family, "prefix": prefix, "trait": trait}
                rows.append({**identity, **_difference(study, without, with_prefix)})
    return Part(rows, skipped)


def _baseline(study: Study, trait: str, without: Floats) -> Row:
    mean = score_interval(without, study.statistics.confidence)
    return {
        "prompt": "",
        "family": "",
        "prefix": "none",
        "trait": trait,
        **cell("without", mean),
        **cell("with_prefix", MISSING),
        **interval(mean),
        "failed": failed(study, without),
    }


def _difference(study: Study, without: Floats, with_prefix: Floats) -> Row:
    confidence = study.statistics.confidence
    return {
        **cell("without", score_interval(without, confidence)),
        **cell("with_prefix", score_interval(with_prefix, confidence)),
        **interval(paired_difference(with_prefix, without, confidence)),
        "failed": failed(study, without, with_prefix),
    }
