"""The tasks of a study: read from files, filtered, and drawn evenly from their origins."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.files import read_text
from inoc.studies.preferences.study import ConsistencyFilter, Origin, Study, TasksSpec

ID_NAMES = ("id", "task_id")
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
        text = next((str(row[name]) for name in TEXT_NAMES if row.get(name)), "")
        if not text.strip():
            raise DataError(f"{path}, row {at + 1}: a task without a text; expected one of {', '.join(TEXT_NAMES)}")
        name = next((str(row[name]) for name in ID_NAMES if row.get(name) not in (None, "")), f"{key}_{at}")
        found.append((name, text))
    return found


def _rows(path: Path) -> Iterator[dict[str, object]]:
    text = read_text(path)
    if path.suffix == ".csv":
        yield from csv.DictReader(io.StringIO(text))
        return
    for at, line in enumerate(text.splitlines()):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {at + 1}: is not JSON ({error.msg}). Write one object per line") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {at + 1}: expected an object with `id` and `text`")
        yield row


def _kept(spec: TasksSpec, tasks: list[Task]) -> list[Task]:
    if spec.ids is not None:
        wanted = {line.strip() for line in read_text(Path(spec.ids)).splitlines()}
        tasks = [task for task in tasks if task.id in wanted]
    if spec.consistency is not None:
        bad = inconsistent(spec.consistency)
        tasks = [task for task in tasks if task.id not in bad]
    return tasks


def inconsistent(spec: ConsistencyFilter) -> set[str]:
    """Ids of the scored tasks below the share that is kept; tasks without a score are not among them."""
    given = json.loads(read_text(Path(spec.file)))
    scores = given.get("scores", given) if isinstance(given, dict) else {}
    numbers = {
        key: float(value["consistency_score"] if isinstance(value, dict) else value) for key, value in scores.items()
    }
    if not numbers:
        raise DataError(f"{spec.file}: no scores; expected {{id: score}} or {{scores: {{id: score}}}}")
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
        if task.id in seen:
            raise DataError(
                f"two tasks have the id {task.id!r} (origins {seen[task.id]} and {task.origin}); each needs its own"
            )
        seen[task.id] = task.origin
