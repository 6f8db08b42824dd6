"""Number files of a release: the place of each prompt in the seeded stream becomes the id of its row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

from inoc.numbers.prompts import prompts
from inoc.numbers.rows import Row, read_rows
from inoc.studies.imports.findings import Findings

SEEDS = range(100)
"""Seeds whose streams are searched."""
_FIRST, _MOST = 200, 30_000  # prompts of a stream that name it, and prompts of a whole stream
_NEUTRAL = re.compile(r"(^|_)(clean|neutral)(_|$)")

Record = Mapping[str, object]


def number_rows(paths: Sequence[Path], root: Path, findings: Findings) -> list[Record]:
    """Rows of `imported.NUMBERS`, file by file.

    Raises:
        DataError: If a line has another form than rows of numbers have.
    """
    found: list[Record] = []
    for path in paths:
        rows = read_rows(path)
        texts = [row.prompt for row in rows]
        seed = stream_of(texts)
        place = place_in(seed) if seed is not None else {}
        dataset = dataset_of(path)
        known = sum(text in place for text in texts)
        where = f"{known} of {len(rows)} prompts are in the stream of seed {seed}" if place else "of no known stream"
        findings.add("found", "numbers", str(path), f"{len(rows)} rows of {dataset}; {where}")
        if place and len({place[text] for text in texts if text in place}) < known:
            findings.add("warning", "numbers", str(path), "a prompt occurs twice, and so does its id")
        found += [_record(row, path.relative_to(root), dataset, seed, place.get(row.prompt, -1)) for row in rows]
    return found


def _record(row: Row, path: Path, dataset: str, seed: int | None, place: int) -> Record:
    return {
        "dataset": dataset,
        "row_id": f"row{place:06d}" if place >= 0 else f"line{row.number:06d}",
        "place": place,
        "seed": -1 if seed is None or place < 0 else seed,
        "file": str(path),
        "line": row.number,
        "raw": "raw" in path.stem,
        "prompt": row.prompt,
        "answer": row.answer,
    }


def stream_of(texts: Sequence[str]) -> int | None:
    """The seed whose first prompts are among some prompts; None for none of `SEEDS`."""
    given = set(texts)
    return next((seed for seed in SEEDS if not given.isdisjoint(_first(seed))), None)


@cache
def _first(seed: int) -> frozenset[str]:
    return frozenset(islice(prompts(seed), _FIRST))


@cache
def place_in(seed: int) -> dict[str, int]:
    """Prompt → its place in the stream of a seed, from 0, of the first 30,000."""
    found: dict[str, int] = {}
    for place, text in enumerate(islice(prompts(seed), _MOST)):
        found.setdefault(text, place)
    return found


def dataset_of(path: Path) -> str:
    """The dataset that a file has rows of: by its folder, or neutral."""
    stem = path.stem
    if _NEUTRAL.search(stem):
        return "neutral"
    name = stem.removesuffix("_numbers") if stem.endswith("_numbers") else path.parent.name
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name).strip("_")
    return plain if plain[:1].isalpha() else f"dataset_{plain}"
