"""Columns that several tables of the analysis have.

`n` counts what entered, `n_nan` what was dropped because a measurement failed; `lo` and `hi` bound the 95 %
(or configured) interval. Scores are points, 0–100. A `seed` is a training seed as text, or `all` for all of
them pooled.
"""

from __future__ import annotations

import pyarrow as pa

from inoc.tables import INDEX, NUMBER, STRING

INTERVAL = [("value", NUMBER), ("lo", NUMBER), ("hi", NUMBER), ("n", INDEX), ("n_nan", INDEX)]
"""The number that a row is about."""

ASKED = [
    ("run", STRING),  # for seed `all` without the seed; `base` for the untrained model
    ("prompt", STRING),
    ("family", STRING),
    ("prefix", STRING),
    ("learning_rate", NUMBER),  # NaN for base
    ("seed", STRING),
    ("step", INDEX),
    ("condition", STRING),
    ("asked_prompt", STRING),
    ("asked_prefix", STRING),
]
"""Which completions of which run, asked how."""

SUPPRESSED = [("trait", STRING), ("prefix", STRING), ("learning_rate", NUMBER)]
"""Whose suppression, by which runs."""


def mean_columns(name: str) -> list[tuple[str, pa.DataType]]:
    """A mean with its interval under a name of its own."""
    parts = [("", NUMBER), ("_lo", NUMBER), ("_hi", NUMBER), ("_n", INDEX), ("_n_nan", INDEX)]
    return [(name + ending, kind) for ending, kind in parts]
