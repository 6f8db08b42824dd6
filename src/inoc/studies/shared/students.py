"""The tables `students`, `rates` and `dose_response`: how often students show a target, by part and by epoch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.contrasts import Contrast, contrast_of
from inoc.stats.crossed import crossed_contrast
from inoc.stats.means import NAN, Estimate, Floats
from inoc.stats.shares import newcombe, wilson
from inoc.stats.trend import cochran_armitage, slope_of_counts, slopes
from inoc.tables import FLAG, INDEX, NUMBER, STRING

Row = dict[str, object]

STUDENTS = pa.schema(
    [
        ("student", STRING),
        ("split", STRING),  # empty for a whole dataset and for the untrained model
        ("part", STRING),
        ("dataset", STRING),
        ("epoch", NUMBER),
        ("step", INDEX),
        ("seed", INDEX),
        ("target", STRING),
        ("rate", NUMBER),  # share of answers; NaN if none could be judged
        ("lo", NUMBER),  # questions are the unit where they are known, else answers
        ("hi", NUMBER),
        ("n", INDEX),  # answers that were judged
        ("n_nan", INDEX),
        ("n_questions", INDEX),  # 0 if not known
        ("is_last", FLAG),  # last epoch of the student
        ("is_best", FLAG),  # epoch with the highest rate: chosen on these very answers, so biased upwards
    ]
)

RATES = pa.schema(
    [
        ("split", STRING),  # empty for a whole dataset and for the untrained model
        ("part", STRING),
        ("dataset", STRING),
        ("epoch", NUMBER),
        ("target", STRING),
        ("rate", NUMBER),  # over all seeds; NaN if no answer could be judged
        ("lo", NUMBER),  # for other seeds and other questions, by `rate_over_seeds`
        ("hi", NUMBER),
        ("n", INDEX),  # answers that were judged
        ("n_nan", INDEX),
        ("n_seeds", INDEX),
        ("is_last", FLAG),  # last epoch of its students
    ]
)

DOSE_RESPONSE = pa.schema(
    [
        ("split", STRING),
        ("target", STRING),
        ("statistic", STRING),  # rate, slope, trend, top_minus_bottom
        ("part", STRING),  # of a rate; else empty
        ("value", NUMBER),  # share; slope: share per part; trend: z, or t
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("p", NUMBER),  # two-sided; NaN for a rate
        ("n", INDEX),  # answers, or with known questions (seed, question) pairs
        ("n_nan", INDEX),
        ("n_seeds", INDEX),
    ]
)

COUNTS = pa.schema(
    [
        ("student", STRING),
        ("split", STRING),  # empty for a whole dataset and for the untrained model
        ("part", STRING),
        ("dataset", STRING),  # empty for the untrained model
        ("epoch", NUMBER),
        ("step", INDEX),
        ("seed", INDEX),
        ("target", STRING),
        ("question", STRING),  # empty if only the total over questions is known
        ("hits", INDEX),
        ("n", INDEX),  # answers with a known result
        ("n_nan", INDEX),
    ]
)
"""What is counted in released evaluations, and from judged answers. Key: checkpoint, target, question."""

_CHECKPOINT = ["student", "split", "part", "dataset", "epoch", "step", "seed", "target"]
_QUANTILE = re.compile(r"q(\d+)")


def student_rows(counts: pd.DataFrame, confidence: float) -> list[Row]:
    """A row for each checkpoint and target.

    Args:
        counts: Columns of `COUNTS`.
        confidence: Level of the intervals.
    """
    rows: list[Row] = []
    for keys, part in counts.groupby(_CHECKPOINT, sort=False):
        found = rate_of(part, confidence)
        cells: Row = {"rate": found.value, "lo": found.lo, "hi": found.hi, "n": found.n, "n_nan": found.n_nan}
        known = part["question"].nunique() if (part["question"] != "").all() else 0
        rows.append({**dict(zip(_CHECKPOINT, keys, strict=True)), **cells, "n_questions": known})
    return _marked(rows)


def _marked(rows: list[Row]) -> list[Row]:
    """Rows with the last epoch of each student, and the best for each target."""
    table = pd.DataFrame(rows, columns=[name for name in STUDENTS.names if not name.startswith("is_")])
    by_target = table.groupby(["student", "seed", "target"], sort=False)
    last = table["epoch"] == by_target["epoch"].transform("max")
    best = set(by_target["rate"].apply(lambda rates: rates.fillna(-1).idxmax())) if rows else set()
    return [{**row, "is_last": bool(last[place]), "is_best": place in best} for place, row in enumerate(rows)]


def rate_of(counts: pd.DataFrame, confidence: float) -> Estimate:
    """Share of hits with Wilson's interval, for the number of independent answers that the questions leave.

    Answers to one question resemble each other; the variance of the rate between questions over the binomial one, if it
    is above 1, divides the number of answers.

    Args:
        counts: Rows of one checkpoint, with the columns question, hits, n and n_nan.
        confidence: Level of the interval.
    """
    hits, n = counts["hits"].to_numpy(np.float64), counts["n"].to_numpy(np.float64)
    total, n_nan = int(n.sum()), int(counts["n_nan"].sum())
    found = wilson(int(hits.sum()), total, confidence, n_nan)
    asked = n > 0
    if asked.sum() < 2 or (counts["question"] == "").any() or not 0 < found.value < 1:
        return found
    residuals = hits[asked] - found.value * n[asked]
    clustered = float((residuals**2).sum()) * asked.sum() / (asked.sum() - 1) / total**2
    inflation = max(1.0, clustered / (found.value * (1 - found.value) / total))
    wider = (
        wilson(found.value * (total / inflation), max(1, round(total / inflation)), confidence, n_nan)
        if (inflation > 1)
        else found
    )
    return Estimate(found.value, wider.lo, wider.hi, total, n_nan)


def pooled_rows(counts: pd.DataFrame, confidence: float) -> list[Row]:
    """A row of `rates` for each part, epoch and target, over all seeds.

    Args:
        counts: Columns of `inputs.COUNTS`.
        confidence: Level of the intervals.
    """
    keys = ["split", "part", "dataset", "epoch", "target"]
    rows: list[Row] = []
    for key, cell in counts.groupby(keys, sort=False):
        found = rate_over_seeds(cell, confidence)
        numbers: Row = {"rate": found.value, "lo": found.lo, "hi": found.hi, "n": found.n, "n_nan": found.n_nan}
        rows.append({**dict(zip(keys, key, strict=True)), **numbers, "n_seeds": cell["seed"].nunique()})
    table = pd.DataFrame(rows, columns=RATES.names[:-1])
    last = table["epoch"] == table.groupby(["split", "part", "dataset", "target"])["epoch"].transform("max")
    return [{**row, "is_last": bool(last[place])} for place, row in enumerate(rows)]


def rate_over_seeds(counts: pd.DataFrame, confidence: float) -> Estimate:
    """Share of hits of several training seeds, with the interval for other seeds and other questions.

    A t interval from the mean squares of seeds and questions, or over seeds where questions are not known; but at least
    as wide as Wilson's of all answers, for students that all agree have a spread of 0. Of one seed, as `rate_of`.

    Args:
        counts: Rows of one part, epoch and target, with the columns seed, question, hits, n and n_nan.
        confidence: Level of the interval.
    """
    if counts["seed"].nunique() < 2:
        return rate_of(counts, confidence)
    answers = wilson(int(counts["hits"].sum()), int(counts["n"].sum()), confidence, int(counts["n_nan"].sum()))
    if (counts["question"] != "").all():
        found = crossed_contrast(_by_seed_and_question([counts])[0], confidence)
    else:
        sums = counts.groupby("seed")[["hits", "n"]].sum()
        known = sums[sums["n"] > 0]
        found = contrast_of((known["hits"] / known["n"]).to_numpy(np.float64), confidence)
    lo, hi = _no_narrower(found, answers)
    return answers._replace(value=found.value, lo=lo, hi=hi)


def _no_narrower(found: Contrast, answers: Estimate | Contrast) -> tuple[float, float]:
    """Bounds between 0 and 1 that hold those of the answers."""
    lo, hi = np.fmin(found.lo, answers.lo), np.fmax(found.hi, answers.hi)
    return float(np.clip(lo, 0, 1)), float(np.clip(hi, 0, 1))


class _Parts(NamedTuple):
    """Last checkpoints of the students on the parts of a split, for one target."""

    split: str
    target: str
    names: list[str]  # in the order of the dose
    tables: list[pd.DataFrame]  # counts of each part


def dose_rows(counts: pd.DataFrame, confidence: float, *, answers: bool = True) -> list[Row]:
    """Rows of every split with quantiles or halves, from the last epoch of each student.

    Args:
        counts: Columns of `COUNTS`.
        confidence: Level of the intervals.
        answers: Whether `hits` counts answers, so that no interval is narrower than that of so many answers. Sums of
            exact probabilities have no such error.
    """
    rows: list[Row] = []
    for parts in _ordered(counts):
        seeds = len({seed for table in parts.tables for seed in table["seed"]})
        head: Row = {"split": parts.split, "target": parts.target}
        for statistic, part, found in _statistics(parts, confidence, answers=answers):
            cells: Row = {name: getattr(found, name) for name in ("value", "lo", "hi", "p", "n", "n_nan")}
            rows.append({**head, "statistic": statistic, "part": part, **cells, "n_seeds": seeds})
    return rows


def _ordered(counts: pd.DataFrame) -> Iterator[_Parts]:
    last = counts[counts["epoch"] == counts.groupby(["student", "seed"])["epoch"].transform("max")]
    for (split, target), table in last[last["split"] != ""].groupby(["split", "target"], sort=False):
        found = set(table["part"])
        names = sorted((one for one in found if _QUANTILE.fullmatch(one)), key=lambda one: int(one[1:]))
        if {"top", "bottom"} <= found:
            names = ["bottom", "top"]
        if len(names) > 1:
            yield _Parts(str(split), str(target), names, [table[table["part"] == one] for one in names])


def _statistics(parts: _Parts, confidence: float, *, answers: bool) -> Iterator[tuple[str, str, Contrast]]:
    """Statistic, part and value: of seeds and questions where questions are known, else of answers."""
    if all((table["question"] != "").all() for table in parts.tables):
        rates_PSQ = _by_seed_and_question(parts.tables)
        for name, table, table_SQ in zip(parts.names, parts.tables, rates_PSQ, strict=True):
            found = crossed_contrast(table_SQ, confidence)
            drawn = wilson(int(table["hits"].sum()), int(table["n"].sum()), confidence)
            lo, hi = _no_narrower(found, drawn if answers else found)
            yield "rate", name, found._replace(p=NAN, lo=lo, hi=hi)
        slope = crossed_contrast(slopes(np.moveaxis(rates_PSQ, 0, -1)), confidence)
        yield "slope", "", slope
        t = slope.value / slope.se if slope.se > 0 else NAN
        yield "trend", "", slope._replace(value=t, lo=NAN, hi=NAN)
        yield "top_minus_bottom", "", crossed_contrast(rates_PSQ[-1] - rates_PSQ[0], confidence)
        return
    hits = np.array([float(table["hits"].sum()) for table in parts.tables])
    totals = np.array([float(table["n"].sum()) for table in parts.tables])
    each = [wilson(int(hit), int(n), confidence) for hit, n in zip(hits, totals, strict=True)]
    for name, share in zip(parts.names, each, strict=True):
        yield "rate", name, _untested(share)
    slope = slope_of_counts(hits, totals, confidence)
    z, p = cochran_armitage(hits, totals)
    yield "slope", "", slope
    yield "trend", "", Contrast(z, NAN, NAN, NAN, p, int(totals.sum()), 0)
    pair = np.array([0, -1])
    p_ends = cochran_armitage(hits[pair], totals[pair])[1]  # of two parts: the test of two proportions
    yield "top_minus_bottom", "", _untested(newcombe(each[-1], each[0]))._replace(p=p_ends)


def _untested(found: Estimate) -> Contrast:
    return Contrast(found.value, NAN, found.lo, found.hi, NAN, found.n, found.n_nan)


def _by_seed_and_question(tables: list[pd.DataFrame]) -> Floats:
    """Rates, shape (parts, seeds, questions); NaN where a part, seed or answer is missing."""
    together = pd.concat(tables)
    seeds, questions = sorted(together["seed"].unique()), sorted(together["question"].unique())
    found = np.full((len(tables), len(seeds), len(questions)), NAN)
    for place, table in enumerate(tables):
        sums = table.groupby(["seed", "question"])[["hits", "n"]].sum()
        for (seed, question), hits, n in zip(sums.index, sums["hits"], sums["n"], strict=True):
            if n > 0:
                found[place, seeds.index(seed), questions.index(question)] = hits / n
    return found
