"""Planted utilities beside those that probes find in activations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.stats.correlation import pearson
from inoc.stats.means import NAN
from inoc.studies.preferences.analyse.probed import at_places, best_places
from inoc.studies.preferences.inside import REFUSED
from inoc.studies.preferences.roles import probe_rater
from inoc.studies.preferences.study import Study

FOUND_FROM = 0.5
_CHANCE = 0.05  # p of the test, and R² of shuffled labels, up to which the checks hold


class Row(NamedTuple):
    """A row of the table `planted`."""

    check: str
    instrument: str
    rater: str
    planted: float
    found: float
    lo: float = NAN
    hi: float = NAN
    n: int = 0
    holds: str = ""


def probe_rows(
    study: Study, utility: Mapping[str, float], refused: Collection[str], tables: Mapping[str, pd.DataFrame]
) -> Iterator[Row]:
    """Rows of each probe at the place with the highest r, without those of refusals.

    Args:
        study: The study.
        utility: Task → planted utility.
        refused: Tasks of refused topics.
        tables: The other tables.
    """
    probes = tables["probes"]
    places = best_places(probes)
    shown = at_places(probes[(probes["fold"] == "all") & (probes["protocol"] == "within")], places)
    predicted = tables["probe_predictions"]
    predicted = at_places(predicted[predicted["protocol"] == "within"], places)
    for key, probe in study.probes.items():
        if probe.target == REFUSED or key not in places:
            continue
        rater = probe_rater(study, probe)
        own = predicted[(predicted["probe"] == key) & ~predicted["task"].isin(refused)]
        truth = np.array([utility[str(task)] for task in own["task"]], dtype=np.float64)
        r = pearson(own["predicted"].to_numpy(dtype=np.float64), truth)
        p = _value(shown, key, "p", "")
        holds = r.value >= FOUND_FROM and (p != p or p <= _CHANCE)
        yield Row(f"probe {key}", probe.target, rater, 1.0, r.value, r.lo, r.hi, r.n, "yes" if holds else "no")
        null = _value(shown, key, "r2", "shuffled")
        if null == null:
            said = "yes" if null <= _CHANCE else "no"
            yield Row(f"probe {key}, shuffled labels", probe.target, rater, 0.0, null, n=r.n, holds=said)


def _value(shown: pd.DataFrame, probe: str, metric: str, baseline: str) -> float:
    own = shown[(shown["probe"] == probe) & (shown["metric"] == metric) & (shown["baseline"] == baseline)]
    return float(own["value"].iloc[0]) if len(own) else NAN
