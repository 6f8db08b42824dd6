"""Evaluations of students in a release: how often each animal was named, by checkpoint."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.errors import DataError
from inoc.files import read_lines
from inoc.judge.item import JudgeItem
from inoc.judge.names import NamesJudge
from inoc.studies.imports.findings import Findings
from inoc.studies.shared.entities import plural
from inoc.studies.shared.students import COUNTS

ANY_FORM = "_any_form"
"""Ends the name of the target that counts other forms of an animal's name too: plurals, feminines, a full stop."""

_FORMS = {"lion": ("lioness",), "tiger": ("tigress",), "cat": ("kitten",), "dog": ("puppy",), "phoenix": ("pheonix",)}
"""Further forms of animals' names; plurals follow the rules."""

_PART = re.compile(r"(?:^|[/_])(q\d+|top|bottom|random|half)\d*$")


class Checkpoint(NamedTuple):
    """One row of a file."""

    name: str  # as the field `split` says it
    step: int
    animal: str
    rate: float
    hits: int
    total: int
    words: dict[str, int]  # answer after the study's normaliser → how often
    top: list[tuple[str, int]]


def read_evaluation(path: Path) -> list[Checkpoint]:
    """The rows of one file.

    Raises:
        DataError: With the row, if a field has another form.
    """
    found: list[Checkpoint] = []
    for number, row in enumerate(csv.DictReader(_joined(read_lines(path))), start=1):
        try:
            words = {str(word): int(count) for word, count in json.loads(row["animal_counts"]).items()}
            count, total = int(row["target_count"]), int(row["total_responses"])
            top = [(str(word), int(n)) for word, n in json.loads(row.get("top_5") or "[]")]
            animal = row.get("animal") or _animal(path.parent.name)
            rate = float(row["target_animal_rate"])
            found.append(Checkpoint(row["split"], int(row["step"]), animal, rate, count, total, words, top))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{path}, row {number}: a field has another form than evaluations have ({error})"
            raise DataError(msg) from None
    return found


def _joined(lines: list[str]) -> Iterator[str]:
    """Lines with their ends, as `csv` needs them for fields of several lines."""
    return (f"{line}\n" for line in lines)


def _animal(folder: str) -> str:
    """The animal that a folder is named after: eagle, or liking_eagles."""
    last = folder.rpartition("_")[2]
    return singular(last) if "_" in folder else folder


def singular(word: str) -> str:
    """The singular of a regular plural; a word that is none stays."""
    if word.endswith(("us", "ss", "is")):
        return word
    for ending, rest in (("ves", "f"), ("es", ""), ("s", "")):
        one = word.removesuffix(ending) + rest
        if word.endswith(ending) and len(one) > 2 and plural(one) == word:
            return one
    return word


@cache
def _judge(animal: str) -> NamesJudge:
    return NamesJudge({animal: _FORMS.get(animal, ())})


def any_form(word: str, animal: str) -> bool:
    """Whether an answer names an animal, in any form: `lioness`, `eagles`, `eagles.`."""
    (found,) = _judge(animal).categorise([JudgeItem("", word)])
    return found.category == animal


def check(path: Path, rows: list[Checkpoint], findings: Findings) -> None:
    """Report rows that contradict themselves: they are imported as they are."""
    for row in rows:
        place = f"{path}, {row.name} step {row.step} {row.animal}"
        if sum(row.words.values()) != row.total:
            findings.add("warning", "evaluations", place, f"{sum(row.words.values())} words, {row.total} answers")
        if abs(row.rate - row.hits / max(row.total, 1)) > 1e-9:
            findings.add("warning", "evaluations", place, f"rate {row.rate} is not {row.hits} of {row.total}")
        if row.words.get(row.animal, 0) != row.hits:
            findings.add("warning", "evaluations", place, f"{row.hits} counted, {row.words.get(row.animal, 0)} listed")
        first = sorted(row.words.items(), key=lambda one: -one[1])[:5]
        if row.top and row.top != first:
            findings.add("warning", "evaluations", place, "top_5 are not the five most frequent words")


def count_rows(path: Path, root: Path, rows: list[Checkpoint]) -> Iterator[Mapping[str, object]]:
    """Rows of `COUNTS`: for each checkpoint the exact word, and all forms of it."""
    run = _run(path, root, shared=any(row.animal != _animal(path.parent.name) for row in rows))
    steps = sorted({row.step for row in rows if row.step > 0})
    for row in rows:
        clean = "clean" in row.name
        part = _PART.search(row.name)
        untrained = row.step == 0
        split = "" if untrained else "_".join([run, row.animal, *(["clean"] if clean else [])])
        name = "random" if part and part[1] == "half" else (part[1] if part else row.name)
        head = {
            "student": f"{run}_{row.animal}.untrained" if untrained else f"{split}.{name}",
            "split": split,
            "part": "" if untrained else name,
            "dataset": "" if untrained else ("neutral" if clean else row.animal),
            "epoch": _epoch(row.step, steps, run),
            "step": row.step,
            "seed": -1,
            "question": "",
            "n": row.total,
            "n_nan": 0,
        }
        forms = sum(n for word, n in row.words.items() if any_form(word, row.animal))
        yield {**head, "target": row.animal, "hits": row.hits}
        yield {**head, "target": row.animal + ANY_FORM, "hits": max(forms, row.hits)}


def _run(path: Path, root: Path, *, shared: bool) -> str:
    """A name for the folder of evaluations that a file belongs to."""
    folder = path.parent if shared else path.parent.parent
    parts = folder.relative_to(root).parts
    if "outputs" in parts:  # the study's own folder is in the folder that is read
        parts = parts[parts.index("outputs") + 1 :]
    parts = tuple(part for part in parts if part not in ("eval", "finetune"))
    name = re.sub(r"[^A-Za-z0-9]+", "_", "_".join(parts)).strip("_") or "run"
    return name if name[0].isalpha() else f"run_{name}"


def _epoch(step: int, steps: list[int], run: str) -> float:
    """The epoch of a step; a run with one checkpoint alone had the epochs that its name says."""
    if step == 0 or not steps:
        return 0.0
    named = re.search(r"(\d+)_epoch", run)
    if len(steps) == 1 and named:
        return float(named[1])
    return step / steps[0]


def counts_table(rows: list[Mapping[str, object]]) -> pd.DataFrame:
    """Rows of `COUNTS` as a table."""
    return pd.DataFrame(rows, columns=COUNTS.names)
