"""The tables `probes`, `probe_predictions` and `probe_cosines`: those of the stage `probe`, or of an import."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.jobs.paths import Paths
from inoc.probe.tables import COSINES, MEAN, PREDICTIONS, PROBES
from inoc.stats.probes.probing import ALL
from inoc.studies.preferences.released.read import Released
from inoc.studies.preferences.study import Study
from inoc.tables import read_table

_FILES = {
    "probes": ("probes", PROBES),
    "probe_predictions": ("predictions", PREDICTIONS),
    "probe_cosines": ("cosines", COSINES),
}


_PROTOCOLS = ("within", "held_out_origin", "train_k")


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


def main_metric(own: pd.DataFrame) -> str:
    """The metric by which a probe and its baselines are shown: R², or the share of choices for pairs."""
    return "r2" if (own["metric"] == "r2").any() else "accuracy"


def overall(probes: pd.DataFrame) -> pd.DataFrame:
    """Rows over all held-out tasks, without those of single folds."""
    return probes[probes["fold"].isin([ALL, MEAN])]


def best_places(probes: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Probe → site and read-out with the highest r, chosen by the very numbers that are shown.

    That is r within folds; of a probe that has none, r on held-out origins, or of few origins on all others.
    """
    own = overall(probes)
    own = own[(own["baseline"] == "") & (own["site"] != "") & (own["metric"] == "r")]
    found: dict[str, tuple[str, str]] = {}
    for probe, every in own.groupby("probe", sort=False):
        protocol = min(every["protocol"], key=_PROTOCOLS.index)
        rows = every[every["protocol"] == protocol]
        values = rows["value"].fillna(-2.0).to_numpy(dtype=np.float64)
        best = rows.iloc[int(values.argmax())]
        found[str(probe)] = (str(best["site"]), str(best["readout"]))
    return found


def at_places(table: pd.DataFrame, places: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """The rows of each probe at its place, and those that belong to no place."""
    wanted = [
        (site, readout) in (("", ""), places.get(str(probe), ("", "")))
        for probe, site, readout in zip(table["probe"], table["site"], table["readout"], strict=True)
    ]
    return table[np.array(wanted, dtype=np.bool_)]
