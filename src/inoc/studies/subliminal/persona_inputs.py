"""Reads projections of rows on persona vectors."""

from __future__ import annotations

import pandas as pd

from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.study import SplitSpec, Study


def row_projections(study: Study, paths: Paths, spec: SplitSpec, teacher: str, shards: Shards) -> pd.Series[float]:
    """Row id → projection of a teacher's kept rows on the vector of a split.

    Raises:
        DataError: If the rows were not projected.
    """
    msg = f"the rows of {teacher} are not projected on {spec.trait}; add a section `projection` to the study"
    raise DataError(msg)
