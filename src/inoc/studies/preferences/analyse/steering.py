"""The tables about concepts, refusal and steering, of a study that was computed or imported."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.probe.files import VECTORS as VECTORS_FILE
from inoc.studies.preferences.analyse.dose_response import DOSE_RESPONSE, Bounds, Row, dose_rows
from inoc.studies.preferences.analyse.imported_trials import imported_trials, summary_rows
from inoc.studies.preferences.analyse.steering_slopes import STEERING_SLOPES, slope_rows
from inoc.studies.preferences.analyse.stored import joined
from inoc.studies.preferences.analyse.vectors import (
    VECTOR_COSINES,
    VECTORS,
    cosine_rows,
    imported_rows,
    vector_rows,
)
from inoc.studies.preferences.concepts import Contrasts
from inoc.studies.preferences.released.read import Released
from inoc.studies.preferences.steering_trials import TRIAL, trials
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import tasks_of
from inoc.vectors.files import load_vectors
from inoc.vectors.vector import Vector

Table = tuple[pa.Schema, pd.DataFrame]
NO_BOUNDS = Bounds(0.0, 0.0)


def steering_tables(study: Study, paths: Paths, shards: Shards) -> dict[str, Table]:
    """Tables of a study that was computed: `vectors`, `vector_cosines`, `dose_response`, `steering_slopes`."""
    vectors: list[Row] = []
    cosines: list[Row] = []
    tasks = tasks_of(study) if _has_vectors(study) or study.steering is not None else []
    level = study.statistics.confidence
    if _has_vectors(study):
        contrasts = Contrasts(study, paths, shards, tasks)
        vectors = vector_rows(study, contrasts, study.inside.seed, level)
        cosines = cosine_rows(study, contrasts, _probes(study, paths), study.inside.seed)
    found = pd.DataFrame(columns=list(TRIAL))
    bounds = NO_BOUNDS
    if study.steering is not None:
        bounds = Bounds(float(study.steering.min_coherence), study.steering.min_kept)
        found = trials(study, paths, shards, tasks, _site(study))
    return _tables(vectors, cosines, found, bounds, level)


def _probes(study: Study, paths: Paths) -> dict[str, list[Vector]]:
    """Key of a probe → its directions, those of shuffled labels left out."""
    if not study.probes:
        return {}
    found = [one for one in load_vectors(paths.stage("probe") / VECTORS_FILE) if not one.name.endswith("/shuffled")]
    return {key: [one for one in found if one.name.startswith(f"{key}/")] for key in study.probes}


def _has_vectors(study: Study) -> bool:
    return bool(study.concepts) or study.inside.refusal


def _site(study: Study) -> str:
    """Name of the site of the steering; a share of the blocks as it is given."""
    place = study.steering.site if study.steering is not None else ""
    return place if isinstance(place, str) else f"depth {place:g}"


def imported_tables(study: Study, released: Released) -> dict[str, Table]:
    """The same tables of an import."""
    vectors = imported_rows(released.frame("stored_vectors"), released.frame("published"))
    found = imported_trials(released.frame("trials"))
    tables = _tables(vectors, [], found, NO_BOUNDS, study.statistics.confidence)
    schema, doses = tables["dose_response"]
    means = pd.DataFrame(list(summary_rows(released.frame("published"))), columns=schema.names)
    return {**tables, "dose_response": (schema, joined(doses, means))}


def _tables(
    vectors: list[Row], cosines: list[Row], found: pd.DataFrame, bounds: Bounds, level: float
) -> dict[str, Table]:
    rows = {
        "vectors": (VECTORS, vectors),
        "vector_cosines": (VECTOR_COSINES, cosines),
        "dose_response": (DOSE_RESPONSE, dose_rows(found, bounds, level)),
        "steering_slopes": (STEERING_SLOPES, slope_rows(found, bounds, level)),
    }
    return {name: (schema, pd.DataFrame(own, columns=schema.names)) for name, (schema, own) in rows.items()}
