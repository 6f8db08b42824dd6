"""Damage to a table that is CSV: lines that were cut off, rows that were lost, cells that contradict other rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.errors import DataError

_FEWEST_GROUPS = 4  # rows agree in a column if they do in all groups but one, of at least this many groups


def csv_table(text: str, file: str) -> pd.DataFrame:
    """A table of texts, in which every row has every column and the last line is complete.

    Args:
        text: The content of the file.
        file: Its name, for messages.

    Raises:
        DataError: If the file is cut off, a row has another number of cells than the header, or a column has no name
            or that of another one.
    """
    if "\0" in text:
        raise DataError(f"{file}: line {text.count(chr(10), 0, text.index(chr(0))) + 1}: has a zero byte")
    if not text.strip():
        raise DataError(f"{file}: not a readable CSV table: it is empty")
    if not text.endswith(("\n", "\r")):
        raise DataError(
            f"{file}: the last line does not end with a line break, so it is probably cut off. Fetch the file again"
        )
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header, *rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{file}: line {reader.line_num}: not a readable CSV table ({error})") from None
    names = header[1]
    bad = next((name for name in names if not name.strip() or names.count(name) > 1), None)
    if bad is not None:
        what = f"the column {bad!r} is there twice" if bad.strip() else "a column has no name"
        raise DataError(f"{file}: line 1: {what}")
    for line, row in rows:
        if len(row) != len(names):
            raise DataError(f"{file}: line {line}: {len(row)} cells, and the header has {len(names)}")
    return pd.DataFrame([row for _, row in rows], columns=names, dtype="str")


class Odd(NamedTuple):
    """Rows of one group that disagree in a column."""

    text: str
    rows: list[int]  # places in the table, from 0


def odd_cells(table: pd.DataFrame, groupings: Sequence[list[str]]) -> Iterator[Odd]:
    """Cells that contradict other rows.

    A column that has one value in the rows of a group, in every group but one, should have one there too: where it
    has two, one of the cells was changed.

    Args:
        table: Cells as texts.
        groupings: Columns that rows are grouped by, for each grouping.

    Yields:
        The group and the column, with its values, each column once.
    """
    said: set[str] = set()
    for keys in groupings:
        groups = table.groupby(keys, sort=False)
        if groups.ngroups < _FEWEST_GROUPS or (groups.size() < 2).all():
            continue
        several = groups.nunique() > 1
        for column in several.columns[several.sum() == 1]:
            group = several.index[several[column]][0]
            places = np.flatnonzero((table[keys] == list(group)).all(axis=1))
            if column not in said:
                said.add(str(column))
                values = " and ".join(dict.fromkeys(table[column].iloc[places]))
                yield Odd(f"{', '.join(map(str, group))}: {column} is {values}", places.tolist())


def lost_rows(table: pd.DataFrame, group: list[str], within: list[str]) -> list[str]:
    """Groups that lack a row which other groups have.

    Args:
        table: Cells as texts.
        group: Columns that name a group.
        within: Columns that name a row in its group.
    """
    sizes = table.groupby(group, sort=False)[within].apply(lambda rows: len(rows.drop_duplicates()))
    if sizes.empty:
        return []
    return [str(key[-1] if isinstance(key, tuple) else key) for key in sizes.index[sizes < sizes.max()]]
