"""The tables of the analysis, read when a figure asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.tables import read_table


@dataclass
class Sources:
    """Tables of one study.

    Attributes:
        paths: Where they are.
    """

    paths: Paths
    _read: dict[str, pd.DataFrame] = field(default_factory=dict)

    def table(self, name: str, columns: tuple[str, ...] = ()) -> pd.DataFrame:
        """A table of the analysis.

        Args:
            name: Without suffix.
            columns: Which it must have.

        Raises:
            DataError: If it is absent or lacks a column.
        """
        if name not in self._read:
            self._read[name] = read_table(self.paths.table(name))
        frame = self._read[name]
        absent = [column for column in columns if column not in frame]
        if absent:
            raise DataError(
                f"{self.paths.table(name)} lacks the columns {absent}; it has {list(frame)}. Run `inoc analyse` again"
            )
        return frame

    def optional(self, name: str) -> pd.DataFrame | None:
        """A table of the analysis, or None if the analysis did not write it."""
        return self.table(name) if self.paths.table(name).exists() else None
