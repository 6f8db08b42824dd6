"""The tables about persona vectors: `vectors`, `cosines`, `steering`, `projections` and `agreement`."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from inoc.analyse.step import Skip
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.study import Study
from inoc.tables import INDEX, NUMBER, STRING

VECTORS = pa.schema(
    [
        ("trait", STRING),
        ("readout", STRING),
        ("site", STRING),
        ("norm", NUMBER),
        ("split_half", NUMBER),
        ("n", INDEX),
    ]
)
COSINES = pa.schema(
    [("readout", STRING), ("site", STRING), ("trait_a", STRING), ("trait_b", STRING), ("cosine", NUMBER)]
)
STEERING = pa.schema(
    [
        ("trait", STRING),
        ("site", STRING),
        ("coefficient", NUMBER),
        ("trait_score", NUMBER),
        ("coherence", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_incoherent", INDEX),
    ]
)
PROJECTIONS = pa.schema(
    [
        ("dataset", STRING),
        ("vector", STRING),
        ("site", STRING),
        ("mean", NUMBER),
        ("sd", NUMBER),
        ("d", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n_pairs", INDEX),
    ]
)
AGREEMENT = pa.schema(
    [
        ("dataset", STRING),
        ("vector", STRING),
        ("site", STRING),
        ("value", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
    ]
)
SCHEMAS = {
    "vectors": VECTORS,
    "cosines": COSINES,
    "steering": STEERING,
    "projections": PROJECTIONS,
    "agreement": AGREEMENT,
}


def persona_tables(study: Study, paths: Paths, shards: Shards, skips: list[Skip]) -> dict[str, pd.DataFrame]:
    """The tables, empty for a study without traits.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        skips: What could not be computed; more of it is added.
    """
    return {name: pd.DataFrame(columns=schema.names) for name, schema in SCHEMAS.items()}
