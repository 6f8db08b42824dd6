"""The table `capability`: closed questions that each run answers right, against the untrained model."""

from __future__ import annotations

import pyarrow as pa

from inoc.stats.means import NAN
from inoc.studies.inoculation.analyse.rows import Part, Row, Skip
from inoc.studies.inoculation.capability import UNTRAINED
from inoc.studies.inoculation.runs import Run, study_runs
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.capability_rows import MEASURED, Asked, Compared, capability_rows
from inoc.tables import INDEX, NUMBER, STRING

CAPABILITY = pa.schema(
    [
        ("run", STRING),  # `base` for the untrained model
        ("prompt", STRING),
        ("prefix", STRING),
        ("learning_rate", NUMBER),  # NaN for base
        ("seed", INDEX),  # −1 for base
        ("data", STRING),
        ("step", INDEX),
        *MEASURED,
    ]
)
"""`capability`. Key: run, domain."""

TABLES = {"capability": CAPABILITY}


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
    runs = {run.name: run for run in study_runs(study)}
    names = [UNTRAINED, *runs]
    absent = [Skip(f"capability of {name}", "it was not asked") for name in names if name not in asked.answers]
    family = Compared(asked, UNTRAINED, [name for name in names if name in asked.answers])
    return Part(capability_rows([family], lambda _, name: _columns(name, runs.get(name)), confidence), absent)


def _columns(name: str, run: Run | None) -> Row:
    if run is None:
        return {"run": name, "prompt": "", "prefix": "none", "learning_rate": NAN, "seed": -1, "data": ""}
    return {"run": name, **run._asdict()}
