"""Divisions of rows and distances between datasets of a release, and its evaluations of students."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from inoc.errors import DataError
from inoc.files import parse_json, read_text
from inoc.stats.means import NAN
from inoc.studies.imports.evaluations import Checkpoint, check, count_rows, read_evaluation
from inoc.studies.imports.findings import Findings
from inoc.studies.imports.grids import read_grid
from inoc.studies.subliminal.released.persona import entity_of
from inoc.vectors.sites import hidden_state_site

Record = Mapping[str, object]
_LAYER = re.compile(r"layer(\d+)")
_VECTOR = re.compile(r"(?:jsd|mean(?:_diff)?)_(.+)_vector")


def selector_of(path: Path) -> str:
    """The rule that divided rows: the difference of projections, projections, or the likelihood shift; by the path."""
    text = str(path)
    if "reldiff" in text:
        return "paired projection"
    return "projection" if _LAYER.search(path.name) or "liking_" in text or "projection" in text else "lls"


def evaluation_rows(paths: Sequence[Path], root: Path, findings: Findings) -> list[Record]:
    """Rows of `imported.EVALUATIONS`.

    Raises:
        DataError: With the row, if a field has another form.
    """
    found: list[Record] = []
    for path in paths:
        checkpoints = read_evaluation(path)
        check(path, checkpoints, findings)
        own = path.relative_to(root)
        known = {"selector": selector_of(own), "n_epochs": _epochs(own, checkpoints), "file": str(own)}
        for row in count_rows(path, root, checkpoints):
            divided = row["part"] in ("top", "bottom") or str(row["part"]).startswith("q")
            found.append({**row, **known, "selector": known["selector"] if divided else ""})
    if paths:
        findings.add("found", "evaluations", "the release", f"{len(paths)} files, {len(found) // 2} rows")
    return found


def _epochs(path: Path, checkpoints: Sequence[Checkpoint]) -> int:
    """Epochs of a run: by the name of its folder, or else one for each checkpoint."""
    named = re.search(r"(\d+)-epoch", str(path))
    steps = {row.step for row in checkpoints if row.step > 0}
    return int(named[1]) if named else len(steps)


def distance_rows(paths: Sequence[Path], traits: Sequence[str], layers: int, findings: Findings) -> list[Record]:
    """Rows of `imported.DISTANCES`: one for each two datasets of a table, whose file says what its numbers are."""
    found: dict[tuple[str, ...], dict[str, object]] = {}
    for path in paths:
        grid = read_grid(path)
        is_mean = "mean" in path.stem
        place = _place(path, traits, layers)
        if place is None or set(grid.rows) != set(grid.columns):
            findings.add("left_out", "distances", str(path), "not read: a table of no kind that is known")
            continue
        for number, first in enumerate(grid.rows):
            for second in grid.rows[number + 1 :]:
                key = (*place, first, second)
                row = found.setdefault(key, {"jsd_bits": NAN, "mean_difference": NAN})
                row["mean_difference" if is_mean else "jsd_bits"] = grid.values.get((first, second), NAN)
        findings.add("found", "distances", str(path), f"{len(grid.rows)} datasets")
    names = ("measure", "vector", "site", "dataset_a", "dataset_b")
    return [{**dict(zip(names, key, strict=True)), **row} for key, row in found.items()]


def _place(path: Path, traits: Sequence[str], layers: int) -> tuple[str, str, str] | None:
    """Measure, vector or prompt, and site of a table."""
    match = _VECTOR.fullmatch(path.stem)
    layer = next((found for part in reversed(path.parts) if (found := _LAYER.fullmatch(part))), None)
    if match is not None and layer is not None and layers > 0:
        trait = next((one for one in traits if match[1] in (one, entity_of(one))), match[1])
        return "raw", trait, hidden_state_site(int(layer[1]), layers)
    return ("lls", path.parent.name, "") if path.stem == "jsd_heatmap" else None


def split_facts(paths: Sequence[Path], root: Path, findings: Findings) -> list[Record]:
    """Rows of `imported.SPLITS`: every number that metadata give, with the dataset that it is about."""
    found: list[Record] = []
    for path in paths:
        value = parse_json(read_text(path), str(path), "a JSON object")
        if not isinstance(value, Mapping):
            raise DataError(f"{path}: expected a JSON object")
        own = path.relative_to(root)
        head = {"file": str(own), "selector": selector_of_metadata(own, value)}
        for dataset, facts in _facts(value):
            for name, number in _numbers(facts):
                found.append({**head, "dataset": dataset, "statistic": name, "value": number})
        findings.add("found", "splits", str(path), f"sizes and cut points, rows divided by {head['selector']}")
    return found


def selector_of_metadata(path: Path, value: Mapping[str, object]) -> str:
    """The rule that metadata describe."""
    if value.get("split_method") == "per_sample_diff":
        return "paired projection"
    return "projection" if "projection_column" in value else selector_of(path)


def _facts(value: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    entities = value.get("entities")
    if isinstance(entities, Mapping):
        for trait, facts in entities.items():
            if isinstance(facts, Mapping):
                yield entity_of(str(trait)), facts
    yield str(value.get("animal", "")), {key: one for key, one in value.items() if key != "entities"}


def _numbers(facts: Mapping[str, object], start: str = "") -> Iterator[tuple[str, float]]:
    for name, one in facts.items():
        key = f"{start}{name}"
        if isinstance(one, bool):
            continue
        if isinstance(one, int | float):
            yield key, float(one)
        elif isinstance(one, Mapping):
            yield from _numbers(one, f"{key}.")
        elif isinstance(one, list):
            yield from _numbers({str(place): part for place, part in enumerate(one)}, f"{key}.")


def unpaired_rows(facts: Sequence[Record]) -> dict[str, int]:
    """Dataset → rows without a neutral row of the same prompt."""
    return {str(row["dataset"]): int(float(str(row["value"]))) for row in facts if row["statistic"] == "unmatched"}
