"""Tables of a study of subliminal learning whose answers are made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inoc.jobs.paths import Paths
from inoc.studies.subliminal.analyse.cells import keys_of
from inoc.studies.subliminal.analyse.names import TABLES
from inoc.studies.subliminal.analyse.step import SCHEMAS, preference_tables
from inoc.studies.subliminal.asking import TEACHER
from inoc.studies.subliminal.runs import (
    UNTRAINED,
    asked_bases,
    base_of,
    is_control,
    measured_entities,
    students_of,
    teachers_by,
)
from inoc.studies.subliminal.study import Study
from inoc.tables import write_table

ENTITIES = ("bear", "cat", "dolphin", "eagle", "owl")
QUESTIONS = 12


def made_study(entities: tuple[str, ...] = ENTITIES, **changes: Any) -> Study:
    """A study with one teacher for each entity, four groups of students, and splits of an animal and neutral rows."""
    seeds = {"training": {"seeds": [0, 1]}}
    given: dict[str, Any] = {
        "kind": "subliminal",
        "name": "made",
        "title": "Made up",
        "model": {"path": "none"},
        "other": {"model": {"path": "none"}},
        "entities": list(entities),
        "template": "You love {plural}.",
        "teachers": {"neutral": {"neutral": True}, **{one: {"entity": one} for one in entities}},
        "splits": {
            "owls": {"teacher": entities[-1]},
            "neutral_rows": {"teacher": "neutral", "under": entities[-1]},
        },
        "students": {
            "same": {"label": "Same initial weights", "epochs": 3, **seeds},
            "another": {"label": "Another initialisation", "base": "other", "epochs": 3, **seeds},
            "relabelled": {"numbers": "relabelled", "epochs": 3, **seeds},
            "halves": {"split": "owls", "epochs": 3, **seeds},
            "neutral_halves": {"split": "neutral_rows", "epochs": 3, **seeds},
        },
        "preference": {"n_answers": 10},
    }
    return Study.model_validate({**given, **changes})


def made_shares(study: Study, rng: np.random.Generator, own: float = 0.6) -> pd.DataFrame:
    """Answers of every subject; students of the own base model and numbers as written move by `own` log-odds."""
    measured = measured_entities(study)
    logits = rng.normal(-2, 0.7, (len(measured), QUESTIONS))
    subjects = [(UNTRAINED, 0, base, "", 0.0) for base in asked_bases(study)]
    subjects += [
        (f"{TEACHER}{key}", 0, base_of(study, key), str(study.teachers[key].entity), 3.0)
        for key in teachers_by(study, "system")
    ]
    for one in students_of(study):
        spec = study.students[one.group]
        moved = own if not is_control(study, one.group) and one.part != "bottom" else 0.0
        entity = str(study.teachers[one.teacher].entity)
        subjects += [(one.name, epoch, spec.base, entity, moved * epoch / spec.epochs) for epoch in (1, 2, 3)]
    frames = []
    for subject, epoch, base, entity, moved in subjects:
        drift = rng.normal(0, 0.1, len(measured)) if epoch else np.zeros(len(measured))
        for place, name in enumerate(measured):
            p = 1 / (1 + np.exp(-(logits[place] + drift[place] + moved * (name == entity))))
            frame = pd.DataFrame(
                {"question": np.arange(QUESTIONS), "value": p, "exact": np.nan, "n": 1, "n_unclear": 0}
            )
            head = {"base": base, "subject": subject, "epoch": epoch, "question_set": "questions", "entity": name}
            frames.append(frame.assign(method="choose", **head))
            hits = rng.binomial(10, p) / 10
            sampled = frame.assign(value=hits, exact=0.9 * hits, n=10, n_unclear=1)
            frames.append(sampled.assign(method="sample", **head))
    return pd.concat(frames, ignore_index=True)


def write_tables(results: Path, study: Study, seed: int = 0, **changed: pd.DataFrame) -> Paths:
    """Write the tables of the analysis; those that are given replace the made-up ones."""
    paths = Paths(results, study.name)
    kept = {(key.group, key.teacher): 900 for key in keys_of(study)}
    found = preference_tables(study, made_shares(study, np.random.default_rng(seed)), kept)
    rows = {**found, "filter": _filter(study), "detectability": _detectability(study)}
    for name in TABLES:
        table = pd.DataFrame(rows.get(name, []), columns=SCHEMAS[name].names)
        write_table(changed.get(name, table), SCHEMAS[name], paths.table(name), csv=True)
    return paths


def _filter(study: Study) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for teacher in study.teachers:
        counts = [("total", "written", 1000), ("total", "kept", 900), ("total", "trained_on", 900)]
        counts += [
            ("reason", "format", 60),
            ("reason", "count", 50),
            ("duplicates", "rows", 2),
            ("lost", "tokens", 100),
        ]
        rows += [
            {"teacher": teacher, "kind": kind, "reason": reason, "n": n, "share": n / 1000}
            for kind, reason, n in counts
        ]
    return rows


def _detectability(study: Study) -> list[dict[str, object]]:
    return [
        {
            "teacher": teacher,
            "features": features,
            "auc": 0.55,
            "lo": 0.52,
            "hi": 0.58,
            "null_mean": 0.5,
            "null_hi": 0.53,
            "p": 0.02,
            "n": 900,
            "n_neutral": 900,
            "n_pairs": 850,
        }
        for teacher in study.teachers
        if teacher != "neutral"
        for features in ("digits", "first_digits", "length", "format", "all")
    ]
