"""All tables and completions of a study as CSV files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from inoc.python.results import Results


def write(results: Results, folder: Path) -> None:
    """Write every table as `<stage>/<table>.csv`, and `completions.csv`.

    Args:
        results: The study.
        folder: Where.
    """
    for name in results.tables():
        write_csv(results.table(name), folder / f"{name}.csv")
    if results.has_completions():
        write_csv(results.completions(), folder / "completions.csv")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table in UTF-8: NaN as `NaN`, what is absent as nothing, lists as JSON. Texts stay as they are.

    Args:
        frame: The rows.
        path: Where; parent folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {str(name): [_cell(value) for value in frame[name].tolist()] for name in frame}
    pd.DataFrame(columns, dtype=object).to_csv(path, index=False, lineterminator="\n")


def _cell(value: object) -> object:
    if isinstance(value, float) and np.isnan(value):
        return "NaN"
    if isinstance(value, np.ndarray | list | tuple | dict):
        return json.dumps(plain(value), ensure_ascii=False)
    return value


def plain(value: object) -> object:
    """A value of a table in plain lists and numbers; NaN stays NaN."""
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value.tolist()]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value
