"""One number per task from each instrument, rater and completer, for whatever compares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from inoc.stats.means import NAN
from inoc.stats.reliability import seed_correlation, spearman_brown
from inoc.studies.preferences.analyse.fits import Fitted, fit_name
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.study import NONE


@dataclass(frozen=True)
class Measure:
    """A number per task; higher is better.

    Attributes:
        name: As `fits.fit_name` makes it.
        kind: rating, or utility.
        instrument: Key of the instrument.
        rater: Key of the model that was asked.
        completer: Whose completions it was shown; empty before the task.
        values: Task → value, sorted by task; NaN where there is no answer.
        spread: Task → sigma of the utility, for weights; empty for ratings.
        reliability: Of these values, between 0 and 1; NaN if it is unknown.
    """

    name: str
    kind: str
    instrument: str
    rater: str
    completer: str
    values: pd.Series
    spread: pd.Series
    reliability: float


def measures_of(measured: Measured, fits: Sequence[Fitted], fewest: int) -> list[Measure]:
    """Every measure: means of ratings without a context, and utilities of the first model's fits.

    Args:
        measured: What was measured, without reversed instruments.
        fits: The fits.
        fewest: Minimum number of tasks of a correlation between seeds.
    """
    found = []
    plain = in_no_context(measured.ratings)
    for who, rows in plain.groupby(["instrument", "rater", "completer"], sort=True):
        instrument, rater, completer = (str(one) for one in who)
        values = task_means(rows)
        exact = rows["expectation"].notna().any()
        reliability = 1.0 if exact else _reliability(rows, fewest)
        name = fit_name((instrument, rater, completer))
        empty = pd.Series(dtype=float)
        found.append(Measure(name, "rating", instrument, rater, completer, values, empty, reliability))
    for one in fits:
        if one.main:
            found.append(_utility(one))
    return found


def _utility(one: Fitted) -> Measure:
    largest = one.utilities[one.utilities["component"] == 0].set_index("item").sort_index()
    full = {row.statistic: row.value for row in one.reliability}
    reliability = full.get("split_pairs_full", full.get("split_groups_full", NAN))
    names = (one.name, "utility", one.instrument, one.rater, one.completer)
    return Measure(*names, largest["mu"], largest["sigma"], reliability)


def stored_measures(fits: pd.DataFrame, utilities: pd.DataFrame) -> list[Measure]:
    """Measures of fits that were imported without their comparisons; their reliability is not known.

    Args:
        fits: `released.tables.STORED_FITS`.
        utilities: `released.tables.STORED_UTILITIES`.
    """
    found = []
    for row in fits.sort_values("fit").to_dict("records"):
        own = utilities[utilities["fit"] == row["fit"]].set_index("item").sort_index()
        names = (str(row["fit"]), "utility", str(row["instrument"]), str(row["rater"]), "")
        found.append(Measure(*names, own["mu"], own["sigma"], NAN))
    return found


def in_no_context(ratings: pd.DataFrame) -> pd.DataFrame:
    """Ratings of tasks that were done and rated without a context of the study."""
    return ratings[(ratings["context_completion"] == NONE) & (ratings["context_measurement"] == NONE)]


def task_means(rows: pd.DataFrame) -> pd.Series:
    """Mean rating of each task, sorted by task: of the exact expectations where there are any, else of the answers."""
    value = rows["expectation"].where(rows["expectation"].notna(), rows["value"])
    return value.groupby(rows["task"]).mean().sort_index()


def by_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """Tasks × seeds, each the mean over the samples of a seed and over the seeds of completion."""
    return rows.pivot_table(index="task", columns="seed", values="value", aggfunc="mean", dropna=False).sort_index()


def _reliability(rows: pd.DataFrame, fewest: int) -> float:
    """Of the mean over seeds, by Spearman and Brown."""
    table = by_seed(rows)
    if table.shape[1] < 2:
        return NAN
    r = seed_correlation(table.to_numpy(dtype=np.float64), fewest=fewest).mean.value
    return spearman_brown(r, table.shape[1]) if np.isfinite(r) else NAN


def origins_of(tasks: Sequence[str], origins: Mapping[str, str]) -> list[str]:
    """Origin of each task; empty if it is unknown."""
    return [origins.get(task, "") for task in tasks]
