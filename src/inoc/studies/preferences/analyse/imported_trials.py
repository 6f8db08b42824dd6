"""Steered answers of a release in the form in which computed ones are analysed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.studies.preferences.steering_plans import UNSTEERED
from inoc.studies.preferences.steering_trials import TRIAL

UNKNOWN = "unknown"
_TEXTS = {"diff": "differential", "boost": "all"}


def imported_trials(found: pd.DataFrame) -> pd.DataFrame:
    """Columns of `steering_trials.TRIAL`.

    A file is a target, and a condition of it a vector, as the release says it; values of pairs are shares of choices
    for the text of the first place. A file without unsteered answers is compared with those of its own folder.

    Args:
        found: `released.tables.TRIALS`.
    """
    parts = []
    for source, rows in found.groupby("source", sort=True):
        steered, plain = rows[rows["coefficient"] != 0], rows[rows["coefficient"] == 0]
        if plain.empty:
            near = found["source"].str.rsplit("/", n=1).str[0] == str(source).rsplit("/", 1)[0]
            known = set(zip(rows["item"], rows["ordering"], strict=True))
            plain = found[near & (found["coefficient"] == 0)]
            own_pairs = [pair in known for pair in zip(plain["item"], plain["ordering"], strict=True)]
            plain = plain[np.array(own_pairs, dtype=bool)]
        for condition, own in steered.groupby("condition", sort=True):
            target = str(source).rsplit("/", 1)[-1].rsplit(".", 1)[0]
            alone = plain[plain["condition"] == condition]
            for vector, part in ((str(condition), own), (UNSTEERED, alone if len(alone) else plain)):
                parts.append(_trials(part, vector, f"{target}: {condition}", _text(str(condition))))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(TRIAL))


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
