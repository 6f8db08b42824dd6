"""Files of comparisons: YAML, JSON, JSONL, CSV and Parquet."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pandas as pd
import yaml  # type: ignore[import-untyped]

from inoc.errors import DataError
from inoc.files import parse_json, read_jsonl, read_text
from inoc.tables import read_table

LISTS = ("trials", "comparisons", "pairs", "results")
"""Fields of a JSON or YAML object that may hold the list of comparisons, in the order in which they are looked for."""
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C is about ten times as fast."""


def read_frame(path: Path) -> pd.DataFrame:
    """A file of comparisons as a table, its columns as they are.

    Raises:
        DataError: If the file is absent, of another format, or not a list of comparisons.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        if not path.is_file():
            raise DataError(f"there is no file {path}. Give the path of a file of comparisons")
        return read_table(path)
    if ending == ".csv":
        return _read_csv(path)
    if ending == ".jsonl":
        return _records([line.value for line in read_jsonl(path, "a JSON object")], path)
    if ending == ".json":
        return _records(parse_json(read_text(path), str(path), "a list of comparisons"), path)
    if ending in (".yaml", ".yml"):
        return _records(_parse_yaml(path), path)
    raise DataError(f"{path}: unknown format {ending!r}; expected .yaml, .yml, .json, .jsonl, .csv or .parquet")


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(StringIO(read_text(path)), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(
            f"{path}: not a readable CSV file ({error}). Write it with a header and one row per line"
        ) from error


def _parse_yaml(path: Path) -> object:
    try:
        return yaml.load(read_text(path), Loader=LOADER)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not readable as YAML: {error}. Correct it there") from error


def _records(value: object, path: Path) -> pd.DataFrame:
    if isinstance(value, dict):
        value = next((value[name] for name in LISTS if isinstance(value.get(name), list)), value)
    if not isinstance(value, list):
        raise DataError(f"{path}: expected a list of comparisons, or an object with one as {' or '.join(LISTS)}")
    for number, one in enumerate(value, start=1):
        if not isinstance(one, dict):
            raise DataError(f"{path}, comparison {number}: expected fields such as item_a, found {str(one)[:60]!r}")
    return pd.DataFrame(value)
