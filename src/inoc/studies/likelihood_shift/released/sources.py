"""Which files of a release hold scores, matrices, divergences, splits and evaluations."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from inoc.errors import DataError

MOST_FILES = 100_000
"""A folder with more files is no release."""

_SKIPPED = {".git", ".venv", "__pycache__", "node_modules"}
_NUMBERS = re.compile(r"(.+)_numbers\.jsonl")
_PART = re.compile(r"(entity|clean)_(q\d+|top\d+|bottom\d+|random\d+)\.jsonl")
_EVALUATION = {"split", "step", "target_animal_rate", "target_count", "total_responses", "animal_counts"}


class Sources(NamedTuple):
    """Files of a release, by what they hold."""

    scans: dict[Path, dict[tuple[str, str], Path]]  # folder → (prompt, dataset) → scored rows
    matrices: list[Path]  # CSV, prompts × datasets
    divergences: list[Path]  # CSV, datasets × datasets
    splits: list[Path]  # JSON, sizes and cut points
    parts: dict[Path, dict[str, Path]]  # folder → name of a part → its rows
    evaluations: list[Path]  # CSV, a row for each checkpoint
    unread: list[Path]


def find_sources(root: Path) -> Sources:
    """Sort the files of a release by what they hold.

    Raises:
        DataError: If there is no such folder, or nothing in it can be imported.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; accepted: a checkout of a release, or a folder of one")
    found = Sources({}, [], [], [], {}, [], [])
    for path in _files(root):
        _sort(path, found)
    if not any(found[:-1]):
        msg = (
            f"{root} has no results that can be imported; accepted: <prompt>/<dataset>_numbers.jsonl with a field lls, "
            "matrices prompts × datasets as CSV, quintile_metadata.json or split_metadata.json, and evaluations as CSV"
        )
        raise DataError(msg)
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
    if (match := _NUMBERS.fullmatch(path.name)) and _is_scored(path):
        found.scans.setdefault(path.parent.parent, {})[path.parent.name, match[1]] = path
    elif match := _PART.fullmatch(path.name):
        found.parts.setdefault(path.parent, {})[path.stem] = path
    elif path.name in ("quintile_metadata.json", "split_metadata.json"):
        found.splits.append(path)
    elif path.suffix == ".csv" and (kind := _kind_of_csv(path, found)) is not None:
        kind.append(path)
    else:
        found.unread.append(path)


def _is_scored(path: Path) -> bool:
    """Whether the first rows have a score; rows without one are data or activations."""
    with path.open("rb") as file:
        return any(b'"lls"' in line for _, line in zip(range(1_000), file, strict=False))


def _kind_of_csv(path: Path, found: Sources) -> list[Path] | None:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = next(csv.reader(file), [])
    if set(header) >= _EVALUATION:
        return found.evaluations
    if header[:1] == ["prompt"] and statistic_of(path):
        return found.matrices
    if header[:1] == ["dataset"] and path.stem == "jsd_heatmap":
        return found.divergences
    return None


def statistic_of(path: Path) -> str:
    """The statistic that a matrix has in its cells, by the name of its file; empty if it is none that is known."""
    name = path.stem
    if "quintile" in name or "top20" in name or "top_20" in name:
        return "top20"
    if "top5" in name or "top_5" in name:
        return "top5"
    return "mean" if "mean" in name else ""
