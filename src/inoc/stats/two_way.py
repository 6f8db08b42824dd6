"""Two-way decomposition of a table into rows, columns and the rest."""

from __future__ import annotations

from typing import NamedTuple

from inoc.errors import DataError
from inoc.stats.means import NAN, Floats


class TwoWay(NamedTuple):
    """Sums of squares about the grand mean; they add up to the total."""

    rows: float
    columns: float
    interaction: float

    @property
    def total(self) -> float:
        """Sum of squares of all cells about their mean."""
        return self.rows + self.columns + self.interaction

    def share(self, part: float) -> float:
        """A part of the total, between 0 and 1; NaN for a constant table."""
        return part / self.total if self.total > 0 else NAN


def two_way(table_RC: Floats) -> TwoWay:
    """Additive fit of a whole table: row means, column means, and what they leave.

    Args:
        table_RC: Rows × columns; NaN in a cell makes every part NaN.

    Raises:
        DataError: If the table is not two-dimensional.
    """
    if table_RC.ndim != 2:
        raise DataError(f"a two-way table has two dimensions, not {table_RC.ndim}")
    grand = table_RC.mean()
    rows_R = table_RC.mean(axis=1, keepdims=True) - grand
    columns_C = table_RC.mean(axis=0, keepdims=True) - grand
    rest_RC = table_RC - grand - rows_R - columns_C
    n_rows, n_columns = table_RC.shape
    return TwoWay(float((rows_R**2).sum() * n_columns), float((columns_C**2).sum() * n_rows), float((rest_RC**2).sum()))
