"""All scores that are subtracted come from layers that multiply in the same way: rounding must not pass for a shift."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from inoc.errors import DataError
from inoc.jobs.paths import Paths

STAGES = ("score", "train")
"""Stages that compute as `model.compute` says, and note it in their manifests."""


def refuse_mixed(paths: Paths, shards: int, stage: str = "score", part: str = "") -> None:
    """Refuse results of which some were computed in 8-bit floating point and others were not.

    Args:
        paths: The study's results. Jobs without a manifest, as those of an import, say nothing.
        shards: Number of jobs of the stage.
        stage: One of `STAGES`.
        part: Part of the stage, if it has parts.

    Raises:
        DataError: If the manifests differ.
    """
    found: dict[str, list[int]] = {}
    for shard in range(shards):
        for way in _ways([paths.manifest(stage, shard, part)]):
            found.setdefault(way, []).append(shard)
    if len(found) > 1:
        ways = "; ".join(f"{way}: {', '.join(map(str, jobs))}" for way, jobs in sorted(found.items()))
        what = "scores" if stage == "score" else "adapters"
        msg = (
            f"{paths.stage(stage)}: jobs were computed with different values of model.compute ({ways}), so their "
            f"{what} have no differences; accepted: one value. Run `inoc {stage}` again for all jobs"
        )
        raise DataError(msg)


def ways_of(paths: Paths) -> frozenset[str]:
    """Values of `model.compute` that the jobs of a study's results were computed with; none without manifests."""
    return frozenset(_ways(sorted(one for stage in STAGES for one in paths.stage(stage).glob("manifest-*.json"))))


def _ways(manifests: Iterable[Path]) -> set[str]:
    return {
        str(json.loads(path.read_text(encoding="utf-8")).get("compute", "dtype")) for path in manifests if path.exists()
    }
