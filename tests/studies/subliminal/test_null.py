"""Tests of significance under the null: students whose teachers carried nothing over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inoc.studies.subliminal.analyse.cells import panels
from inoc.studies.subliminal.analyse.matched import matched_rows
from inoc.studies.subliminal.analyse.transfer import transfer_rows
from inoc.studies.subliminal.study import Study

STUDIES = 200
ENTITIES = ("bear", "cat", "dog", "owl")
QUESTIONS = 20
ANSWERS = 5


def study_of(seeds: int) -> Study:
    teachers = {"neutral": {"neutral": True}} | {one: {"entity": one} for one in ENTITIES}
    return Study.model_validate(
        {
            "kind": "subliminal",
            "name": "null",
            "title": "Null",
            "model": {"path": "none"},
            "entities": list(ENTITIES),
            "template": "You love {plural}.",
            "teachers": teachers,
            "students": {"plain": {"epochs": 1, "training": {"seeds": list(range(seeds))}}},
        }
    )


def answers(rng: np.random.Generator, seeds: int, own: float = 0.0) -> pd.DataFrame:
    """Sampled answers of students that all learned from the neutral teacher.

    Questions differ in how often each entity is named; training moves all students of a kind alike, and each student by
    itself, as a whole and at each question. `own` is added to the own entity, in log-odds.
    """
    rows = []
    question_EQ = rng.normal(-1.5, 0.8, (len(ENTITIES), QUESTIONS))
    trained_E = rng.normal(0.3, 0.3, len(ENTITIES))
    subjects = [("untrained", 0, "")]
    subjects += [(f"plain.{key}.seed{s}", 1, key) for key in ("neutral", *ENTITIES) for s in range(seeds)]
    for subject, epoch, teacher in subjects:
        for place, entity in enumerate(ENTITIES):
            logits_Q = question_EQ[place].copy()
            if epoch:
                logits_Q += trained_E[place] + rng.normal(0, 0.3) + rng.normal(0, 0.3, QUESTIONS)
                logits_Q += own * (teacher == entity)
            hits = rng.binomial(ANSWERS, 1 / (1 + np.exp(-logits_Q)))
            rows.append(
                pd.DataFrame(
                    {
                        "base": "own",
                        "subject": subject,
                        "epoch": epoch,
                        "question_set": "main",
                        "question": np.arange(QUESTIONS),
                        "method": "sample",
                        "entity": entity,
                        "value": hits / ANSWERS,
                        "exact": hits / ANSWERS,
                        "n": ANSWERS,
                        "n_unclear": 0,
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def matched_p(study: Study, table: pd.DataFrame) -> tuple[float, float]:
    (panel,) = panels(study, table)
    rows = [row for row in matched_rows(study, panel) if row["teacher"] == "all" and row["choice"] == "each"]
    return float(str(rows[0]["p"])), float(str(rows[0]["contrast"]))


@pytest.mark.long
def test_matched_transfer_is_found_in_three_to_seven_percent_of_null_studies():
    study, rng = study_of(seeds=3), np.random.default_rng(5)
    p = np.array([matched_p(study, answers(rng, 3))[0] for _ in range(STUDIES)])
    assert 0.03 <= (p <= 0.05).mean() <= 0.07
    assert abs(p.mean() - 0.5) < 0.06


def test_a_preference_that_is_carried_over_is_found():
    study, rng = study_of(seeds=3), np.random.default_rng(7)
    found = [matched_p(study, answers(rng, 3, own=0.8)) for _ in range(5)]
    assert all(p <= 0.01 and contrast > 0 for p, contrast in found)


@pytest.mark.long
def test_the_difference_from_neutral_students_is_not_found_too_often():
    """The t test counts with other questions too, so with the same ones it errs on the safe side."""
    study, rng = study_of(seeds=4), np.random.default_rng(3)
    found: list[bool] = []
    for _ in range(STUDIES // 4):
        (panel,) = panels(study, answers(rng, 4))
        rows = [row for row in transfer_rows(study, panel) if row["reference"] == "neutral" and row["choice"] == "last"]
        found += [float(str(row["p"])) <= 0.05 for row in rows]
    assert np.mean(found) <= 0.06
