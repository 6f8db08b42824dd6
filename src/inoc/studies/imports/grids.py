"""Tables of numbers with names of their rows and columns."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from inoc.errors import DataError
from inoc.files import read_lines


class Grid(NamedTuple):
    """A table of numbers with names of its rows and columns."""

    rows: list[str]
    columns: list[str]
    values: dict[tuple[str, str], float]  # (row, column) → value; cells that are empty or no number are not there


def read_grid(path: Path) -> Grid:
    """A CSV whose first column has the names of the rows.

    Raises:
        DataError: With the line, if a row has not as many cells as the header.
    """
    (header, *body) = list(csv.reader(read_lines(path)))
    values: dict[tuple[str, str], float] = {}
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise DataError(f"{path}, line {number}: {len(row)} cells, but the header has {len(header)}")
        for column, text in zip(header[1:], row[1:], strict=True):
            try:
                values[row[0], column] = float(text)
            except ValueError:
                continue  # a cell that was pending
    return Grid([row[0] for row in body], header[1:], values)
