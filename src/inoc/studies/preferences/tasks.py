"""The tasks of a study: read from files, filtered, and drawn evenly from their origins."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.files import as_number, parse_json, read_jsonl, read_lines, read_text
from inoc.prefer.read import refuse_twice
from inoc.studies.preferences.study import ConsistencyFilter, Origin, Study, TasksSpec

ID_NAMES = ("id", "task_id")
MARKS = (" > ", " | ")
TEXT_NAMES = ("text", "task_text", "prompt", "query", "content")


class Task(NamedTuple):
    """One task."""

    id: str
    text: str
    origin: str


def tasks_of(study: Study) -> list[Task]:
    """The tasks of a study, in the order that the seed gives them.

    Raises:
        DataError: If a file cannot be read as tasks, two tasks have one id, or fewer than two are left.
    """
    spec = study.tasks
    by_origin = _different({key: _kept(spec, _origin_tasks(key, origin)) for key, origin in spec.origins.items()})
    _check_ids([task for tasks in by_origin.values() for task in tasks])
    chosen = draw(by_origin, spec)
    if len(chosen) < 2:
        raise DataError(f"study {study.name}: {len(chosen)} tasks are left; at least 2 are needed. Loosen the filters")
    return chosen


def draw(by_origin: dict[str, list[Task]], spec: TasksSpec) -> list[Task]:
    """Draw the tasks.

    Args:
        by_origin: Origin → its tasks.
        spec: How many, whether evenly, and the seed.

    Returns:
        `n` tasks: equally many of each origin, the first ones with one more where they do not come out even; all of an
        origin that has fewer. Or a draw from all tasks together.
    """
    rng = np.random.default_rng(spec.seed)
    shuffled = {key: [tasks[k] for k in rng.permutation(len(tasks))] for key, tasks in by_origin.items()}
    everything = [task for tasks in shuffled.values() for task in tasks]
    n = len(everything) if spec.n is None else min(spec.n, len(everything))
    if spec.stratified:
        counts = _even([len(tasks) for tasks in shuffled.values()], n)
        everything = [task for tasks, count in zip(shuffled.values(), counts, strict=True) for task in tasks[:count]]
    order = rng.permutation(len(everything))
    return [everything[k] for k in order][:n]


def _even(sizes: Sequence[int], n: int) -> list[int]:
    """Split n as evenly as the sizes allow, what is left over going to the first ones."""
    counts = [0] * len(sizes)
    left = min(n, sum(sizes))
    while left:
        open_ones = [k for k, size in enumerate(sizes) if counts[k] < size]
        share, extra = divmod(left, len(open_ones))
        for at, k in enumerate(open_ones):
            counts[k] += min(share + (at < extra), sizes[k] - counts[k])
        left = min(n, sum(sizes)) - sum(counts)
    return counts


def _origin_tasks(key: str, origin: Origin) -> list[Task]:
    if origin.world is not None:
        from inoc.world.grammar import instructions_about

        texts = instructions_about((origin.world,))
        return [Task(f"{key}_{at}", text, key) for at, text in enumerate(texts)]
    if origin.file is not None:
        return [Task(name, text, key) for name, text in read_tasks(Path(origin.file), key)]
    return [Task(name, text, key) for name, text in origin.texts.items()]


def visible(text: str) -> bool:
    """Whether there is anything to read in a text: more than white space, control and format characters."""
    return any(not char.isspace() and unicodedata.category(char) not in ("Cc", "Cf") for char in text)


def read_tasks(path: Path, key: str = "task") -> list[tuple[str, str]]:
    """Id and text of each task of a file.

    Args:
        path: JSONL or CSV.
        key: Begins the ids of tasks without one.

    Raises:
        DataError: If a row has no text.
    """
    found = []
    for at, row in enumerate(_rows(path)):
        text = next((row.value[name] for name in TEXT_NAMES if row.value.get(name)), "")
        if not isinstance(text, str) or not visible(text):
            raise DataError(f"{row.where}: a task without a text; expected a text in one of {', '.join(TEXT_NAMES)}")
        name = next((row.value[name] for name in ID_NAMES if row.value.get(name) not in (None, "")), f"{key}_{at}")
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise DataError(f"{row.where}: the id is {name!r}; expected a text")
        found.append((str(name), text))
    return found


class _TaskRow(NamedTuple):
    value: dict[str, object]
    where: str  # file and row, for messages


def _rows(path: Path) -> Iterator[_TaskRow]:
    if path.suffix == ".csv":
        yield from _csv_rows(path)
        return
    expected = "an object with `id` and `text`"
    for line in read_jsonl(path, expected):
        if not isinstance(line.value, dict):
            raise DataError(f"{line.where}: expected {expected}, found {line.excerpt!r}")
        yield _TaskRow(line.value, line.where)


def _csv_rows(path: Path) -> Iterator[_TaskRow]:
    text = read_text(path)
    # A text may be longer than what the module allows by default, which is 131,072 characters.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        used = [name for name in rows.fieldnames or () if name in (*ID_NAMES, *TEXT_NAMES)]
        refuse_twice(used, f"{path}, line 1")
        for row in rows:
            if None in row:
                msg = f"{path}, line {rows.line_num}: more fields than columns; put quotes around a text with commas"
                raise DataError(msg)
            yield _TaskRow(dict(row), f"{path}, line {rows.line_num}")
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num + 1}: is not CSV ({error}); put quotes around texts") from None


def _kept(spec: TasksSpec, tasks: list[Task]) -> list[Task]:
    if spec.ids is not None:
        wanted = {line.strip() for line in read_lines(Path(spec.ids))}
        tasks = [task for task in tasks if task.id in wanted]
    if spec.consistency is not None:
        bad = inconsistent(spec.consistency)
        tasks = [task for task in tasks if task.id not in bad]
    return tasks


def inconsistent(spec: ConsistencyFilter) -> set[str]:
    """Ids of the scored tasks below the share that is kept; tasks without a score are not among them."""
    accepted = "{id: score} or {scores: {id: score}}, with numbers"
    given = parse_json(read_text(Path(spec.file)), spec.file, accepted)
    scores = given.get("scores", given) if isinstance(given, dict) else {}
    if not isinstance(scores, dict) or not scores:
        raise DataError(f"{spec.file}: no scores; expected {accepted}")
    numbers: dict[str, float] = {}
    for key, value in scores.items():
        score = value.get("consistency_score") if isinstance(value, dict) else value
        number = as_number(score)
        if isinstance(score, bool) or not math.isfinite(number):
            raise DataError(f"{spec.file}: the score of {key!r} is {score!r}; expected {accepted}")
        numbers[key] = number
    threshold = float(np.percentile(list(numbers.values()), 100 * (1 - spec.keep)))
    return {key for key, value in numbers.items() if value < threshold}


def _different(by_origin: dict[str, list[Task]]) -> dict[str, list[Task]]:
    """Without tasks that have the text of an earlier one, as they would be compared with themselves."""
    seen: set[str] = set()
    found: dict[str, list[Task]] = {}
    for key, tasks in by_origin.items():
        found[key] = []
        for task in tasks:
            said = " ".join(task.text.split())
            if said not in seen:
                found[key].append(task)
            seen.add(said)
    return found


def _check_ids(tasks: Sequence[Task]) -> None:
    seen: dict[str, str] = {}
    for task in tasks:
        if task.id.startswith("@") or any(mark in task.id for mark in MARKS):
            raise DataError(
                f"the id {task.id!r} (origin {task.origin}) begins with @, as those of anchors do, or has one of "
                f"{', '.join(map(repr, MARKS))}, which stand between tasks; accepted: another id"
            )
        if task.id in seen:
            raise DataError(
                f"two tasks have the id {task.id!r} (origins {seen[task.id]} and {task.origin}); each needs its own"
            )
        seen[task.id] = task.origin
