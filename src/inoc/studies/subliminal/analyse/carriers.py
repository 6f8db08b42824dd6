"""The table `carriers`: which rule selects the rows that carry a preference.

Students of the upper and the lower part of a teacher's rows are compared, for every rule by which rows were divided.
The same division of the neutral teacher's rows is the control: selection alone can move a preference.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.crossed import crossed_contrast
from inoc.stats.means import NAN, Estimate, Floats
from inoc.stats.shares import newcombe, wilson
from inoc.stats.trend import cochran_armitage
from inoc.studies.subliminal.analyse.persona_answers import Row
from inoc.tables import INDEX, NUMBER, STRING

FAMILY = ["entity", "family", "question_set", "method"]
DIVIDED = (*FAMILY, "selector", "role", "part", "seed", "question", "hits", "n")
"""Columns of counts of the last checkpoints. `selector`: lls, projection, paired (the difference of projections);
`family`: students that differ in nothing but the rows that they were trained on; `role`: own for rows of the entity's
teacher, neutral for those of the neutral one; `part`: top or bottom; `question` is empty where only totals are known;
`hits` can be a sum of probabilities."""

CARRIERS = pa.schema(
    [
        ("entity", STRING),
        ("family", STRING),  # students that differ in nothing but their rows
        ("question_set", STRING),
        ("method", STRING),
        ("comparison", STRING),  # top_minus_bottom; own_minus_neutral; or <rule>_minus_<rule>
        ("selector", STRING),  # lls, projection, paired; empty for a comparison of rules
        ("role", STRING),  # own, neutral: whose rows were divided; empty for a comparison of both
        ("top", NUMBER),  # rate of the students of the upper part; NaN for comparisons of differences
        ("bottom", NUMBER),
        ("difference", NUMBER),  # shares
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("p", NUMBER),  # two-sided; NaN where only totals of a comparison of differences are known
        ("n", INDEX),  # answers, or with known questions (seed, question) pairs
        ("n_nan", INDEX),
        ("n_seeds", INDEX),
    ]
)


class _Found(NamedTuple):
    """Difference between the parts, as seeds × questions where they are known, else as counts alone."""

    estimate: Estimate
    p: float
    top: float
    bottom: float
    values: Floats | None
    keys: tuple[list[int], list[str]]


def carrier_rows(counts: pd.DataFrame, confidence: float) -> list[Row]:
    """Rows of every entity and family.

    Args:
        counts: Columns of `DIVIDED`.
        confidence: Level of the intervals.
    """
    rows: list[Row] = []
    for keys, own in counts.groupby(FAMILY, sort=True):
        head: Row = dict(zip(FAMILY, keys, strict=True))
        n_seeds = int(own["seed"].nunique())
        rows += [{**head, **row, "n_seeds": n_seeds} for row in _family_rows(own, confidence)]
    return rows


def _family_rows(own: pd.DataFrame, confidence: float) -> Iterator[Row]:
    found: dict[tuple[str, str], _Found] = {}
    for (selector, role), part in own.groupby(["selector", "role"], sort=True):
        if {"top", "bottom"} <= set(part["part"]):
            found[str(selector), str(role)] = _difference(part, confidence)
    for (selector, role), one in found.items():
        head: Row = {"comparison": "top_minus_bottom", "selector": selector, "role": role}
        yield {**head, "top": one.top, "bottom": one.bottom, **_cells(one.estimate, one.p)}
    nothing: Row = {"role": "", "top": NAN, "bottom": NAN}
    net: dict[str, _Found] = {}
    for selector in dict.fromkeys(selector for selector, _ in found):
        if (selector, "own") in found and (selector, "neutral") in found:
            net[selector] = _between(found[selector, "own"], found[selector, "neutral"], confidence)
            cells = _cells(net[selector].estimate, net[selector].p)
            yield {"comparison": "own_minus_neutral", "selector": selector, **nothing, **cells}
    rules = [selector for selector, role in found if role == "own"]
    for first, second in itertools.combinations(rules, 2):
        one = _between(found[first, "own"], found[second, "own"], confidence)
        name = f"{first}_minus_{second}"
        yield {"comparison": name, "selector": "", **{**nothing, "role": "own"}, **_cells(one.estimate, one.p)}
        if first in net and second in net:
            one = _between(net[first], net[second], confidence)
            yield {"comparison": name, "selector": "", **nothing, **_cells(one.estimate, one.p)}


def _cells(found: Estimate, p: float) -> Row:
    return {"difference": found.value, "lo": found.lo, "hi": found.hi, "p": p, "n": found.n, "n_nan": found.n_nan}


def _difference(part: pd.DataFrame, confidence: float) -> _Found:
    sides = {name: part[part["part"] == name] for name in ("top", "bottom")}
    hits, totals = (np.array([float(side[key].sum()) for side in sides.values()]) for key in ("hits", "n"))
    top, bottom = (float(hit / n) if n else NAN for hit, n in zip(hits, totals, strict=True))
    if (part["question"] != "").all():
        values_SQ, keys = _table(sides)
        found = crossed_contrast(values_SQ, confidence)
        estimate = Estimate(found.value, found.lo, found.hi, found.n, found.n_nan)
        return _Found(estimate, found.p, top, bottom, values_SQ, keys)
    shares = [wilson(hit, int(n), confidence) for hit, n in zip(hits, totals, strict=True)]
    return _Found(newcombe(shares[0], shares[1]), cochran_armitage(hits, totals)[1], top, bottom, None, ([], []))


def _table(sides: Mapping[str, pd.DataFrame]) -> tuple[Floats, tuple[list[int], list[str]]]:
    """Top minus bottom by seed and question; NaN where one of the two was not asked."""
    both = pd.concat(list(sides.values()))
    seeds, questions = sorted(both["seed"].unique()), sorted(both["question"].unique())
    rates = []
    for side in sides.values():
        sums = side.groupby(["seed", "question"])[["hits", "n"]].sum()
        wide = (sums["hits"] / sums["n"].where(sums["n"] > 0)).unstack("question")
        rates.append(wide.reindex(index=seeds, columns=questions).to_numpy(np.float64))
    return rates[0] - rates[1], ([int(seed) for seed in seeds], [str(one) for one in questions])


def _between(first: _Found, second: _Found, confidence: float) -> _Found:
    """Difference of two differences: by seed and question where both know the same ones, else of the two estimates."""
    if first.values is not None and second.values is not None and first.keys == second.keys:
        values_SQ = first.values - second.values
        found = crossed_contrast(values_SQ, confidence)
        estimate = Estimate(found.value, found.lo, found.hi, found.n, found.n_nan)
        return _Found(estimate, found.p, NAN, NAN, values_SQ, first.keys)
    # Newcombe's way to combine two intervals holds for any two independent estimates (Zou and Donner 2008).
    return _Found(newcombe(first.estimate, second.estimate), NAN, NAN, NAN, None, ([], []))
