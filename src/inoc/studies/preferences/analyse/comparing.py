"""Rows and single tasks by which the ratings of a study are compared with those of another."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from inoc.analyse.comparable import Units
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.stats.means import mean_interval
from inoc.studies.preferences.study import Study
from inoc.tables import read_table

_KEYS = ["instrument", "rater", "completer", "when", "context_completion", "context_measurement"]


def mean_ratings(frame: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Mean over tasks of each instrument, rater and context, with its t interval.

    Args:
        frame: The table `ratings`.
        confidence: Level of the intervals.
    """
    tasks = _by_task(frame)
    rows = [
        {
            **dict(zip(_KEYS, key, strict=True)),
            **mean_interval(part["value"].to_numpy(dtype=float), confidence)._asdict(),
        }
        for key, part in tasks.groupby(_KEYS, sort=False, dropna=False)
    ]
    return pd.DataFrame(rows, columns=[*_KEYS, "value", "lo", "hi", "n", "n_nan"])


def rating_units(study: Study, paths: Paths, shards: Shards) -> Iterator[Units]:
    """Mean rating of each task.

    Args:
        study: Not used: the table says everything.
        paths: Results of the study.
        shards: Not used.
    """
    del study, shards
    for key, part in _by_task(read_table(paths.table("ratings"))).groupby(_KEYS, sort=False, dropna=False):
        yield Units(dict(zip(_KEYS, key, strict=True)), list(part["task"]), part["value"].to_numpy(dtype=float))


def _by_task(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean rating of each task; NaN where no answer was a rating."""
    return frame.groupby([*_KEYS, "task"], sort=False, dropna=False)["value"].mean().reset_index()
