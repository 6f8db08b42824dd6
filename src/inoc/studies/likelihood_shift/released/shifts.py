"""Scored rows of a release: one file for each prompt and dataset."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.errors import DataError
from inoc.files import read_lines
from inoc.numbers.prompts import prompts
from inoc.studies.imports.findings import Findings
from inoc.studies.likelihood_shift.inputs import IMPORTED_SHIFTS
from inoc.studies.likelihood_shift.split_verb import score_of

KNOWN_SEEDS = (3, 42)
STREAM = 30_000
"""Seeds and length of the streams of prompts that released datasets answer."""


class Rows(NamedTuple):
    """Rows of a dataset, in its order."""

    ids: list[str]
    instructions: list[str]
    responses: list[str]


class Turn(NamedTuple):
    """The content of one line."""

    instruction: str
    response: str
    row_id: str | None
    value: Mapping[str, object]


def read_turns(path: Path) -> Iterator[tuple[str, Turn]]:
    """The rows of a file, with the place of each for messages.

    Raises:
        DataError: With the line, if it has neither `messages` nor `prompt` and `completion`.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            value = json.loads(line)
            row_id = str(value["id"]) if "id" in value else None
            if "messages" in value:
                *_, user, assistant = value["messages"]
                yield where, Turn(str(user["content"]), str(assistant["content"]), row_id, value)
            else:
                yield where, Turn(str(value["prompt"]), str(value["completion"]), row_id, value)
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{where}: expected an object with messages [user, assistant], or prompt and completion"
            raise DataError(f"{msg}; found {line[:80]!r} ({type(error).__name__})") from None


@cache
def stream_of(seed: int) -> dict[str, int]:
    """Prompt → its place in the stream of a seed."""
    return {prompt: place for place, prompt in enumerate(itertools.islice(prompts(seed), STREAM))}


def places_in_stream(instructions: list[str]) -> list[int] | None:
    """The place of each instruction in the stream of a known seed; None if they are not all of one, each once."""
    for seed in KNOWN_SEEDS:
        stream = stream_of(seed)
        if all(one in stream for one in instructions) and len(set(instructions)) == len(instructions):
            return [stream[one] for one in instructions]
    return None


def row_ids(turns: list[Turn]) -> list[str]:
    """Ids of rows: their own, else their prompts' places in a known stream, else the numbers of their lines."""
    if turns and all(turn.row_id is not None for turn in turns):
        return [str(turn.row_id) for turn in turns]
    places = places_in_stream([turn.instruction for turn in turns])
    return [str(place) for place in places] if places else [str(number) for number in range(1, len(turns) + 1)]


def shift_groups(
    cells: Mapping[tuple[str, str], Path], known: dict[str, Rows], findings: Findings
) -> Iterator[pa.Table]:
    """One table for each prompt and dataset, of `IMPORTED_SHIFTS`.

    Args:
        cells: (prompt, dataset) → file.
        known: Filled with the rows of each dataset.
        findings: Where to report scores that failed.

    Raises:
        DataError: If the rows of a dataset differ between prompts.
    """
    for (prompt, dataset), path in sorted(cells.items(), key=lambda one: (one[0][1], one[0][0])):
        turns: list[Turn] = []
        scores: list[float] = []
        for where, turn in read_turns(path):
            scores.append(score_of(turn.value.get("lls"), f"{where}: lls"))
            turns.append(turn)
        texts = [turn.instruction for turn in turns], [turn.response for turn in turns]
        if dataset not in known:
            known[dataset] = Rows(row_ids(turns), *texts)
        _check_same(path, texts, known[dataset])
        failed = int(np.isnan(scores).sum())
        if failed:
            findings.add("warning", "scores", str(path), f"{failed} of {len(scores)} rows have no finite lls; NaN here")
        yield _group(dataset, prompt, known[dataset].ids, scores)


def _check_same(path: Path, texts: tuple[list[str], list[str]], rows: Rows) -> None:
    if texts != (rows.instructions, rows.responses):
        pairs = zip(*texts, strict=True)
        others = zip(rows.instructions, rows.responses, strict=True)
        number = next((k for k, (a, b) in enumerate(zip(pairs, others, strict=False), start=1) if a != b), None)
        place = f"row {number} differs" if number else f"{len(texts[0])} rows, not {len(rows.ids)}"
        msg = f"{path}: {place} from the same dataset under another prompt; shifts are compared row by row"
        raise DataError(f"{msg}. Remove the file, or import prompts of one set of rows")


def _group(dataset: str, prompt: str, ids: list[str], scores: list[float]) -> pa.Table:
    n = len(ids)
    keys = [
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([key])) for key in (dataset, prompt)
    ]
    columns = [*keys, pa.array(ids), pa.array(np.array(scores, dtype=np.float64), from_pandas=False)]
    return pa.Table.from_arrays(columns, schema=IMPORTED_SHIFTS)


def rows_table(known: Mapping[str, Rows]) -> pd.DataFrame:
    """Rows of `IMPORTED_ROWS`."""
    frames = [
        pd.DataFrame({"dataset": key, "row_id": rows.ids, "instruction": rows.instructions, "response": rows.responses})
        for key, rows in known.items()
    ]
    return pd.concat(frames) if frames else pd.DataFrame(columns=["dataset", "row_id", "instruction", "response"])


def rows_of_parts(parts: Iterable[Path]) -> tuple[Rows, dict[str, list[str]]] | None:
    """The rows that parts of a dataset have together, in the order of the stream of prompts, and the ids of each part.

    Returns:
        None if the prompts are not all of one known stream: their order is then not known.
    """
    turns = {path.stem: [turn for _, turn in read_turns(path)] for path in parts}
    every = {turn.instruction: turn for part in turns.values() for turn in part}
    places = places_in_stream(list(every))
    if places is None:
        return None
    place_of = dict(zip(every, places, strict=True))
    ordered = sorted(every.values(), key=lambda turn: place_of[turn.instruction])
    ids = [str(place_of[turn.instruction]) for turn in ordered]
    rows = Rows(ids, [turn.instruction for turn in ordered], [turn.response for turn in ordered])
    return rows, {name: [str(place_of[turn.instruction]) for turn in part] for name, part in turns.items()}
