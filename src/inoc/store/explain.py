"""Why a unit is or is not in the store, in words, and which entries no study needs."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from inoc.store.core import DESCRIPTION, Store, Unit, differing_parts, flatten


class Explanation(NamedTuple):
    """One unit against the store."""

    unit: Unit
    present: bool
    nearest: str  # label of the nearest other entry of the same step; empty if there is none
    differences: list[str]  # "part: wanted … , nearest entry has …"


def explain(store: Store, units: Iterable[Unit]) -> list[Explanation]:
    """For each unit: is it there, and if not, which part of its key differs from the nearest entry?"""
    described: dict[str, list[Mapping[str, Any]]] = {}
    out = []
    for unit in units:
        if store.has(unit):
            out.append(Explanation(unit, present=True, nearest="", differences=[]))
            continue
        if unit.step not in described:
            described[unit.step] = [json.loads((entry / DESCRIPTION).read_text()) for entry in store.entries(unit.step)]
        out.append(_nearest(unit, described[unit.step]))
    return out


def _nearest(unit: Unit, entries: list[Mapping[str, Any]]) -> Explanation:
    wanted = {"version": unit.version, **unit.parts}
    best: tuple[int, str, list[str]] | None = None
    for entry in entries:
        parts = {"version": entry["version"], **entry["parts"]}
        names = differing_parts(wanted, parts)
        if best is None or len(names) < best[0]:
            has, asks = flatten(parts), flatten(wanted)
            lines = [f"{name}: wanted {_short(asks.get(name))}, nearest has {_short(has.get(name))}" for name in names]
            best = (len(names), str(entry["label"]), lines)
    if best is None:
        return Explanation(unit, present=False, nearest="", differences=[])
    return Explanation(unit, present=False, nearest=best[1], differences=best[2])


def _short(text: str | None, length: int = 60) -> str:
    if text is None:
        return "nothing"
    return text if len(text) <= length else f"{text[: length - 1]}…"


class Garbage(NamedTuple):
    """What a collection found."""

    entries: list[Path]
    n_bytes: int
    kept: int


def collect(store: Store, studies: Iterable[str], *, delete: bool, grace_s: float = 3600.0) -> Garbage:
    """Find, and with `delete` remove, entries that no job of the given studies referred to.

    Args:
        store: The store.
        studies: Studies whose references count; those of other studies are dropped too.
        delete: Really remove.
        grace_s: Younger entries stay, since a running job refers to its entries only when it ends.
    """
    names = set(studies)
    referred: set[str] = set()
    for reference in (store.root / "refs").glob("*/*.json"):
        if reference.parent.name in names:
            referred |= set(json.loads(reference.read_text()))
    now = time.time()
    garbage, kept = [], 0
    for entry in store.entries():
        young = now - (entry / DESCRIPTION).stat().st_mtime < grace_s
        if young or f"{entry.parent.parent.name}/{entry.name}" in referred:
            kept += 1
        else:
            garbage.append(entry)
    abandoned = [work for work in (store.root / "work").glob("*/*") if now - work.stat().st_mtime >= grace_s]
    n_bytes = sum(path.stat().st_size for folder in garbage + abandoned for path in folder.rglob("*") if path.is_file())
    if delete:
        for folder in garbage + abandoned:
            shutil.rmtree(folder)
        for reference in (store.root / "refs").glob("*"):
            if reference.name not in names:
                shutil.rmtree(reference)
    return Garbage(garbage + abandoned, n_bytes, kept)
