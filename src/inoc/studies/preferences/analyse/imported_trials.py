"""Steered answers of a release in the form in which computed ones are analysed, and its means where it has no more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from inoc.stats.means import NAN
from inoc.studies.preferences.steering_plans import UNSTEERED
from inoc.studies.preferences.steering_trials import TRIAL
from inoc.studies.preferences.steering_vectors import RANDOM, kind_of

UNKNOWN = "unknown"
NO_COUNT = -1
"""Stands for a count that a release does not state."""
_TEXTS = {"diff": "differential", "boost": "all"}
Row = dict[str, object]


def imported_trials(found: pd.DataFrame) -> pd.DataFrame:
    """Columns of `steering_trials.TRIAL`.

    A file with a condition is a target; values of pairs are shares of choices for the text of the first place. A file
    without unsteered answers that has pairs of another one of its folder is another vector on that file's target. What
    is called random is a random direction, and no vector of the study.

    Args:
        found: `released.tables.TRIALS`.
    """
    parts = []
    targets: dict[str, list[str]] = {}
    for source in sorted(set(found["source"].astype(str))):
        targets.setdefault(_target_of(source, found), []).append(source)
    for target, sources in targets.items():
        several = len(sources) > 1
        own = found[found["source"].isin(sources)]
        plain = own[own["coefficient"] == 0]
        steered = own[own["coefficient"] != 0]
        for condition, rows in steered.groupby("condition", sort=True):
            where = f"{_stem(target)}: {condition}", _text(str(condition))
            alone = plain[plain["condition"] == condition]
            parts.append(_trials(alone if len(alone) else plain, UNSTEERED, *where))
            for file, part in rows.groupby("source", sort=True):
                parts.append(_trials(part, _vector(str(file), str(condition), several=several), *where))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(TRIAL))


def _target_of(source: str, found: pd.DataFrame) -> str:
    """The file whose unsteered answers a file is compared with: itself, if it has any or no other one has its pairs."""
    own = found[found["source"] == source]
    if (own["coefficient"] == 0).any():
        return source
    pairs = set(zip(own["item"], own["ordering"], strict=True))
    plain = found[(found["coefficient"] == 0) & (found["source"].str.rsplit("/", n=1).str[0] == _folder(source))]
    for other, rows in plain.groupby("source", sort=True):
        if pairs & set(zip(rows["item"], rows["ordering"], strict=True)):
            return str(other)
    return source


def _folder(source: str) -> str:
    return source.rsplit("/", 1)[0]


def _stem(source: str) -> str:
    return source.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _vector(source: str, condition: str, *, several: bool) -> str:
    """Name of a vector: that of its file, where several files have one target, else of its condition."""
    name = (_stem(source) if several else condition).replace("_", " ")
    said_random = RANDOM in _stem(source).split("_")
    return f"{RANDOM} {name}" if said_random and kind_of(name) != RANDOM else name


def _text(condition: str) -> str:
    return next((text for start, text in _TEXTS.items() if start in condition), "all")


def _trials(rows: pd.DataFrame, vector: str, target: str, text: str) -> pd.DataFrame:
    orders = zip(rows["item"], rows["ordering"], strict=True)
    return pd.DataFrame(
        {
            "vector": vector,
            "site": UNKNOWN,
            "target": target,
            "text": text,
            "coefficient": rows["coefficient"].to_numpy(dtype=float),
            # Which tasks a pair has is not said: its name links both orders, of which each is an item of its own.
            "first": rows["item"].astype(str).to_numpy(),
            "second": [f"{item} {order}" if order else "" for item, order in orders],
            "value": rows["value"].to_numpy(dtype=float),
            "lost": rows["value"].isna().to_numpy(dtype=float),
            "coherence": float("nan"),
        },
        columns=list(TRIAL),
    )


def summary_rows(published: pd.DataFrame) -> Iterator[Row]:
    """Rows of `dose_response.DOSE_RESPONSE` of releases that have means at coefficients, and no single answers.

    They have no intervals: which answers are of one task is not known.

    Args:
        published: `released.tables.PUBLISHED`.
    """
    own = published[(published["section"] == "steering") & (published["group"] != "all")]
    for source, rows in own.groupby("source", sort=True):
        wide = rows.pivot_table(index="group", columns="statistic", values="value")
        doses = wide.index.astype(float).to_numpy(dtype=np.float64)
        mean, n = (wide[name].to_numpy(dtype=np.float64) for name in ("mean", "n"))
        at_0 = float(mean[doses == 0][0]) if (doses == 0).any() else NAN
        folder = _folder(str(source)).rsplit("/", 1)[-1].replace("_", " ")
        for at in np.argsort(doses):
            yield {
                "vector": folder,
                "kind": "own",
                "site": UNKNOWN,
                "target": _stem(str(source)),
                "text": "all",
                "answers": "all",
                "coefficient": float(doses[at]),
                "mean": float(mean[at]),
                **dict.fromkeys(("lo", "hi", "difference_lo", "difference_hi", "n_lost", "kept", "coherence"), NAN),
                "difference": float(mean[at]) - at_0,
                "n": NO_COUNT,
                "n_incoherent": NO_COUNT,
                "n_answers": int(n[at]),
            }
