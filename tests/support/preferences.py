"""Simulated measurements of a study of preferences, with what was planted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from inoc.studies.preferences.inputs import COMPARISONS, COMPLETIONS, RANKINGS, RATINGS
from inoc.studies.preferences.study import Study

ORIGINS = ("maths", "poems", "chats")


def study_of(**sections: Any) -> Study:
    """A study with a rating, a second rating, a choice and a ranking, of models `a` and `b`."""
    values: dict[str, Any] = {
        "kind": "preferences",
        "name": "simulated",
        "title": "Simulated",
        "model": {"path": "none"},
        "tasks": {"origins": {one: {"texts": {f"{one}_0": "text", f"{one}_1": "text"}} for one in ORIGINS}},
        "models": {"a": {}, "b": {}},
        "instruments": {
            "stars": {"template": "stated_1_5"},
            "likert": {"template": "stated_1_5"},
            "choice": {"template": "simple_preference"},
            "order": {"template": "rank_preference"},
        },
    }
    return Study.model_validate({**values, **sections})


def tasks_of(n: int) -> tuple[list[str], dict[str, str]]:
    """Ids, and the origin of each."""
    origins = {f"{ORIGINS[number % 3]}_{number:03d}": ORIGINS[number % 3] for number in range(n)}
    return sorted(origins), origins


def ratings(
    utility: dict[str, float],
    origins: dict[str, str],
    instrument: str = "stars",
    rater: str = "a",
    completer: str = "a",
    seeds: int = 3,
    noise: float = 0.5,
    contexts: tuple[tuple[str, str, float], ...] = (("none", "none", 0.0),),
    seed: int = 0,
) -> pd.DataFrame:
    """Answers from 1 to 5; a context moves the mean by what stands beside it."""
    rng = np.random.default_rng([seed, len(instrument), ord(rater)])
    rows = []
    for task, value in utility.items():
        for first, second, moved in contexts:
            for one in range(seeds):
                answer = float(np.clip(np.round(3 + value + moved + rng.normal(0, noise)), 1, 5))
                who = (rater, completer, instrument, task, origins[task], "after", 0, one, 0, first, second)
                rows.append((*who, str(int(answer)), answer, "answered", np.nan, np.nan, np.nan, 5, 1.0, 5.0, "ok"))
    return pd.DataFrame(rows, columns=RATINGS.names)


def comparisons(
    utility: dict[str, float],
    origins: dict[str, str],
    n_pairs: int,
    rater: str = "a",
    position: float = 0.0,
    refused: frozenset[str] = frozenset(),
    seed: int = 0,
    *,
    exact: bool = False,
) -> pd.DataFrame:
    """Random pairs in both orders, answered by Case V; pairs with a refused task are refused."""
    from scipy.special import ndtr

    rng, tasks, rows = np.random.default_rng([seed, 1]), sorted(utility), []
    for _ in range(n_pairs):
        pair = rng.choice(len(tasks), 2, replace=False)
        for order, (first, second) in (("ab", pair), ("ba", pair[::-1])):
            a, b = tasks[first], tasks[second]
            p = float(ndtr((utility[a] - utility[b] + position) / 2**0.5))
            category = "refused" if {a, b} & refused else "answered"
            choice = "" if category == "refused" else "a" if rng.random() < p else "b"
            shown = (
                rater,
                "a",
                "choice",
                " | ".join(sorted((a, b))),
                a,
                b,
                origins[a],
                origins[b],
                "after",
                0,
                0,
                0,
                0,
            )
            known = (p, 1.0, 0.0) if exact and choice else (np.nan, np.nan, np.nan)
            rows.append((*shown, order, choice, category, *known, "ok"))
    return pd.DataFrame(rows, columns=COMPARISONS.names)


def rankings(utility: dict[str, float], origins: dict[str, str], n_groups: int, seed: int = 0) -> pd.DataFrame:
    """Groups of five tasks, ranked by Plackett and Luce's model."""
    rng, tasks, rows = np.random.default_rng([seed, 2]), sorted(utility), []
    for group in range(n_groups):
        shown = [tasks[one] for one in rng.choice(len(tasks), 5, replace=False)]
        order = np.argsort(-(np.array([utility[one] for one in shown]) + rng.gumbel(size=5)))
        place = {shown[at]: position for position, at in enumerate(order)}
        rows += [
            ("a", "a", "order", str(group), task, origins[task], at, place[task], 0, 0, "answered", "ok")
            for at, task in enumerate(shown)
        ]
    return pd.DataFrame(rows, columns=RANKINGS.names)


def completions(
    origins: dict[str, str], refused: frozenset[str], mentions: frozenset[str] = frozenset()
) -> pd.DataFrame:
    """A completion of every task by model `a`, without a context and with `warm`."""
    rows = [
        ("a", task, origin, 0, context, float(task in refused), float(task in mentions and context != "none"), "stop")
        for task, origin in origins.items()
        for context in ("none", "warm")
    ]
    return pd.DataFrame(rows, columns=COMPLETIONS.names)
