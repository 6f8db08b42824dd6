"""The study file of imported preferences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from inoc.studies.preferences.released.tables import key_of, origin_of

MISSING = "(not in the release)"
_INSIDE = {
    "probes": (("probes", ""),),
    "directions": (("probe_cosines", ""),),
    "steering": (("trials", ""), ("published", "steering")),
}
"""What a study file says of the inside of a model → tables of the import that have it, with the section of one."""
MODEL = "meta-llama/Llama-3.1-8B-Instruct"
"""Stands in the study file where no file of a release names a model."""


def study_values(name: str, root: Path, frames: Mapping[str, pd.DataFrame]) -> dict[str, object]:
    """The content of the study file: what was measured, by name. Texts of tasks and questions are not in a release.

    Args:
        name: Of the study.
        root: The release.
        frames: The tables of the import.
    """
    inside = [part for part, tables in _INSIDE.items() if any(_has(frames, *table) for table in tables)]
    return {
        "kind": "preferences",
        "name": name,
        "title": f"Preferences, imported from {root.resolve().name}",
        "description": "Imported from released results, not computed here; results/<study>/imports/findings.json says "
        "what was found and what is missing.",
        "model": {"path": _model_path(frames)},
        "tasks": {"origins": _origins(frames)},
        "models": {key: {"label": key} for key in _models(frames)},
        "instruments": _instruments(frames) or {"none": _choice()},
        "seeds": sorted({int(one) for one in frames["ratings"]["seed"]}) if "ratings" in frames else [0],
        **({"released": inside} if inside else {}),
        "figures": "all",  # nothing else of an import has to be computed for any of them
    }


def _has(frames: Mapping[str, pd.DataFrame], table: str, section: str) -> bool:
    """Whether an import has rows of a table, or of a section of it."""
    found = frames.get(table)
    return found is not None and bool((found["section"] == section).any() if section else len(found))


def _model_path(frames: Mapping[str, pd.DataFrame]) -> str:
    """The model of most stored fits; nothing is asked of it."""
    names = frames["fits"]["model"] if "fits" in frames else pd.Series(dtype=str)
    known = names[names.str.contains("/")]
    return str(known.mode()[0]) if len(known) else MODEL


def _origins(frames: Mapping[str, pd.DataFrame]) -> dict[str, object]:
    tasks: set[str] = set()
    columns = (
        *(("ratings", "task"), ("utilities", "item"), ("completions", "task")),
        *(("comparisons", "task_a"), ("comparisons", "task_b")),
    )
    for table, column in columns:
        if table in frames:
            tasks |= set(frames[table][column].astype(str))
    first: dict[str, dict[str, str]] = {}
    for task in sorted(tasks):
        texts = first.setdefault(key_of(origin_of(task)), {})
        if len(texts) < 2:  # as examples; thousands of ids without a text would say nothing more
            texts[task] = f"{MISSING} {task}"
    if len(tasks) < 2:  # a choice has two
        first["unknown"] = {one: f"{MISSING} {one}" for one in ("one", "another")}
    return {origin: {"texts": texts} for origin, texts in first.items()}


def _models(frames: Mapping[str, pd.DataFrame]) -> list[str]:
    found = {"unknown"}
    for table in ("ratings", "comparisons", "fits"):
        if table in frames:
            found |= set(frames[table]["rater"].astype(str))
    return sorted(found)


def _choice(design: str = "regular") -> dict[str, Any]:
    slots = MISSING + " {task_a} {task_b}"
    template = {"kind": "choice", "before": slots, "after": MISSING}
    return {"template": template, "when": "before", "pairs": {"design": design}}


def _instruments(frames: Mapping[str, pd.DataFrame]) -> dict[str, object]:
    found: dict[str, object] = {}
    for table in ("comparisons", "fits"):
        if table in frames:
            selected = "active" if table == "fits" and len(frames.get("rounds", ())) else "regular"
            found |= {str(one): _choice(selected) for one in sorted(set(frames[table]["instrument"]))}
    if "ratings" in frames:
        for one, rows in frames["ratings"].groupby("instrument", sort=True):
            found[str(one)] = _rating(rows)
    return found


def _rating(rows: pd.DataFrame) -> dict[str, Any]:
    count = int(rows["n_scale"].iloc[0])
    if count < 2:  # the scale is not stated; no statistic of scales is made of it
        return {"template": {"kind": "rating", "after": MISSING, "scale": {"labels": {"lowest": -1, "highest": 1}}}}
    lowest, highest = float(rows["lowest"].iloc[0]), float(rows["highest"].iloc[0])
    step = (highest - lowest) / (count - 1)
    labels = {f"answer {number + 1}": lowest + number * step for number in range(count)}
    return {"template": {"kind": "rating", "after": MISSING, "scale": {"labels": labels}}}
