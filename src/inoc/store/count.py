"""Numbers of entries and files of a store, and of the entries in its fullest folders."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from inoc.store.core import Store


class Counted(NamedTuple):
    """The entries of one step."""

    step: str
    entries: int
    files: int
    n_bytes: int
    fullest: int  # entries in the fullest of the folders by prefix


def count(store: Store) -> list[Counted]:
    """A row for each step, by its name. A file that goes away meanwhile is not counted."""
    found: dict[str, list[Counted]] = {}
    folders: Counter[tuple[str, str]] = Counter()
    for entry in store.entries():
        step = entry.parent.parent.name
        folders[step, entry.parent.name] += 1
        sizes = [size for path in entry.rglob("*") if (size := _size(path)) is not None]
        found.setdefault(step, []).append(Counted(step, 1, len(sizes), sum(sizes), 0))
    return [
        Counted(
            step,
            len(rows),
            sum(row.files for row in rows),
            sum(row.n_bytes for row in rows),
            max(n for (other, _), n in folders.items() if other == step),
        )
        for step, rows in sorted(found.items())
    ]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except FileNotFoundError:
        return None
