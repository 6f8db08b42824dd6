"""Numbers and texts as the page writes them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from inoc.digest import Json

MISSING = "not recorded"
FAILED = "failed"
NO_BREAK = "\u00a0"  # keeps an interval, and a count, on one line


class Table(NamedTuple):
    """A table of finished cells, in Markdown."""

    head: list[str]
    rows: list[list[str]]


def escape(text: object) -> str:
    """Text as it is, in Markdown, also inside a table."""
    flat = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>|#~$])", r"\\\1", flat)


def code(text: object) -> str:
    """Text in a fixed-width face, also inside a table."""
    flat = " ".join(str(text).split())
    if not flat:
        return "(empty)"
    longest = max((len(run) for run in re.findall(r"`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{flat}{pad}{fence}".replace("|", r"\|")


def number(value: float, digits: int = 1) -> str:
    """A number with a true minus sign; `failed` for NaN.

    Args:
        value: In any unit.
        digits: After the point.
    """
    if math.isnan(value):
        return FAILED
    text = f"{value:.{digits}f}"
    zero = f"{0:.{digits}f}"
    return zero if text == f"-{zero}" else text.replace("-", "−")


def probability(value: float) -> str:
    """A p or q value with three decimals, and `< 0.001` for what would be printed as zero; `failed` for NaN."""
    return f"<{NO_BREAK}0.001" if value < 0.001 else number(value, 3)


def interval(value: float, lo: float, hi: float, digits: int = 1) -> str:
    """`12.3 [8.1, 16.5]`, which does not break; says so if the interval is not known.

    Args:
        value: NaN is written as `failed`.
        lo: Lower bound.
        hi: Upper bound.
        digits: After the point.
    """
    if math.isnan(value):
        return FAILED
    if math.isnan(lo) or math.isnan(hi):
        return f"{number(value, digits)} [no interval]"
    return f"{number(value, digits)}{NO_BREAK}[{number(lo, digits)},{NO_BREAK}{number(hi, digits)}]"


def counted(n: float, n_nan: float | None = None) -> str:
    """`n = 80` or `n = 78, 2 NaN`."""
    size = "n = 0" if math.isnan(n) else f"n = {int(n)}"
    text = size if n_nan is None or math.isnan(n_nan) or not n_nan else f"{size}, {int(n_nan)} NaN"
    return text.replace(" ", NO_BREAK)


def measured(row: pd.Series, prefix: str = "", digits: int = 1) -> str:
    """A value with interval, n and n_nan.

    Args:
        row: With the columns value, lo, hi, n, n_nan; or, with a prefix, `<prefix>`, `<prefix>_lo` and so on.
        prefix: Of the columns.
        digits: After the point.
    """
    first = prefix or "value"
    end = f"{prefix}_" if prefix else ""
    value, lo, hi, n, n_nan = (
        float(row[name]) for name in (first, *(end + part for part in ("lo", "hi", "n", "n_nan")))
    )
    return f"{interval(value, lo, hi, digits)} ({counted(n, n_nan)})"


def listed(items: Iterable[object], empty: str = "none") -> str:
    """`a, b, c`, or a word for nothing."""
    return ", ".join(str(item) for item in items) or empty


def plain(value: Json) -> str:
    """A value from a manifest in words: nested counts become `kept 5, not kept (empty 2)`."""
    if value is None:
        return MISSING
    if isinstance(value, Mapping):
        parts = []
        for key, item in sorted(value.items()):
            nested = isinstance(item, Mapping | list | tuple)
            parts.append(f"{key} ({plain(item)})" if nested else f"{key} {plain(item)}")
        return listed(parts)
    if isinstance(value, list | tuple):
        return listed(plain(item) for item in value)
    return str(value)
