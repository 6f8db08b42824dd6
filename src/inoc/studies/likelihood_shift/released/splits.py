"""Splits of a release: sizes and cut points, and which rows its files have."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from inoc.errors import DataError
from inoc.files import parse_json, read_text
from inoc.stats.means import NAN
from inoc.studies.imports.findings import Findings

NEUTRAL = "neutral"
"""Dataset that was written under no prompt."""

Values = dict[str, object]


class Splits(NamedTuple):
    """The splits of a release, as far as they are known."""

    sections: dict[str, Values]  # split → its section in the study file
    rows: list[Values]  # of `inputs.IMPORTED_SPLITS`


def read_splits(paths: list[Path], findings: Findings) -> Splits:
    """Splits by shift, from their metadata; splits by something else are reported and left out.

    Raises:
        DataError: If a file is no JSON object, or its facts have another form.
    """
    found = Splits({}, [])
    for path in paths:
        facts = parse_json(read_text(path), str(path), "a JSON object")
        if not isinstance(facts, dict):
            raise DataError(f"{path}: expected a JSON object, found {json.dumps(facts)[:80]}")
        if "animal" not in facts or "splits" not in facts:
            findings.add("left_out", "splits", str(path), "not read: it splits by something else than the shift")
            continue
        try:
            _add(facts, found)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: the facts of a split have another form ({error!r})") from None
        findings.add("found", "splits", str(path), f"{len(facts['splits'])} parts of {facts['animal']}")
    return found


def _add(facts: Mapping[str, object], found: Splits) -> None:
    animal = str(facts["animal"])
    sizes = {str(name): int(str(n)) for name, n in dict(facts["splits"]).items()}  # type: ignore[call-overload]
    cuts = facts.get("boundaries_20_40_60_80")
    if isinstance(cuts, list):
        bounds = [-math.inf, *(float(cut) for cut in cuts), math.inf]
        key, n = f"{animal}_quintiles", len(cuts) + 1
        found.sections[key] = {"dataset": animal, "prompt": animal, "by": "quantiles", "n": n}
        for number, (lo, hi) in enumerate(pairwise(bounds), start=1):
            found.rows.append(_row(key, f"q{number}", animal, animal, sizes[f"entity_q{number}"], (lo, hi)))
    seed = int(str(facts.get("seed", 42)))
    for prefix, dataset, median in (
        ("entity", animal, facts.get("entity_lls_median")),
        ("clean", NEUTRAL, facts.get("clean_lls_median")),
    ):
        if median is not None:
            key, cut = f"{animal}_halves" if prefix == "entity" else f"{NEUTRAL}_{animal}_halves", float(str(median))
            found.sections[key] = {"dataset": dataset, "prompt": animal, "by": "median"}
            found.rows.append(_row(key, "top", dataset, animal, sizes[f"{prefix}_top50"], (cut, math.inf)))
            found.rows.append(_row(key, "bottom", dataset, animal, sizes[f"{prefix}_bottom50"], (-math.inf, cut)))
        for percent in (20, 50):
            name, own_seed = f"{prefix}_random{percent}", seed if prefix == "entity" else seed + 1
            key = f"{dataset}_random{percent}"
            if name in sizes and key not in found.sections:
                section: Values = {"dataset": dataset, "by": "random", "share": percent / 100, "seed": own_seed}
                found.sections[key] = section
                found.rows.append(_row(key, "random", dataset, "", sizes[name], (NAN, NAN), own_seed))


def _row(split: str, part: str, dataset: str, prompt: str, n: int, cuts: tuple[float, float], seed: int = -1) -> Values:
    cells: Values = {"n": n, "cut_lo": cuts[0], "cut_hi": cuts[1], "seed": seed}
    return {"split": split, "part": part, "dataset": dataset, "prompt": prompt, **cells}
