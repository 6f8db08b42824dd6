"""Manifests of a study's jobs, read for the report."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from inoc.digest import Json
from inoc.errors import DataError
from inoc.jobs.paths import Paths

STAGES = (
    *("world", "generate", "rephrase", "embed", "elicit", "score", "train", "evaluate", "judge", "analyse", "figures"),
    "report",
)


class Manifest(NamedTuple):
    """One job's manifest. Any key may be missing."""

    stage: str
    job: str
    body: Mapping[str, Json]

    def text(self, *keys: str) -> str | None:
        """A value inside nested mappings as text; None if it is not there."""
        value: Json = self.body
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                return None
            value = value[key]
        return None if value is None else str(value)

    def mapping(self, key: str) -> Mapping[str, Json]:
        """A mapping, empty if it is not there."""
        value = self.body.get(key)
        return value if isinstance(value, Mapping) else {}

    def items(self, key: str) -> list[Json]:
        """A list, empty if it is not there."""
        value = self.body.get(key)
        return list(value) if isinstance(value, list | tuple) else []

    @property
    def wall_s(self) -> float | None:
        """Wall time in seconds; None if it was not recorded."""
        value = self.body.get("wall_s")
        return float(value) if isinstance(value, int | float) else None


def read_manifests(paths: Paths, jobs: Collection[str] | None = None) -> list[Manifest]:
    """Manifests of a study, in the order of the stages, except those of the page itself.

    Args:
        paths: Where the study's results are.
        jobs: Names of the study's present jobs, as `score-3`; manifests of other jobs, as of shards that it was split
            into before, do not count. None: all of them count.

    Raises:
        DataError: If one is not a JSON object.
    """
    found = (_read(stage, path) for stage, path in _files(paths))
    return [manifest for manifest in found if jobs is None or manifest.job in jobs]


def _files(paths: Paths) -> Iterator[tuple[str, Path]]:
    for stage in STAGES:
        if stage != "report":
            yield from ((stage, path) for path in sorted(paths.stage(stage).glob("manifest*.json")))


def _read(stage: str, path: Path) -> Manifest:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        msg = f"{path} is not JSON ({error}). Run `inoc {stage}` again"
        raise DataError(msg) from error
    if not isinstance(body, dict):
        msg = f"{path} holds {type(body).__name__}, not an object. Run `inoc {stage}` again"
        raise DataError(msg)
    return Manifest(stage, str(body.get("job") or path.stem.replace("manifest", stage)), body)


def package_versions(manifests: list[Manifest]) -> dict[str, list[str]]:
    """Package → its versions over all jobs; more than one means that jobs ran in different environments."""
    found: dict[str, set[str]] = {}
    for manifest in manifests:
        for name, version in manifest.mapping("packages").items():
            found.setdefault(name, set()).add(str(version))
    return {name: sorted(found[name]) for name in sorted(found)}


def wall_by_stage(manifests: list[Manifest]) -> dict[str, float | None]:
    """Stage → wall time in seconds, summed over its jobs; None if one of them did not record it."""
    times: dict[str, float | None] = {}
    for manifest in manifests:
        before, own = times.get(manifest.stage, 0.0), manifest.wall_s
        times[manifest.stage] = None if before is None or own is None else before + own
    return times
