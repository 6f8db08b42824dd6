"""Files of a release of preferences, by what is in them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml  # type: ignore[import-untyped]

from inoc.errors import DataError
from inoc.files import parse_json, read_text
from inoc.prefer.read import LOADER
from inoc.studies.imports.findings import Findings

READ = (".yaml", ".yml", ".json", ".jsonl", ".csv", ".npy")
LARGEST = 2_000_000_000


class Source(NamedTuple):
    """A file that was read."""

    name: str  # path below the release
    path: Path
    kind: str
    value: object  # its content; of a CSV or JSONL file, its text


Test = Callable[[Path, object], bool]


def sources_of(root: Path, findings: Findings) -> list[Source]:
    """All files of a release that are of a kind that can be read, in the order of their paths.

    Args:
        root: A checkout of a release, or a folder or a file of one.
        findings: What is left out, with the reason, is added.

    Raises:
        DataError: If there is no such folder or file.
    """
    if not root.exists():
        raise DataError(f"there is no folder {root}. Give the path of a release, or of a part of one")
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    base = root.parent if root.is_file() else root
    found: list[Source] = []
    others: list[str] = []
    for path in files:
        name = str(path.relative_to(base))
        if any(part.startswith(".") for part in path.relative_to(base).parts):
            continue
        if path.suffix.lower() not in READ or path.stat().st_size > LARGEST:
            others.append(name)
            continue
        try:
            value = _content(path)
        except DataError as error:
            findings.add("left_out", "files", name, f"not imported: {error}")
            continue
        kind = _kind(path, value)
        if kind is None:
            others.append(name)
        elif kind != "part":
            found.append(Source(name, path, kind, value))
    if others:
        text = "not read: sources and other files that hold no preferences"
        findings.add("left_out", "files", "the release", text, others)
    return found


def _content(path: Path) -> object:
    if path.suffix.lower() == ".npy":
        return _array(path)
    text = read_text(path)
    ending = path.suffix.lower()
    if ending in (".csv", ".jsonl"):
        return text
    if ending == ".json":
        return parse_json(text, str(path), "JSON")
    try:
        return yaml.load(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not readable as YAML ({error}). Correct it there") from error


def _array(path: Path) -> np.ndarray:
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as an array ({error}). Nothing of it was run") from error
    return found


def _kind(path: Path, value: object) -> str | None:
    """The kind of a file; `part` for one that is read together with another, None for one that is not read."""
    if isinstance(value, np.ndarray):
        return "array" if value.ndim == 1 else None
    if isinstance(value, str):
        return _kind_of_text(path, value)
    if isinstance(value, list):
        return _kind_of_list(value)
    if isinstance(value, dict) and value:
        return _kind_of_map(path, value)
    return None


def _kind_of_text(path: Path, text: str) -> str | None:
    head = text.split("\n", 1)[0]
    if path.suffix.lower() == ".csv":
        columns = set(next(csv.reader([head.strip()]), []))
        if {"task_id", "mu", "sigma"} <= columns:
            return "run"
        if {"rating_model", "completion_model", "icc"} <= columns:
            return "rating_matrix"
        if {"template", "model", "kl", "icc"} <= columns:
            return "discrimination"
        return "comparisons" if {"task_a", "task_b"} <= columns or {"item_a", "item_b"} <= columns else None
    if '"coefficient"' in head and ('"responses"' in head or '"scores"' in head):
        return "steered_lines"
    return "comparisons" if '"task_a' in head or '"item_a' in head else None


def _kind_of_list(value: list[object]) -> str | None:
    first = value[0] if value else None
    if not isinstance(first, dict):
        return None
    keys = set(first)
    if any({f"{one}_a{end}", f"{one}_b{end}"} <= keys for one in ("task", "item") for end in ("", "_id")):
        return "comparisons"
    if {"task_id", "mu", "sigma"} <= keys:
        return "ranked"
    if {"task_id", "semantic_valence_score"} <= keys:
        return "open"
    return "judged" if {"prompt_id", "judgment", "steered_coefficient"} <= keys else None


def _kind_of_map(path: Path, value: Mapping[object, object]) -> str | None:
    keys, first = set(value), next(iter(value.values()))
    known: tuple[tuple[str, bool], ...] = (
        ("part", path.name in ("config.yaml", "active_learning.yaml") or path.name.startswith("thurstonian_")),
        ("comparisons", isinstance(value.get("trials"), list) and "pairs" in keys),
        ("trueskill", {"mu", "sigma", "task_ids"} <= keys),
        ("consistency", {"scores", "percentiles"} <= keys),
        ("wordings", "raw_results" in keys and "options" in keys),
        ("steered", "results" in keys and "coefficients" in keys and "direction_type" in keys),
        ("steering_summary", {"coefficients", "means", "stds", "n_per_condition"} <= keys),
        ("probe_manifest", _has(value.get("probes"), "file")),
        ("vector_manifest", {"vector_files", "activation_norms"} <= keys),
        ("held_out", _has(value.get("folds"), "layers", "metrics", "probes") and "name" not in keys),
        ("run_pairs", isinstance(value.get("pairwise_correlations"), list)),
        ("seed_sensitivity", isinstance(first, dict) and "mean_correlation" in first and "by_run" in first),
        ("consistency_pooled", isinstance(first, dict) and "consistency_score" in first),
        ("refusal_groups", isinstance(first, dict) and {"n_total", "n_refusals"} <= set(first)),
        ("refusals", isinstance(first, dict) and "is_refusal" in first),
        ("probe_scores", _has(first, "cv_r2_mean")),
        ("scores", all(isinstance(one, int | float) for one in value.values()) and path.suffix == ".json"),
    )
    return next((kind for kind, fits in known if fits), None)


def _has(values: object, *keys: str) -> bool:
    """Whether a list begins with a record that has one of some keys."""
    first = values[0] if isinstance(values, list) and values else None
    return isinstance(first, dict) and any(key in first for key in keys)
