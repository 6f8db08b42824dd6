"""The tables `steering` and `steering_best`: how far each vector moves its trait, and whether answers stay coherent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.clustered import clustered_mean
from inoc.stats.contrasts import Contrast
from inoc.stats.means import NAN, Floats
from inoc.stats.prediction import benjamini_hochberg
from inoc.studies.subliminal.analyse.persona_answers import Row
from inoc.studies.subliminal.persona_pairs import NONE, OWN
from inoc.tables import FLAG, INDEX, NUMBER, STRING

STEERING = pa.schema(
    [
        ("trait", STRING),
        ("vector", STRING),  # trait: the trait's own; random 1 …: of the same norm in a random direction
        ("site", STRING),
        ("coefficient", NUMBER),  # 0: the same unsteered answers for every vector and site
        ("trait_score", NUMBER),  # mean over all answers, points
        ("lo", NUMBER),  # questions are the unit
        ("hi", NUMBER),
        ("difference", NUMBER),  # from the coefficient 0, paired by question, points
        ("difference_lo", NUMBER),
        ("difference_hi", NUMBER),
        ("p", NUMBER),  # two-sided, of no difference; NaN at 0
        ("q", NUMBER),  # false discovery rate over the cells of the trait's own vector; NaN elsewhere
        ("coherence", NUMBER),  # mean, points; NaN without a judge of coherence
        ("coherence_lo", NUMBER),
        ("coherence_hi", NUMBER),
        ("coherent_score", NUMBER),  # mean of the trait's score over coherent answers alone
        ("n", INDEX),  # answers with a score of the trait
        ("n_nan", INDEX),
        ("n_incoherent", INDEX),  # answers with a coherence below the bound of an answer
        ("n_questions", INDEX),
        ("is_best", FLAG),  # highest score among the own vector's cells that are coherent enough
    ]
)

STEERING_BEST = pa.schema(
    [
        ("trait", STRING),
        ("chosen_by", STRING),  # coherent: the highest score among cells that are coherent enough; trait: among all
        ("site", STRING),
        ("coefficient", NUMBER),
        ("trait_score", NUMBER),  # on the questions that the cell was chosen on, so biased upwards
        ("coherence", NUMBER),
        ("held_out", NUMBER),  # score of cells chosen on the other half of the questions
        ("lo", NUMBER),  # of the held-out score; questions are the unit
        ("hi", NUMBER),
        ("n_questions", INDEX),
    ]
)


class Bounds(NamedTuple):
    """Bounds of coherence, in points."""

    answer: float  # an answer below it is incoherent
    cell: float  # a cell whose mean is below it cannot be the best


_CELL = ["trait", "vector", "site", "coefficient"]


def steering_rows(answers: pd.DataFrame, bounds: Bounds, confidence: float) -> list[Row]:
    """A row for each trait, vector, site and coefficient.

    Args:
        answers: Columns of `STEERED`.
        bounds: Of coherence.
        confidence: Level of the intervals.
    """
    rows: list[Row] = []
    for _, own in spread_zero(answers).groupby("trait", sort=False):
        cells = [_row(keys, cell, own, bounds, confidence) for keys, cell in own.groupby(_CELL, sort=True)]
        rows += _with_best(_with_q(cells), bounds)
    return rows


def spread_zero(answers: pd.DataFrame) -> pd.DataFrame:
    """The answers, with the unsteered ones of a trait repeated for each of its vectors and sites."""
    parts = [answers[answers["vector"] != NONE]]
    for trait, zero in answers[answers["vector"] == NONE].groupby("trait", sort=False):
        steered = answers[(answers["trait"] == trait) & (answers["vector"] != NONE)]
        for vector, site in steered[["vector", "site"]].drop_duplicates().itertuples(index=False):
            parts.append(zero.assign(vector=vector, site=site, coefficient=0.0))
    return pd.concat(parts, ignore_index=True)


def _row(keys: Sequence[object], cell: pd.DataFrame, own: pd.DataFrame, bounds: Bounds, confidence: float) -> Row:
    scores, coherence = cell["score"].to_numpy(np.float64), cell["coherence"].to_numpy(np.float64)
    groups = cell["question"].tolist()
    trait = clustered_mean(scores, groups, confidence)
    whole = clustered_mean(coherence, groups, confidence)
    kept = scores[coherence >= bounds.answer]
    kept = kept[~np.isnan(kept)]
    row: Row = dict(zip(_CELL, keys, strict=True))
    row |= {"trait_score": trait.value, "lo": _points(trait.lo), "hi": _points(trait.hi)}
    row |= _difference(row, cell, own, confidence)
    row |= {"coherence": whole.value, "coherence_lo": _points(whole.lo), "coherence_hi": _points(whole.hi)}
    row |= {"coherent_score": float(kept.mean()) if kept.size else NAN, "n": trait.n, "n_nan": trait.n_nan}
    return {**row, "n_incoherent": int((coherence < bounds.answer).sum()), "n_questions": len(set(groups))}


def _difference(row: Row, cell: pd.DataFrame, own: pd.DataFrame, confidence: float) -> Row:
    found = Contrast(NAN, NAN, NAN, NAN, NAN, 0, 0)
    zero = own[(own["vector"] == row["vector"]) & (own["site"] == row["site"]) & (own["coefficient"] == 0)]
    if row["coefficient"] != 0 and len(zero):
        steered, unsteered = (part.groupby("question")["score"].mean() for part in (cell, zero))
        values = (steered - unsteered).to_numpy(np.float64)
        found = clustered_mean(values, [str(place) for place in range(values.size)], confidence)
    return {"difference": found.value, "difference_lo": found.lo, "difference_hi": found.hi, "p": found.p}


def _with_q(rows: list[Row]) -> list[Row]:
    tested = [place for place, row in enumerate(rows) if row["vector"] == OWN and not np.isnan(_number(row["p"]))]
    adjusted = benjamini_hochberg(np.array([_number(rows[place]["p"]) for place in tested], dtype=np.float64))
    q = dict(zip(tested, adjusted.tolist(), strict=True))
    return [{**row, "q": q.get(place, NAN)} for place, row in enumerate(rows)]


def _with_best(rows: list[Row], bounds: Bounds) -> list[Row]:
    fitting = [
        row
        for row in rows
        if row["vector"] == OWN and row["coefficient"] != 0 and _fits(_number(row["coherence"]), bounds)
    ]
    best = max(fitting, key=lambda row: np.nan_to_num(_number(row["trait_score"]), nan=-1.0), default=None)
    return [{**row, "is_best": row is best} for row in rows]


def _fits(coherence: float, bounds: Bounds) -> bool:
    """Whether a cell is coherent enough; one whose coherence nobody judged counts as such."""
    return np.isnan(coherence) or coherence >= bounds.cell


def best_rows(answers: pd.DataFrame, bounds: Bounds, confidence: float) -> list[Row]:
    """The best cell of each trait's own vector, by score alone and among the coherent ones.

    Questions are divided into two halves; a cell that is chosen on one half is measured on the other, both ways.

    Args:
        answers: Columns of `STEERED`.
        bounds: Of coherence.
        confidence: Level of the intervals.
    """
    return list(_best_rows(answers, bounds, confidence))


def _best_rows(answers: pd.DataFrame, bounds: Bounds, confidence: float) -> Iterator[Row]:
    steered = answers[(answers["vector"] == OWN) & (answers["coefficient"] != 0)]
    for trait, own in steered.groupby("trait", sort=False):
        table = _by_question(own)
        for chosen_by in ("coherent", "trait"):
            if chosen_by == "coherent" and np.isnan(table.coherence).all():
                continue
            wanted = bounds if chosen_by == "coherent" else Bounds(NAN, -np.inf)
            questions = np.arange(table.score.shape[1])
            place = _chosen(table, questions, wanted)
            if place is None:
                continue
            held = clustered_mean(_held_out(table, wanted), [str(one) for one in questions], confidence)
            site, coefficient = table.cells[place]
            yield {
                "trait": trait,
                "chosen_by": chosen_by,
                "site": site,
                "coefficient": coefficient,
                "trait_score": float(np.nanmean(table.score[place])),
                "coherence": _mean(table.coherence[place]),
                "held_out": held.value,
                "lo": _points(held.lo),
                "hi": _points(held.hi),
                "n_questions": questions.size,
            }


class _Table(NamedTuple):
    """Means of cells by question."""

    cells: list[tuple[str, float]]
    score: Floats  # cells × questions
    coherence: Floats


def _by_question(own: pd.DataFrame) -> _Table:
    wide = own.pivot_table(
        index=["site", "coefficient"], columns="question", values=["score", "coherence"], dropna=False
    )
    return _Table(
        [(str(site), float(coefficient)) for site, coefficient in wide.index],
        wide["score"].to_numpy(np.float64),
        wide["coherence"].to_numpy(np.float64) if "coherence" in wide else np.full(wide["score"].shape, NAN),
    )


def _chosen(table: _Table, questions: np.ndarray, bounds: Bounds) -> int | None:
    """The cell with the highest score on some questions among those that are coherent enough there."""
    scores = [_mean(row) for row in table.score[:, questions]]
    fits = [_fits(_mean(row), bounds) for row in table.coherence[:, questions]]
    known = [place for place, score in enumerate(scores) if fits[place] and not np.isnan(score)]
    return max(known, key=lambda place: scores[place], default=None)


def _held_out(table: _Table, bounds: Bounds) -> Floats:
    """Score of each question in the cell that the other half of the questions chooses; NaN if none is chosen."""
    n = table.score.shape[1]
    found = np.full(n, NAN)
    for half in (np.arange(0, n, 2), np.arange(1, n, 2)):
        others = np.setdiff1d(np.arange(n), half)
        place = _chosen(table, others, bounds) if others.size else None
        if place is not None:
            found[half] = table.score[place, half]
    return found


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else NAN


def _points(value: float) -> float:
    return NAN if np.isnan(value) else float(np.clip(value, 0, 100))


def _number(value: object) -> float:
    return float(value)  # type: ignore[arg-type]
