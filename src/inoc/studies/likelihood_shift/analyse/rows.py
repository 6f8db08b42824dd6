"""Rows and skips: the parts of all tables of the analysis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from inoc.stats.contrasts import Contrast
from inoc.stats.means import Estimate

ALL = "all"
"""The dataset of rows that summarise all datasets, and the part that is the whole dataset."""

Row = dict[str, object]


class Scan(NamedTuple):
    """The part of a study file that the tables of a scan depend on."""

    candidates: Sequence[str]  # prompts that are compared with each other
    controls: Sequence[str]  # prompts that are shown beside them
    own: Mapping[str, str]  # dataset → the prompt under which it was written; empty for none
    confidence: float
    resamples: int
    seed: int

    @property
    def prompts(self) -> list[str]:
        """All prompts, in the file's order of groups."""
        return [*self.candidates, *self.controls]


def interval(estimate: Estimate) -> Row:
    """Columns of an estimate."""
    return {"value": estimate.value, "lo": estimate.lo, "hi": estimate.hi, "n": estimate.n, "n_nan": estimate.n_nan}


def contrast_cells(found: Contrast, value: str = "value") -> Row:
    """Columns of a contrast, without q, which needs all tests of a table.

    Args:
        found: The contrast.
        value: Name of the column with its value.
    """
    return {value: found.value, **{name: getattr(found, name) for name in ("se", "lo", "hi", "p", "n", "n_nan")}}


def frame(rows: Iterable[Row], schema: pa.Schema) -> pd.DataFrame:
    """Rows as a table with the columns of a schema, in their order."""
    return pd.DataFrame(list(rows), columns=schema.names)
