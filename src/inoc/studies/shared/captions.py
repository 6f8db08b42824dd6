"""Sentences that every caption needs: n, rows used, the interval, and what failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

MOST_NAMED = 20
LLS_WORDS = (
    "LLS is the mean log-probability of a response's tokens under a prompt less that under the base turn, in nats per "
    "token; above zero the prompt makes the response likelier."
)


class HasConfidence(Protocol):
    """Settings of intervals."""

    @property
    def confidence(self) -> float:
        """Coverage of each interval."""
        ...


class HasStatistics(Protocol):
    """A study of any kind that has settings of its intervals."""

    @property
    def statistics(self) -> HasConfidence:
        """Its settings."""
        ...


def level(study: HasStatistics) -> str:
    """Level of the intervals: `95 %`."""
    return f"{100 * study.statistics.confidence:g} %"


def rst(text: str) -> str:
    """Text as it is, for reStructuredText and for Snakemake, which reads captions as templates."""
    escaped = re.sub(r"([\\*`|_])", r"\\\1", text)
    return escaped.replace("{", "(").replace("}", ")")


def interval_words(study: HasStatistics) -> str:
    """The level of the intervals: `95 % interval`."""
    return f"{level(study)} interval"


def p_text(p: float) -> str:
    """`p = 0.003`, `p < 0.001` or that it is not known."""
    if not np.isfinite(p):
        return "p not known"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def spread_words(values: Iterable[float]) -> str:
    """`300`, or `280 to 300`; `0` for nothing.

    Args:
        values: Sizes; NaN are left out.
    """
    sizes = np.asarray(list(values), dtype=float)
    sizes = sizes[np.isfinite(sizes)]
    if not sizes.size:
        return "0"
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def rows_words(frame: pd.DataFrame, unit: str = "rows behind each number") -> str:
    """`n = 300 rows behind each number, of 300 that were scored; n_nan = 0 are left out.`

    Args:
        frame: Plotted data with n and n_nan, and perhaps rows_used.
        unit: What n counts.
    """
    used = f", of {spread_words(frame['rows_used'])} rows used" if "rows_used" in frame else ""
    n_nan = int(frame["n_nan"].fillna(0).sum()) if "n_nan" in frame else 0
    failed = "none failed (n_nan = 0)" if n_nan == 0 else f"n_nan = {n_nan:,} measurements failed and are left out"
    return f"n = {spread_words(frame['n'])} {unit}{used}; {failed}."


def missing_words(names: Sequence[str]) -> str:
    """Sentence on values that could not be measured.

    Args:
        names: Of the cells, rows or columns without a value.
    """
    if not names:
        return "No value is missing."
    shown = "; ".join(rst(name) for name in names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"Not measured, and shown as such: {shown}{more}."


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table, each by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def join(*sentences: str) -> str:
    """A caption of sentences; empty ones are left out."""
    return " ".join(sentence for sentence in sentences if sentence)
