"""All scores of a study come from layers that multiply in the same way: rounding must not pass for a shift."""

from __future__ import annotations

import json

from inoc.errors import DataError
from inoc.jobs.paths import Paths


def refuse_mixed(paths: Paths, shards: int) -> None:
    """Refuse scores of which some were computed in 8-bit floating point and others were not.

    Args:
        paths: The study's results. Jobs without a manifest, as those of an import, say nothing.
        shards: Number of jobs of the stage `score`.

    Raises:
        DataError: If the manifests differ.
    """
    found: dict[str, list[int]] = {}
    for shard in range(shards):
        path = paths.manifest("score", shard)
        if path.exists():
            way = str(json.loads(path.read_text(encoding="utf-8")).get("compute", "dtype"))
            found.setdefault(way, []).append(shard)
    if len(found) > 1:
        ways = "; ".join(f"{way}: {', '.join(map(str, jobs))}" for way, jobs in sorted(found.items()))
        msg = (
            f"{paths.stage('score')}: jobs were computed with different values of model.compute ({ways}), so their "
            "scores have no differences; accepted: one value. Run `inoc score` again for all jobs"
        )
        raise DataError(msg)
