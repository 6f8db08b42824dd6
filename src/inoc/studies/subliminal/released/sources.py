"""Which files of a release hold numbers, evaluations, summaries, logs, judged answers, vectors and projections."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inoc.errors import DataError
from inoc.files import parse_json, read_text

MOST_FILES = 100_000
"""A folder with more files is no release."""
LARGEST_JSON = 5_000_000
"""A larger JSON file, in bytes, is none of those that are read."""

_SKIPPED = {".git", ".venv", "__pycache__", "node_modules"}
EVALUATION = {"split", "step", "target_animal_rate", "target_count", "total_responses", "animal_counts"}
JUDGED = {"question", "prompt", "answer", "question_id", "coherence"}
VECTOR_FILE = re.compile(r"(.+)_(response_avg|prompt_avg|prompt_last)_diff\.pt")
STEERED_FILE = re.compile(r"(.+)_layer(\d+)_coef(-?[\d.]+)\.csv")
EXTRACTED_FILE = re.compile(r"(.+)_(pos|neg)_instruct\.csv")


@dataclass
class Sources:
    """Files of a release, by what they hold."""

    numbers: list[Path] = field(default_factory=list)  # JSONL
    evaluations: list[Path] = field(default_factory=list)  # CSV, a row for each checkpoint
    summaries: list[Path] = field(default_factory=list)  # JSON, rates of conditions
    logs: list[Path] = field(default_factory=list)  # JSONL, records of a trainer
    extracted: list[Path] = field(default_factory=list)  # CSV, judged answers under system turns
    steered: list[Path] = field(default_factory=list)  # CSV, judged answers under steering
    sweeps: list[Path] = field(default_factory=list)  # CSV, means of a sweep
    vectors: list[Path] = field(default_factory=list)  # .pt
    differences: list[Path] = field(default_factory=list)  # CSV, paired differences of projections
    projected: list[Path] = field(default_factory=list)  # CSV, rows with projections
    distances: list[Path] = field(default_factory=list)  # CSV, datasets × datasets
    splits: list[Path] = field(default_factory=list)  # JSON
    traits: list[Path] = field(default_factory=list)  # JSON
    unread: list[Path] = field(default_factory=list)

    def found(self) -> bool:
        """Whether there is anything to import."""
        return any(files for name, files in vars(self).items() if name != "unread")


def find_sources(root: Path) -> Sources:
    """Sort the files of a release by what they hold.

    Raises:
        DataError: If there is no such folder, or it has too many files.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; accepted: a checkout of a release, or a folder of one")
    found = Sources()
    for path in _files(root):
        _sort(path, found)
    return found


def _files(root: Path) -> Iterator[Path]:
    count = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for name in sorted(names):
            count += 1
            if count > MOST_FILES:
                raise DataError(f"{root} has more than {MOST_FILES} files, so it is no release. Name the folder of one")
            yield Path(folder) / name


def _sort(path: Path, found: Sources) -> None:
    kinds = {".csv": _csv, ".jsonl": _jsonl, ".json": _json}
    if VECTOR_FILE.fullmatch(path.name):
        found.vectors.append(path)
    elif path.suffix in kinds:
        kinds[path.suffix](path, found).append(path)
    else:
        found.unread.append(path)


def _csv(path: Path, found: Sources) -> list[Path]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = next(csv.reader(file), [])
    names = set(header)
    if names >= EVALUATION:
        return found.evaluations
    if names >= JUDGED and EXTRACTED_FILE.fullmatch(path.name):
        return found.extracted
    if names >= JUDGED and STEERED_FILE.fullmatch(path.name):
        return found.steered
    if names >= {"trait", "layer", "coefficient", "score"}:
        return found.sweeps
    if names >= {"layer", "n", "mean", "std", "frac_positive"}:
        return found.differences
    if any("_proj_layer" in name for name in header):
        return found.projected
    return found.distances if header[:1] == ["dataset"] else found.unread


def _jsonl(path: Path, found: Sources) -> list[Path]:
    with path.open("rb") as file:
        line = file.readline(1_000_000)
    try:
        first = json.loads(line)
    except ValueError:
        return found.unread
    keys = set(first) if isinstance(first, dict) else set()
    if keys >= {"prompt", "completion"} or "messages" in keys:
        return found.numbers
    return found.logs if keys >= {"loss", "learning_rate"} else found.unread


def _json(path: Path, found: Sources) -> list[Path]:
    if path.stat().st_size > LARGEST_JSON:
        return found.unread
    value = parse_json(read_text(path), str(path))
    if not isinstance(value, Mapping):
        return found.unread
    if {"instruction", "questions"} <= set(value):
        return found.traits
    if path.name in ("split_metadata.json", "quintile_metadata.json"):
        return found.splits
    return found.summaries if is_summary(value) else found.unread


def is_summary(value: Mapping[str, object]) -> bool:
    """Whether an object gives rates: condition → percentage, or entity → condition → percentage."""
    if {"animals", "baseline", "neutral", "biased"} <= set(value):
        return True
    rows = [row for row in value.values() if isinstance(row, Mapping)]
    return bool(rows) and len(rows) == len(value) and all("percentage" in row or "baseline" in row for row in rows)
