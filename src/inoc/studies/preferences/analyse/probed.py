"""The tables `probes`, `probe_predictions` and `probe_cosines`: those of the stage `probe`, or of an import."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from inoc.jobs.paths import Paths
from inoc.probe.tables import COSINES, PREDICTIONS, PROBES
from inoc.studies.preferences.released.read import Released
from inoc.studies.preferences.study import Study
from inoc.tables import read_table

_FILES = {
    "probes": ("probes", PROBES),
    "probe_predictions": ("predictions", PREDICTIONS),
    "probe_cosines": ("cosines", COSINES),
}


def probe_tables(
    study: Study, paths: Paths | None, released: Released | None = None
) -> dict[str, tuple[pa.Schema, pd.DataFrame]]:
    """Table → its schema and rows.

    Args:
        study: The study.
        paths: Its results; None for an import.
        released: What an import has; None for a study that was computed.
    """
    found = {}
    for name, (file, schema) in _FILES.items():
        if paths is not None and study.probes:
            frame = read_table(paths.stage("probe") / f"{file}.parquet")
        else:
            frame = (released or Released({})).frame(name)
        found[name] = (schema, frame)
    return found
