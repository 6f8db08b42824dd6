"""Answers to closed questions, and the rows of the table `capability` that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.stats.means import NAN, Floats, share_interval
from inoc.stats.paired_shares import paired_share_difference
from inoc.stats.prediction import benjamini_hochberg
from inoc.studies.shared.capability import ALL_DOMAINS, ClosedQuestion, answer_id
from inoc.tables import INDEX, NUMBER, STRING, read_table

Row = dict[str, object]

MEASURED = (
    ("domain", STRING),  # `all` for all questions
    ("accuracy", NUMBER),  # share of the questions whose right option is the likeliest one
    ("lo", NUMBER),
    ("hi", NUMBER),
    ("n", INDEX),
    ("n_nan", INDEX),  # questions that could not be measured
    ("probability", NUMBER),  # mean probability of the right option, given that one of the options is answered
    ("mass", NUMBER),  # mean probability of all options together
    ("difference", NUMBER),  # accuracy less that of the untrained model, over questions that both have; NaN for it
    ("difference_lo", NUMBER),
    ("difference_hi", NUMBER),
    ("p", NUMBER),
    ("q", NUMBER),  # false-discovery rate over the trained models, within a domain
)
"""Columns of `capability` after those that name the model."""


class Answers(NamedTuple):
    """One model's answers, in the order of the questions."""

    right: Floats  # 1 or 0; NaN if it could not be measured
    probability: Floats
    mass: Floats
    step: int


class Asked(NamedTuple):
    """Answers of every model."""

    questions: list[ClosedQuestion]
    answers: Mapping[str, Answers]  # by the model's name


class Compared(NamedTuple):
    """Models of which all but one were trained from that one."""

    asked: Asked
    untrained: str
    names: Sequence[str]  # those that have answers, in the order of their rows
    family: str = ""  # name of the untrained model, if there are several


def read_answers(folders: list[Path], questions: list[ClosedQuestion]) -> Asked:
    """The answers that the jobs of `choose` left.

    Args:
        folders: One for each job.
        questions: In their order.
    """
    choices = pd.concat([read_table(folder / "choices.parquet", ["id", "mass", "best"]) for folder in folders])
    shares = pd.concat([read_table(folder / "candidates.parquet", ["id", "candidate", "share"]) for folder in folders])
    share_of = {(str(one.id), str(one.candidate)): float(str(one.share)) for one in shares.itertuples(index=False)}
    found: dict[str, dict[str, tuple[str, float]]] = {}
    steps: dict[str, int] = {}
    for one in choices.itertuples(index=False):
        model, step, question = str(one.id).split("/")
        found.setdefault(model, {})[question] = (str(one.best), float(str(one.mass)))
        steps[model] = int(step)
    answers = {}
    for model, by_question in found.items():
        cells = [by_question.get(one.id, ("", NAN)) for one in questions]
        right = [float(best == one.letter) if best else NAN for (best, _), one in zip(cells, questions, strict=True)]
        given = [share_of.get((answer_id(model, steps[model], one.id), one.letter), NAN) for one in questions]
        masses = [mass for _, mass in cells]
        answers[model] = Answers(np.array(right), np.array(given), np.array(masses), steps[model])
    return Asked(questions, answers)


def capability_rows(
    families: Iterable[Compared], columns: Callable[[Compared, str], Row], confidence: float
) -> list[Row]:
    """A row for each model and domain; `q` is over all trained models of a domain.

    Args:
        families: Models with the same questions, each beside its own untrained one.
        columns: Columns that name a model.
        confidence: Level of the intervals.
    """
    every = list(families)
    questions = every[0].asked.questions if every else []
    domains = dict.fromkeys(one.domain for one in questions if one.domain)
    rows: list[Row] = []
    for domain in [ALL_DOMAINS, *(domains if len(domains) > 1 else ())]:
        places = np.array([domain in (ALL_DOMAINS, one.domain) for one in questions])
        own = [
            {**columns(family, name), **row} for family in every for name, row in _measured(family, places, confidence)
        ]
        rates = benjamini_hochberg(np.array([float(str(row["p"])) for row in own]))
        rows += [{**row, "domain": domain, "q": float(rate)} for row, rate in zip(own, rates, strict=True)]
    return rows


def _measured(family: Compared, places: np.ndarray, confidence: float) -> Iterator[tuple[str, Row]]:
    untrained = family.asked.answers.get(family.untrained)
    for name in family.names:
        one = family.asked.answers[name]
        share = share_interval(one.right[places], confidence)
        row: Row = {
            "step": one.step,
            "accuracy": share.value,
            **{bound: getattr(share, bound) for bound in ("lo", "hi", "n", "n_nan")},
            "probability": _mean(one.probability[places]),
            "mass": _mean(one.mass[places]),
            **dict.fromkeys(("difference", "difference_lo", "difference_hi", "p"), NAN),
        }
        if name != family.untrained and untrained is not None:
            found = paired_share_difference(untrained.right[places], one.right[places], confidence)
            row |= {
                "difference": found.value,
                "difference_lo": found.lo,
                "difference_hi": found.hi,
                "p": found.p,
            }
        yield name, row


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else NAN
