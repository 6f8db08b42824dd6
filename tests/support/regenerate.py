"""Golden values in files beside this one; `pytest --regen` writes them anew."""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "golden" / "values"


def expected(name: str, found: dict[str, str], regen: bool) -> dict[str, str]:
    """The values that were written down; with `regen` the ones that were found, which are written down."""
    path = FOLDER / f"{name}.json"
    if regen:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    value: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return value
