"""Answers of a release: comparisons, ratings, refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from inoc.prefer.comparisons import REFUSED, TIED, UNREAD, WON, comparisons
from inoc.prefer.read import read_frame
from inoc.stats.means import NAN
from inoc.studies.preferences.inputs import COMPARISONS, COMPLETIONS, RATINGS
from inoc.studies.preferences.released.sources import Source
from inoc.studies.preferences.released.tables import key_of, origin_of

NONE = "none"


def read_comparisons(source: Source, a_means: str | None) -> pd.DataFrame:
    """Rows of `inputs.COMPARISONS`, in the order of the file.

    Args:
        source: A file that `inoc prefer fit` reads too.
        a_means: What the choice "a" means where both orders were asked; files of the study's own forms say it.

    Raises:
        DataError: If it is no list of comparisons, or does not say what "a" means.
    """
    frame = read_frame(source.path)
    known = a_means or ("item" if "choice_original" in frame else None)
    found = comparisons(frame, source.name, known, order_known=True)
    items = np.array(found.items, dtype=object)
    turned = found.a_first < 0
    first, second = np.where(turned, found.b, found.a), np.where(turned, found.a, found.b)
    result = np.where(turned & (np.abs(found.result) == WON), -found.result, found.result)
    times = np.round(found.weight).astype(np.int64)
    choice = np.select([result == WON, result == -WON, result == TIED], ["a", "b", "tie"], default="")
    category = np.select([result == REFUSED, result == UNREAD], ["refused", "unclear"], default="answered")
    named = key_of(source.path.stem)
    rows = pd.DataFrame(
        {
            "task_a": items[first].astype(str),
            "task_b": items[second].astype(str),
            "choice": choice,
            "category": category,
            "order": np.where(found.a_first == 0, "", np.where(items[first] <= items[second], "ab", "ba")),
        }
    )
    rows = rows.loc[np.repeat(rows.index.to_numpy(), times)].reset_index(drop=True)
    rows["pair"] = [" | ".join(sorted(pair)) for pair in zip(rows["task_a"], rows["task_b"], strict=True)]
    origin = {item: origin_of(item) for item in found.items}
    for side in ("a", "b"):
        given = frame.get(f"origin_{side}")
        own = {} if given is None else _said(frame, side)
        rows[f"origin_{side}"] = rows[f"task_{side}"].map({**origin, **own})
    rows["sample"] = rows.groupby(["task_a", "task_b"]).cumcount()
    fixed: dict[str, str | int | float] = {
        "rater": "unknown",
        "completer": "",
        "instrument": named,
        "when": "before",
        "completion_seed": -1,
        "seed": 0,
        "round": 0,
        "p_a": NAN,
        "mass": NAN,
        "p_refused": NAN,
        "status": "ok",
    }
    for column, one in fixed.items():
        rows[column] = one
    return pd.DataFrame(rows, columns=COMPARISONS.names)


def _said(frame: pd.DataFrame, side: str) -> dict[str, str]:
    """Origin of each item on a side, as the file names it."""
    task = next(frame[name] for name in (f"task_{side}", f"item_{side}", f"task_{side}_id") if name in frame)
    return dict(zip(task.astype(str), frame[f"origin_{side}"].astype(str).str.lower(), strict=True))


def _rating_rows(
    tasks: list[str], values: np.ndarray, who: tuple[str, str], scale: tuple[int, float, float], **more: object
) -> pd.DataFrame:
    """Rows of `inputs.RATINGS` of an instrument and a rater; a NaN is an answer that could not be read."""
    answered = np.isfinite(values)
    columns: dict[str, object] = {
        "rater": who[1],
        "completer": "",
        "instrument": who[0],
        "task": tasks,
        "origin": [origin_of(task) for task in tasks],
        "when": "after",
        "completion_seed": 0,
        "seed": 0,
        "sample": 0,
        "context_completion": NONE,
        "context_measurement": NONE,
        "answer": "",
        "value": values,
        "category": np.where(answered, "answered", "unclear"),
        "expectation": NAN,
        "mass": NAN,
        "p_refused": NAN,
        "n_scale": scale[0],
        "lowest": scale[1],
        "highest": scale[2],
        "status": "ok",
        **more,
    }
    return pd.DataFrame(columns, columns=RATINGS.names)


def read_scores(source: Source) -> pd.DataFrame:
    """A map of tasks to scores."""
    value: Mapping[str, Any] = source.value  # type: ignore[assignment]  # its kind was found by this form
    values = np.array([float(one) for one in value.values()])
    name = key_of(source.path.stem.removeprefix("scores_"))
    levels = set(values.tolist())
    # Labels with a value each, good = 1 and bad = -1; other scales are not stated in such a file.
    count = 2 if levels <= {-1.0, 1.0} else 3 if levels <= {-1.0, 0.0, 1.0} else 0
    scale = (count, -1.0, 1.0) if count else (0, NAN, NAN)
    return _rating_rows([str(one) for one in value], values, (name, "unknown"), scale)


def read_open(source: Source) -> pd.DataFrame:
    """Scores of open answers, several for a task; the seed stands in the file's name."""
    table = pd.DataFrame(list(source.value))  # type: ignore[call-overload]  # a list; its kind was found by that
    seed = re.search(r"rseed(\d+)", source.path.stem)
    name = key_of(re.sub(r"_?(c|r)?seed\d+", "", source.path.stem))
    tasks = table["task_id"].astype(str).tolist()
    values = pd.to_numeric(table["semantic_valence_score"], errors="coerce").to_numpy(dtype=np.float64)
    number = table.groupby("task_id").cumcount().to_numpy()
    more = {"seed": int(seed.group(1)) if seed else 0, "sample": number}
    return _rating_rows(tasks, values, (name, "unknown"), (0, -1.0, 1.0), **more)


def read_wordings(source: Source) -> pd.DataFrame:
    """Binary answers to several wordings: 1 positive, 0 negative. Tasks have no ids there, but a place in a list."""
    value: Mapping[str, Any] = source.value  # type: ignore[assignment]  # its kind was found by these keys
    marks = {"positive": 1.0, "negative": 0.0}
    parts = []
    for model, wordings in value["raw_results"].items():
        for wording, origins in wordings.items():
            for origin, answers in origins.items():
                tasks = [f"{str(origin).lower()}_{number}" for number in range(len(answers))]
                scores = np.array([marks.get(str(one.get("parsed")), NAN) for one in answers])
                who = (key_of(str(wording)), key_of(str(model)))
                parts.append(_rating_rows(tasks, scores, who, (2, 0.0, 1.0), origin=str(origin).lower()))
    return pd.concat(parts, ignore_index=True)


def read_refusals(source: Source) -> pd.DataFrame:
    """Rows of `inputs.COMPLETIONS` of a judge's cache; the file stands for the completer, which it does not name."""
    value: Mapping[str, Any] = source.value  # type: ignore[assignment]  # its kind was found by these keys
    tasks = [str(one) for one in value]
    flags = [float(bool(one["is_refusal"])) if one.get("is_refusal") is not None else NAN for one in value.values()]
    columns: dict[str, object] = {
        "completer": source.path.stem,
        "task": tasks,
        "origin": [origin_of(task) for task in tasks],
        "seed": 0,
        "context": NONE,
        "refused": flags,
        "mentions": NAN,
        "finish": "",
    }
    return pd.DataFrame(columns, columns=COMPLETIONS.names)
