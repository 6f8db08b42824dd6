"""Released preferences of an earlier study, if they lie beside the project, and their tables after the import."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[3] / "shared" / "reference" / "preferences"
needs_reference = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the earlier study's released preferences are not at {FOLDER}"
)
Tables = dict[str, pd.DataFrame]


def pick(table: pd.DataFrame, **where: str) -> pd.DataFrame:
    """Rows of which columns end with what is given."""
    for name, end in where.items():
        table = table[table[name].astype(str).str.endswith(end)]
    return table


def one(table: pd.DataFrame, **where: str) -> pd.Series:
    found = pick(table, **where)
    assert len(found) == 1, found.to_string()
    return found.iloc[0]


def released(tables: Tables, source: str, of: str, statistic: str) -> pd.Series:
    table = tables["released"]
    table = table[(table["of"] == of) & (table["statistic"] == statistic)]
    return one(table[table["source"].str.contains(source, regex=False)])
