"""Why a unit is or is not in the store, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from inoc.shorten import shortened
from inoc.store.core import DESCRIPTION, Store, Unit, differing_parts, flatten, is_entry


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
            whole = filter(is_entry, store.entries(unit.step))
            described[unit.step] = [json.loads((entry / DESCRIPTION).read_text()) for entry in whole]
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
    return "nothing" if text is None else shortened(text, length)
