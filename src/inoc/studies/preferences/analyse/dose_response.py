"""The table `dose_response`: answers under each vector at each coefficient, and how many of them are lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.dose import Doses, doses_of, linked_mean, usable
from inoc.stats.means import NAN, Floats
from inoc.studies.preferences.steering_plans import UNSTEERED
from inoc.studies.preferences.steering_vectors import kind_of
from inoc.tables import INDEX, NUMBER, STRING

DOSE_RESPONSE = pa.schema(
    [
        ("vector", STRING),
        ("kind", STRING),  # own; or a null: random, combination (of activations), shuffled
        ("site", STRING),
        ("target", STRING),
        ("text", STRING),  # all, first, second, differential
        ("answers", STRING),  # all that were read; or coherent: those above the bound of coherence alone
        ("coefficient", NUMBER),  # 0: the same unsteered answers for every vector
        ("mean", NUMBER),  # over tasks, or pairs in one order; see `steering_trials.SCALES`
        ("lo", NUMBER),  # tasks are the unit
        ("hi", NUMBER),
        ("difference", NUMBER),  # from the unsteered answer of the same task, or pair in one order; 0 at 0
        ("difference_lo", NUMBER),  # tasks are the unit
        ("difference_hi", NUMBER),
        ("n", INDEX),  # tasks, or pairs in one order, with an answer
        ("n_lost", NUMBER),  # answers that were refused or not read; of exact probabilities, their sum
        ("n_incoherent", INDEX),  # answers below the bound of coherence
        ("n_answers", INDEX),
        ("kept", NUMBER),  # share of the answers that were read and are coherent
        ("coherence", NUMBER),  # mean, 0 to 100; NaN if nobody judged
    ]
)
"""Key: vector, site, target, answers, coefficient."""

CELL = ["vector", "site", "target", "text"]
Row = dict[str, object]


class Bounds(NamedTuple):
    """Bounds of what counts."""

    coherence: float  # of an answer, 0 to 100
    kept: float  # share of the answers at a usable coefficient


class Swept(NamedTuple):
    """Answers of a vector on a target, with the unsteered ones."""

    key: dict[str, str]  # columns of `CELL`
    rows: pd.DataFrame

    def answers(self, which: str, bounds: Bounds) -> pd.DataFrame:
        """All answers, or the coherent ones alone; an answer that nobody judged counts as coherent."""
        return self.rows if which == "all" else self.rows[~incoherent(self.rows, bounds)]

    def doses(self, which: str, bounds: Bounds) -> Doses:
        """Means of items by coefficient."""
        rows = self.answers(which, bounds)
        items = [(str(a), str(b)) if b else (str(a),) for a, b in zip(rows["first"], rows["second"], strict=True)]
        return doses_of(
            items, rows["coefficient"].to_numpy(dtype=np.float64), rows["value"].to_numpy(dtype=np.float64)
        )  # fmt: skip

    def usable(self, bounds: Bounds) -> tuple[float, float]:
        """The largest coefficients below and above 0 at which answers stay coherent and are read."""
        groups = self.rows.groupby("coefficient", sort=True)
        return usable([float(str(one)) for one, _ in groups], [kept(part, bounds) for _, part in groups], bounds.kept)


def incoherent(rows: pd.DataFrame, bounds: Bounds) -> pd.Series:
    """Answers below the bound of coherence."""
    found: pd.Series = rows["coherence"] < bounds.coherence
    return found


def kept(rows: pd.DataFrame, bounds: Bounds) -> float:
    """Share of answers that were read and are coherent."""
    left = (1.0 - rows["lost"].to_numpy(dtype=np.float64)) * ~incoherent(rows, bounds).to_numpy()
    return float(left.mean()) if len(rows) else NAN


def swept(trials: pd.DataFrame) -> Iterator[Swept]:
    """Vector by vector and target by target, with the unsteered answers of the target in each.

    Args:
        trials: Columns of `steering_trials.TRIAL`.
    """
    for (target, site, text), own in trials.groupby(["target", "site", "text"], sort=False):
        plain = own[own["vector"] == UNSTEERED]
        for vector, rows in own[own["vector"] != UNSTEERED].groupby("vector", sort=False):
            key = {"vector": str(vector), "site": str(site), "target": str(target), "text": str(text)}
            yield Swept(key, pd.concat([plain, rows], ignore_index=True))


def dose_rows(trials: pd.DataFrame, bounds: Bounds, confidence: float) -> list[Row]:
    """Rows of `DOSE_RESPONSE`.

    Args:
        trials: Columns of `steering_trials.TRIAL`.
        bounds: Of coherence.
        confidence: Level of the intervals.
    """
    return [row for one in swept(trials) for row in _rows(one, bounds, confidence)]


def _rows(one: Swept, bounds: Bounds, confidence: float) -> Iterator[Row]:
    whole = [(float(str(coefficient)), part) for coefficient, part in one.rows.groupby("coefficient", sort=True)]
    for which in ("all", "coherent"):
        doses = one.doses(which, bounds)
        for coefficient, part in whole:
            yield {
                **one.key,
                "kind": kind_of(one.key["vector"]),
                "answers": which,
                "coefficient": coefficient,
                **_means(doses, coefficient, confidence),
                "n_lost": float(part["lost"].sum()),
                "n_incoherent": int(incoherent(part, bounds).sum()),
                "n_answers": len(part),
                "kept": kept(part, bounds),
                "coherence": float(part["coherence"].mean()),
            }


def _means(doses: Doses, coefficient: float, confidence: float) -> Row:
    """Mean of the items at a coefficient, and of their differences from 0."""
    values = _column(doses, coefficient)
    found = linked_mean(values, doses.items, confidence)
    moved = linked_mean(values - _column(doses, 0.0), doses.items, confidence)
    names = ("difference", "difference_lo", "difference_hi")
    change: Row = dict(zip(names, (moved.value, moved.lo, moved.hi), strict=True))
    return {"mean": found.value, "lo": found.lo, "hi": found.hi, **change, "n": found.n}


def _column(doses: Doses, coefficient: float) -> Floats:
    at = np.flatnonzero(doses.coefficients == coefficient)
    found: Floats = doses.values[:, at[0]] if at.size else np.full(len(doses.items), NAN)
    return found
