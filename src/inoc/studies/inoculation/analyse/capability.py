"""The table `capability`: closed questions that each run answers right, against the untrained model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.means import NAN, Floats, share_interval
from inoc.stats.paired_shares import paired_share_difference
from inoc.stats.prediction import benjamini_hochberg
from inoc.studies.inoculation.analyse.rows import ALL, Part, Row, Skip
from inoc.studies.inoculation.capability import UNTRAINED
from inoc.studies.inoculation.runs import Run, study_runs
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.capability import ClosedQuestion
from inoc.tables import INDEX, NUMBER, STRING, read_table

CAPABILITY = pa.schema(
    [
        ("run", STRING),  # `base` for the untrained model
        ("prompt", STRING),
        ("prefix", STRING),
        ("learning_rate", NUMBER),  # NaN for base
        ("seed", INDEX),  # −1 for base
        ("data", STRING),
        ("step", INDEX),
        ("domain", STRING),  # `all` for all questions
        ("accuracy", NUMBER),  # share of the questions whose right option is the likeliest one
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),  # questions that could not be measured
        ("probability", NUMBER),  # mean probability of the right option, given that one of the options is answered
        ("mass", NUMBER),  # mean probability of all options together
        (
            "difference",
            NUMBER,
        ),  # accuracy less that of the untrained model, over questions that both have; NaN for base
        ("difference_lo", NUMBER),
        ("difference_hi", NUMBER),
        ("p", NUMBER),
        ("q", NUMBER),  # false-discovery rate over the runs, within a domain
    ]
)
"""`capability`. Key: run, domain."""

TABLES = {"capability": CAPABILITY}


class Answers(NamedTuple):
    """One model's answers, in the order of the questions."""

    right: Floats  # 1 or 0; NaN if it could not be measured
    probability: Floats
    mass: Floats
    step: int


class Asked(NamedTuple):
    """Answers of every model."""

    questions: list[ClosedQuestion]
    answers: Mapping[str, Answers]  # name of the run, or `base`


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
        run, step, question = str(one.id).split("/")
        found.setdefault(run, {})[question] = (str(one.best), float(str(one.mass)))
        steps[run] = int(step)
    answers = {}
    for run, by_question in found.items():
        cells = [by_question.get(one.id, ("", NAN)) for one in questions]
        right = [float(best == one.letter) if best else NAN for (best, _), one in zip(cells, questions, strict=True)]
        given = [share_of.get((f"{run}/{steps[run]}/{one.id}", one.letter), NAN) for one in questions]
        masses = [mass for _, mass in cells]
        answers[run] = Answers(np.array(right), np.array(given), np.array(masses), steps[run])
    return Asked(questions, answers)


def capability(study: Study, asked: Asked | None, confidence: float) -> Part:
    """A row for each model and domain; none for a study that asks no such questions.

    Args:
        study: The study.
        asked: The answers; None if there are none.
        confidence: Level of the intervals.
    """
    if asked is None:
        missing = [Skip("capability", "its questions were not asked")] if study.capability is not None else []
        return Part([], missing)
    names = [UNTRAINED, *(run.name for run in study_runs(study))]
    absent = [Skip(f"capability of {name}", "it was not asked") for name in names if name not in asked.answers]
    runs = {run.name: run for run in study_runs(study)}
    domains = dict.fromkeys(one.domain for one in asked.questions if one.domain)
    rows: list[Row] = []
    for domain in [ALL, *(domains if len(domains) > 1 else ())]:
        places = np.array([domain in (ALL, one.domain) for one in asked.questions])
        own = list(_rows(asked, [name for name in names if name in asked.answers], runs, places, confidence))
        rates = benjamini_hochberg(np.array([float(str(row["p"])) for row in own]))
        rows += [{**row, "domain": domain, "q": float(rate)} for row, rate in zip(own, rates, strict=True)]
    return Part(rows, absent)


def _rows(
    asked: Asked, names: list[str], runs: Mapping[str, Run], places: np.ndarray, confidence: float
) -> Iterator[Row]:
    untrained = asked.answers.get(UNTRAINED)
    for name in names:
        one = asked.answers[name]
        share = share_interval(one.right[places], confidence)
        row: Row = {
            **_columns(name, runs.get(name)),
            "step": one.step,
            "accuracy": share.value,
            **{bound: getattr(share, bound) for bound in ("lo", "hi", "n", "n_nan")},
            "probability": _mean(one.probability[places]),
            "mass": _mean(one.mass[places]),
            **dict.fromkeys(("difference", "difference_lo", "difference_hi", "p"), NAN),
        }
        if name != UNTRAINED and untrained is not None:
            found = paired_share_difference(untrained.right[places], one.right[places], confidence)
            row |= {
                "difference": found.value,
                "difference_lo": found.lo,
                "difference_hi": found.hi,
                "p": found.p,
            }
        yield row


def _columns(name: str, run: Run | None) -> Row:
    if run is None:
        return {"run": name, "prompt": "", "prefix": "none", "learning_rate": NAN, "seed": -1, "data": ""}
    return {"run": name, **run._asdict()}


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else NAN
