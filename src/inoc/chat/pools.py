"""Pools of rephrasings, as every stage reads them."""

from __future__ import annotations

from pathlib import Path

from inoc.tables import read_table


def read_pools(path: Path) -> dict[str, list[str]]:
    """Prompt key → its rephrasings, in their order; empty if the study has no pools."""
    if not path.exists():
        return {}
    table = read_table(path).sort_values(["prompt", "index"], kind="stable")
    return {str(prompt): list(rows["text"]) for prompt, rows in table.groupby("prompt", sort=False)}
