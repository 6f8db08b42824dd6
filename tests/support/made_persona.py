"""Tables about persona vectors whose answers, activations and projections are made up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inoc.jobs.paths import Paths
from inoc.stats.directions import group_rows
from inoc.studies.shared.directions import Direction
from inoc.studies.subliminal.analyse import persona_answers, published
from inoc.studies.subliminal.analyse.agreement import agreement_rows
from inoc.studies.subliminal.analyse.carriers import DIVIDED, carrier_rows
from inoc.studies.subliminal.analyse.names import TABLES
from inoc.studies.subliminal.analyse.projections import Projected, distance_rows, projection_rows
from inoc.studies.subliminal.analyse.steering import Bounds, best_rows, steering_rows
from inoc.studies.subliminal.analyse.step import SCHEMAS
from inoc.studies.subliminal.analyse.vectors import cosine_rows, vector_rows
from inoc.studies.subliminal.imported import PUBLISHED_RATES
from inoc.studies.subliminal.persona_pairs import ANSWERED, STEERED, Rule, kept_pairs
from inoc.studies.subliminal.study import Study
from inoc.tables import write_table
from inoc.vectors.sites import site_names
from support.made_subliminal import made_study

QUESTIONS = [f"q{k:02d}" for k in range(8)]
READOUTS = ("prompt_last", "prompt_mean", "response_mean")


def persona_study(n_traits: int, *, imported: bool = False) -> Study:
    """A study with some traits, a projection and a steering sweep, or an import without the latter two."""
    study = made_study(imported=imported)
    animals = [key for key in study.teachers if key != "neutral"][:n_traits]
    traits: dict[str, Any] = {
        f"liking_{key}": {
            "entity": key,
            "positive": [f"You like {key}s."],
            "negative": [""],
            "questions": {"kind": "world"},
            "held_out": 4,
            "judge": {"name": "regex", "pattern": key},
        }
        for key in animals
    }
    sections: dict[str, Any] = {"persona": traits}
    if not imported:
        sections |= {"projection": {}, "steering": {"sites": ["resid_post.1"]}}
    return made_study(imported=imported, **sections)


def persona_tables(study: Study, layers: int, *, coherence: bool = True) -> dict[str, pd.DataFrame]:
    """The tables, by name."""
    rng = np.random.default_rng(1)
    answers = kept_pairs(_answers(study, rng), dict.fromkeys(study.persona, Rule(50, 50)))
    rows: dict[str, list[dict[str, object]]] = {
        "persona_pairs": persona_answers.pair_rows(answers),
        "persona_scores": persona_answers.score_rows(answers, 0.95),
        **{name: [] for name in ("vectors", "cosines", "steering", "steering_best", "projections")},
        **{name: [] for name in ("projection_distances", "agreement")},
    }
    for site in site_names(layers):
        directions = _directions(study, site, rng)
        rows["vectors"] += vector_rows(directions, 0)
        rows["cosines"] += cosine_rows(directions, {}, 0.95)
        for trait in study.persona:
            found = _projected(study, trait, site, rng)
            shifts = {"owl": dict(zip(found["owl"].ids, rng.standard_normal(40).tolist(), strict=True))}
            rows["projections"] += projection_rows(found, "neutral", 0.95)
            rows["projection_distances"] += distance_rows(found, 0, 20, 0.95)
            rows["agreement"] += agreement_rows(found, shifts, {"owl": "owl"}, "neutral", 0.95)
    for trait in study.persona:
        sweep = _sweep(trait, layers, rng, coherence=coherence)
        rows["steering"] += steering_rows(sweep, Bounds(50, 75), 0.95)
        rows["steering_best"] += best_rows(sweep, Bounds(50, 75), 0.95)
    rows["carriers"] = carrier_rows(_divided(rng), 0.95)
    if study.imported:
        rates = _rates()
        rows["published_rates"] = published.rate_rows(rates, 0.95)
        rows["published_contrasts"] = published.contrast_rows(rates, 0.95)
    return {name: pd.DataFrame(found, columns=SCHEMAS[name].names) for name, found in rows.items()}


def write_persona(results: Path, study: Study, layers: int = 6, **changes: Any) -> Paths:
    """Write all tables of the analysis, those about preferences without rows."""
    return write_only(results, study, persona_tables(study, layers, **changes))


def write_only(results: Path, study: Study, found: Mapping[str, pd.DataFrame]) -> Paths:
    """Write some tables, and all others without rows."""
    paths = Paths(results, study.name)
    for name in TABLES:
        table = found.get(name, pd.DataFrame(columns=SCHEMAS[name].names))
        write_table(table, SCHEMAS[name], paths.table(name), csv=True)
    return paths


def _answers(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        (trait, side, 0, question, 0, float(rng.uniform(*((40, 100) if side == "positive" else (0, 60)))), 90.0)
        for trait in study.persona
        for side in ("positive", "negative")
        for question in QUESTIONS
    ]
    return pd.DataFrame(rows, columns=list(ANSWERED))


def _directions(study: Study, site: str, rng: np.random.Generator) -> list[Direction]:
    found = []
    for readout in READOUTS:
        for trait in study.persona:
            groups = group_rows(rng.normal(0.5, 1, (16, 12)), QUESTIONS * 2)
            found.append(Direction(trait, readout, site, groups.mean, groups, 9.0, 16, 0))
    return found


def _projected(study: Study, trait: str, site: str, rng: np.random.Generator) -> dict[str, Projected]:
    ids = [f"row{k}" for k in range(40)]
    return {
        key: Projected(key, trait, "response_mean", site, "raw", ids, rng.normal(key != "neutral", 1, 40))
        for key in study.teachers
    }


def _sweep(trait: str, layers: int, rng: np.random.Generator, *, coherence: bool) -> pd.DataFrame:
    cells = [("none", "", 0.0)]
    cells += [
        (vector, site, coefficient)
        for vector in ("trait", "random 1")
        for site in site_names(layers)[:: max(1, layers // 5)]
        for coefficient in (0.5, 1.0, 2.0)
    ]
    rows = [
        (trait, vector, site, c, question, 0, float(rng.uniform(20, 30 + 30 * c)), 95 - 20 * c if coherence else np.nan)
        for vector, site, c in cells
        for question in QUESTIONS
    ]
    return pd.DataFrame(rows, columns=list(STEERED))


def _divided(rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        ("owl", "3 epochs, all rows, samples", "s", "choose", rule, role, part, seed, question, rng.uniform(0, 1), 1)
        for rule in ("lls", "projection")
        for role in ("own", "neutral")
        for part in ("top", "bottom")
        for seed in (0, 1)
        for question in QUESTIONS
    ]
    return pd.DataFrame(rows, columns=list(DIVIDED))


def _rates() -> pd.DataFrame:
    rows = []
    for place, animal in enumerate(("bear", "butterfly", "cat", "dolphin", "eagle", "kangaroo", "owl", "wolf")):
        for step, condition in enumerate(("baseline", "neutral", "animal")):
            rate = 0.02 * (1 + place) * (1 + 0.3 * step)
            rows.append(("v2.json", condition, animal, rate, rate - 0.03, rate + 0.03, np.nan, -1, -1, -1))
    return pd.DataFrame(rows, columns=PUBLISHED_RATES.names)
