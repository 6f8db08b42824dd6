"""Names every file of a release that an import did not read, with the reason."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.document import name_of
from inoc.studies.inoculation.released.pairs import MAIN, MISALIGNMENT

MISALIGNMENT_FOLDER = Path("experiments") / "in_out_distribution_effect"
MOST_FILES = 100_000
"""A folder with more files is no release; what is beyond is not listed, and the listing says so."""

_OWN_ANALYSIS = ("angle_analysis", "pca_classifier", "heuristic_performance_table", "coords_metadata")
_SKIPPED_FOLDERS = {".git", ".venv", "__pycache__", "node_modules"}
_BY_SUFFIX = {
    "code and settings of the study": (".py", ".sh", ".ipynb", ".toml", ".cfg", ".ini", ".yaml", ".yml", ".lock"),
    "figures, which are drawn anew": (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".gif"),
    "texts about the study": (".md", ".rst", ".html", ".tex"),
}


def report_unread(root: Path, seen: Collection[Path], findings: Findings, experiment: str = MAIN) -> None:
    """Add a finding for each reason why files were not read, with the names of all of them.

    Args:
        root: The release.
        seen: Files that were read, or left out with a finding of their own.
        findings: Where to report.
        experiment: The one that is imported.
    """
    known = set(seen)
    rest: dict[str, list[str]] = {}
    for index, path in enumerate(_files(root)):
        if index >= MOST_FILES:
            text = f"has more than {MOST_FILES} files; those beyond are not listed"
            findings.add("left_out", "files", root.name, text)
            break
        if path not in known:
            rest.setdefault(_reason(path, root, experiment), []).append(name_of(path, root))
    for why, names in rest.items():
        findings.add("left_out", "files", "the release", f"not read, {why}", sorted(names))


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _SKIPPED_FOLDERS)
        yield from (Path(folder) / name for name in sorted(names))


def _reason(path: Path, root: Path, experiment: str) -> str:
    place = path.relative_to(root)
    own = experiment == MISALIGNMENT
    if place.is_relative_to(MISALIGNMENT_FOLDER) and not own and {"results", "data"} & set(place.parts):
        return f"of another experiment; `--experiment {MISALIGNMENT}` reads it"
    if path.name.startswith(_OWN_ANALYSIS):
        return "the study's own analysis, which is made anew"
    for why, suffixes in _BY_SUFFIX.items():
        if path.suffix.lower() in suffixes:
            return why
    if own and not place.is_relative_to(MISALIGNMENT_FOLDER) and {"results", "data"} & set(place.parts):
        return "of another experiment"
    if "data" in place.parts[:-1] and path.suffix.lower() in (".jsonl", ".json", ".csv", ".txt"):
        return "data that nothing is computed from here (training data, questions, and pools of other experiments)"
    return "of no kind that is imported"
