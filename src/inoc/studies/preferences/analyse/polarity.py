"""The test of the polarity: does each rater put clearly good tasks above clearly bad ones with each instrument?"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.means import NAN, Floats, mean_interval, welch_difference
from inoc.studies.preferences.asked import GOOD
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.study import Study
from inoc.tables import INDEX, NUMBER, STRING

POLARITY = pa.schema(
    [
        ("rater", STRING),
        ("instrument", STRING),
        ("kind", STRING),  # rating, choice, ranking
        ("value", NUMBER),  # good ones above bad ones, from -1 to 1: 1 is the whole scale, or every time; NaN: untested
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("good", NUMBER),  # mean oriented value of the good ones, of a rating
        ("bad", NUMBER),
        ("n_good", INDEX),  # anchors with an answer
        ("n_bad", INDEX),
        ("n_answers", INDEX),
        ("n_unanswered", INDEX),  # refused, unclear or failed
        ("verdict", STRING),  # upright, undecided, reversed, untested
    ]
)
"""`polarity`. Key: rater, instrument. Rows of a `reversed` instrument are marked so in their tables, and in no mean."""


class Tested(NamedTuple):
    """Distance of good anchors above bad ones."""

    value: float
    lo: float
    hi: float
    good: float
    bad: float
    n_good: int
    n_bad: int


UNTESTED = Tested(NAN, NAN, NAN, NAN, NAN, 0, 0)


def polarity_rows(anchors: Measured, study: Study) -> pd.DataFrame:
    """The table, from the answers about anchors."""
    confidence, margin = study.statistics.confidence, study.polarity.margin
    rows = []
    for kind, frame, test in (
        ("rating", anchors.ratings, _rating),
        ("choice", anchors.comparisons, _choice),
        ("ranking", anchors.rankings, _ranking),
    ):
        for (rater, instrument), own in frame.groupby(["rater", "instrument"], sort=False):
            answered = own[own["category"] == "answered"]
            tested = test(answered, confidence) if len(answered) else UNTESTED
            counts = len(answered), len(own) - len(answered)
            rows.append((rater, instrument, kind, *tested, *counts, verdict_of(tested, margin)))
    return pd.DataFrame(rows, columns=POLARITY.names)


def verdict_of(tested: Tested, margin: float) -> str:
    """The verdict of the test.

    `reversed` needs an interval below 0, so that an instrument which tells nothing is called so one time in forty;
    `upright` one above the margin.
    """
    if np.isnan(tested.value):
        return "untested"
    lo, hi = (tested.value if np.isnan(end) else end for end in (tested.lo, tested.hi))
    return "reversed" if hi < 0 else "upright" if lo > margin else "undecided"


def reversed_pairs(polarity: pd.DataFrame) -> set[tuple[str, str]]:
    """Rater and instrument of what was found reversed."""
    found = polarity[polarity["verdict"] == "reversed"]
    return set(zip(found["rater"], found["instrument"], strict=True))


def with_status(measured: Measured, wrong: set[tuple[str, str]]) -> Measured:
    """The same measurements, those of reversed instruments marked as such."""
    return replace(
        measured,
        ratings=marked(measured.ratings, wrong),
        comparisons=marked(measured.comparisons, wrong),
        rankings=marked(measured.rankings, wrong),
    )


def upright_of(measured: Measured, anchors: Measured, study: Study) -> Measured:
    """The measurements without the instruments whose answers about anchors are the wrong way round."""
    return with_status(measured, reversed_pairs(polarity_rows(anchors, study))).upright()


def marked(frame: pd.DataFrame, wrong: set[tuple[str, str]]) -> pd.DataFrame:
    """Rows with their status."""
    status = ["reversed" if pair in wrong else "ok" for pair in zip(frame["rater"], frame["instrument"], strict=True)]
    return frame.assign(status=status)


def _rating(answered: pd.DataFrame, confidence: float) -> Tested:
    """Difference of the means of good and bad anchors, as a share of the scale; an anchor's mean counts once."""
    value = answered["expectation"].where(answered["expectation"].notna(), answered["value"])
    means = value.groupby(answered["task"]).mean()
    good = means[means.index.str.startswith(GOOD)].to_numpy(dtype=np.float64)
    bad = means[~means.index.str.startswith(GOOD)].to_numpy(dtype=np.float64)
    if not (good.size and bad.size):
        return UNTESTED._replace(n_good=good.size, n_bad=bad.size)
    width = float(answered["highest"].iloc[0] - answered["lowest"].iloc[0])
    found = welch_difference(good, bad, confidence)
    ends = found.lo / width, found.hi / width
    return Tested((good.mean() - bad.mean()) / width, *ends, float(good.mean()), float(bad.mean()), good.size, bad.size)


def _choice(answered: pd.DataFrame, confidence: float) -> Tested:
    """Excess over even of choices of the good anchor of a pair; both orders of a pair count once."""
    first_good = answered["task_a"].str.startswith(GOOD)
    first = answered["p_a"].where(answered["p_a"].notna(), (answered["choice"] == "a").astype(float))
    for_good = first.where(first_good, 1 - first)
    shares = for_good.groupby(answered["pair"]).mean().to_numpy(dtype=np.float64)
    return _of_shares(shares, confidence)


def _ranking(answered: pd.DataFrame, confidence: float) -> Tested:
    """Excess over even of good anchors that are placed before bad ones of their group."""
    shares = []
    for _, own in answered.groupby("group"):
        good = own["task"].str.startswith(GOOD)
        first = [float(mine < theirs) for mine in own.loc[good, "position"] for theirs in own.loc[~good, "position"]]
        shares.append(float(np.mean(first)) if first else NAN)
    return _of_shares(np.array(shares, dtype=np.float64), confidence)


def _of_shares(shares: Floats, confidence: float) -> Tested:
    known = shares[~np.isnan(shares)]
    if not known.size:
        return UNTESTED
    found = mean_interval(2 * known - 1, confidence)
    return Tested(float(np.mean(2 * known - 1)), found.lo, found.hi, NAN, NAN, known.size, known.size)
