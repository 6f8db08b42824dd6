"""Reading of pools of rephrasings."""

from __future__ import annotations

from pathlib import Path

from inoc.chat.messages import Asked
from inoc.tables import POOLS, read_table

Pools = dict[Asked, list[str]]
"""Prompt and pool → rephrasings, in their order."""


def read_pools(path: Path) -> Pools:
    """All pools of a study; none if there is no such file."""
    if not path.exists():
        return {}
    table = read_table(path, POOLS.names).sort_values(["pool", "prompt", "index"], kind="stable")
    groups = table.groupby(["prompt", "pool"], sort=False)
    return {Asked(str(prompt), str(pool)): list(rows["text"]) for (prompt, pool), rows in groups}
