"""The verb `inoc split`: writes the parts of any JSONL file whose rows have a score."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.files import as_number, parse_json, read_lines
from inoc.stats.means import NAN, Floats
from inoc.studies.shared.splitting import Part, median_parts, quantile_parts, random_part
from inoc.tables import replace_file


class Scored(NamedTuple):
    """The rows of a file, as they are written, with their scores."""

    lines: list[str]
    values: list[dict[str, object]]
    scores: Floats  # NaN where the field is missing, null or not finite


def split_file(options: argparse.Namespace) -> None:
    """Write one file for each part, and `split.json` with the rule, the cut points and the sizes.

    Args:
        options: `file`, `by`, `out`, `strip`, `seed`, and one of `quantiles`, `median` and `random`.

    Raises:
        DataError: If the file is no JSONL of objects, a score is no number, the rows cannot be split so, or the folder
            has the file itself or parts of another split in the parts' place.
    """
    found = read_scored(options.file, options.by, needed=options.random is None or options.strip)
    failed = int(np.isnan(found.scores).sum())
    if options.random is not None:
        parts, rule = [random_part(len(found.lines), options.random, options.seed)], f"random {options.random:g}"
    elif options.median:
        parts, rule = median_parts(found.scores), "median"
    else:
        parts, rule = quantile_parts(found.scores, options.quantiles), f"quantiles {options.quantiles}"
    _check_folder(options.out, [part.name for part in parts], options.file)
    options.out.mkdir(parents=True, exist_ok=True)
    for part in parts:
        lines = _lines(found, part, options.by if options.strip else None)
        _write(options.out / f"{part.name}.jsonl", "".join(f"{line}\n" for line in lines))
    facts = {
        "file": str(options.file),
        "by": options.by,
        "rule": rule,
        "seed": options.seed if options.random is not None else None,
        "rows": len(found.lines),
        "rows_without_score": failed,
        "parts": {part.name: _facts(part) for part in parts},
    }
    _write(options.out / "split.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    if failed and options.random is None:
        print(f"{failed} of {len(found.lines)} rows have no finite {options.by!r} and are in no part", file=sys.stderr)
    sizes = ", ".join(f"{part.name} {part.rows.size}" for part in parts)
    print(f"{options.out}: {sizes} of {len(found.lines)} rows")


def _check_folder(out: Path, names: Sequence[str], file: Path) -> None:
    """Refuse a folder in which a part would replace the file, or lie beside parts of another split."""
    for name in names:
        path = out / f"{name}.jsonl"
        if path.exists() and path.samefile(file):
            raise DataError(f"--out {out}: the part {name} would replace {file}, which is split. Name another folder")
    facts = out / "split.json"
    if not facts.is_file():
        return
    earlier = parse_json(facts.read_text(encoding="utf-8"), str(facts), "the facts of a split")
    listed = earlier.get("parts", {}) if isinstance(earlier, dict) else {}
    others = [f"{name}.jsonl" for name in listed if name not in names and (out / f"{name}.jsonl").exists()]
    if others:
        msg = f"--out {out} has parts of another split: {', '.join(others)}"
        raise DataError(f"{msg}. Name another folder, or delete them")


def _write(path: Path, text: str) -> None:
    replace_file(path, lambda place: place.write_bytes(text.encode()))


def _facts(part: Part) -> dict[str, object]:
    cuts = {"from": part.cut_lo, "below": part.cut_hi}
    return {"rows": int(part.rows.size), **{key: cut for key, cut in cuts.items() if math.isfinite(cut)}}


def read_scored(path: Path, field: str, *, needed: bool = True) -> Scored:
    """The rows of a JSONL file with one of their fields as a score.

    Args:
        path: The file; blank lines are left out.
        field: Name of the score.
        needed: Whether a file in which no row has the field is refused.

    Raises:
        DataError: With the line, if it is no JSON object, or its score is no number; or if there is no row, or none has
            the field.
    """
    lines: list[str] = []
    values: list[dict[str, object]] = []
    scores: list[float] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        value = parse_json(line, where, "a JSON object")
        if not isinstance(value, dict):
            raise DataError(f"{where}: expected a JSON object, found {line[:80]!r}")
        lines.append(line)
        values.append(value)
        scores.append(score_of(value.get(field), f"{where}: {field}"))
    if not values:
        raise DataError(f"{path}: the file has no rows")
    if needed and not any(field in value for value in values):
        known = ", ".join(values[0]) or "none"
        raise DataError(f"{path}: no row has a field {field!r}; fields of the first row: {known}. Name one with --by")
    return Scored(lines, values, np.array(scores, dtype=np.float64))


def score_of(value: object, where: str) -> float:
    """A score as a number; NaN for one that is missing, null or not finite.

    Raises:
        DataError: If it is something else.
    """
    if value is None:
        return NAN
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where}: expected a number, found {value!r}")
    number = as_number(value)
    return number if math.isfinite(number) else NAN


def _lines(found: Scored, part: Part, strip: str | None) -> Sequence[str]:
    if strip is None:
        return [found.lines[row] for row in part.rows]
    return [without_field(found.lines[row], found.values[row], strip) for row in part.rows]


def without_field(line: str, value: dict[str, object], field: str) -> str:
    """A line of JSON without one of its fields, written in the style of the line if that is one of the usual ones."""
    styles = [
        {"ensure_ascii": ascii_only, "separators": separators}
        for ascii_only in (True, False)
        for separators in ((", ", ": "), (",", ":"))
    ]
    style = next((one for one in styles if json.dumps(value, **one) == line), styles[2])  # type: ignore[arg-type]
    return json.dumps({key: one for key, one in value.items() if key != field}, **style)  # type: ignore[arg-type]
