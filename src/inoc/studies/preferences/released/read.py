"""An import, as the analysis reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from inoc.jobs.paths import Paths
from inoc.studies.preferences.inputs import Measured, empty
from inoc.studies.preferences.released.probes import FOLDER
from inoc.studies.preferences.released.release import SCHEMAS
from inoc.studies.preferences.released.tables import origin_of
from inoc.tables import read_table
from inoc.vectors.files import load_vectors
from inoc.vectors.vector import Vector


@dataclass(frozen=True)
class Released:
    """The tables of a release beside its measurements, by their names in `release.SCHEMAS`."""

    frames: dict[str, pd.DataFrame]
    vectors: tuple[Vector, ...] = ()

    def frame(self, name: str) -> pd.DataFrame:
        """A table; empty where the release has none."""
        return self.frames[name] if name in self.frames else empty(SCHEMAS[name])


def is_imported(paths: Paths) -> bool:
    """Whether the results of a study were imported."""
    return (paths.stage("imports") / "findings.json").exists()


def read_import(paths: Paths) -> tuple[Measured, Released]:
    """The measurements of an import, and everything else that it has.

    Raises:
        DataError: If a table has another form.
    """
    folder = paths.stage("imports")
    places = {name: folder / f"{name}.parquet" for name in SCHEMAS}
    frames = {name: read_table(place) for name, place in places.items() if place.is_file()}
    stored = folder / Path(FOLDER).name
    released = Released(frames, tuple(load_vectors(stored)) if stored.is_file() else ())
    return Measured(
        ratings=released.frame("ratings"),
        comparisons=released.frame("comparisons"),
        completions=released.frame("completions"),
        origins=_origins(released),
    ), released


def _origins(released: Released) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in released.frame("utilities")["item"].astype(str).unique():
        found[item] = origin_of(item)
    for table, pairs in (
        ("ratings", (("task", "origin"),)),
        ("completions", (("task", "origin"),)),
        ("comparisons", (("task_a", "origin_a"), ("task_b", "origin_b"))),
    ):
        frame = released.frame(table)
        for task, origin in pairs:
            distinct = frame[[task, origin]].drop_duplicates(task)
            found.update(dict(zip(distinct[task].astype(str), distinct[origin].astype(str), strict=True)))
    return found
