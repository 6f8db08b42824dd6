"""Files of comparisons: YAML, JSON, JSONL, CSV and Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import yaml  # type: ignore[import-untyped]

from inoc.errors import DataError
from inoc.files import parse_json, read_jsonl, read_text
from inoc.stats.means import Floats
from inoc.tables import read_table

LISTS = ("trials", "comparisons", "pairs", "results")
"""Fields of a JSON or YAML object that may hold the list of comparisons, in the order in which they are looked for."""
LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C is about ten times as fast."""


class TextLoader(LOADER):  # type: ignore[misc]
    """A loader of YAML that keeps every scalar as it is written, so that the items `no` and `007` remain what they are.

    Only an empty value and `null` are none. A field that is there twice is refused.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        start: [one for one in resolvers if one[0] == "tag:yaml.org,2002:null"]
        for start, resolvers in LOADER.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 PyYAML's
        """The mapping of a node.

        Raises:
            YAMLError: If it has a field twice; with the line.
        """
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            names = [str(key.value) for key, _ in node.value]
            again = next((key for at, (key, _) in enumerate(node.value) if key.value in names[:at]), None)
            if again is not None:
                raise yaml.YAMLError(f"line {again.start_mark.line + 1}: {_twice(str(again.value))}")
        return found


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
        return read_csv(path)
    if ending == ".jsonl":
        return _records([line.value for line in read_jsonl(path, "a JSON object")], path)
    if ending == ".json":
        return _records(parse_json(read_text(path), str(path), "a list of comparisons"), path)
    if ending in (".yaml", ".yml"):
        return _records(_parse_yaml(path), path)
    raise DataError(f"{path}: unknown format {ending!r}; expected .yaml, .yml, .json, .jsonl, .csv or .parquet")


def read_csv(path: Path) -> pd.DataFrame:
    """A CSV file as a table of texts, as they are written.

    Raises:
        DataError: If a column is named twice, or a line has more or fewer fields than there are columns.
    """
    rows = _csv_rows(path)
    header = next(rows, (1, ()))[1]
    if not any(name.strip() for name in header):
        raise DataError(f"{path}: not a readable CSV file (no header). Write it with a header and one row per line")
    refuse_twice(header, f"{path}, line 1")
    values = []
    for line, row in rows:
        if row and len(row) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(row)} fields, but the header has {len(header)}. Put quotes around texts "
                "with commas"
            )
        if row:
            values.append(row)
    return pd.DataFrame(values, columns=pd.Index(header), dtype=object)


def _csv_rows(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    rows = csv.reader(StringIO(read_text(path), newline=""), strict=True)
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise DataError(
            f"{path}, line {rows.line_num}: not a readable CSV file ({error}). Write it with a header and one row "
            "per line"
        ) from error


def numbers_of(frame: pd.DataFrame, name: str, path: Path) -> Floats:
    """A column of finite numbers.

    Raises:
        DataError: If a value is none; with its row.
    """
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64)
    if (wrong := ~np.isfinite(values)).any():
        row = int(wrong.argmax())
        raise DataError(f"{path}, row {row + 1}: {name} is {frame[name].iloc[row]!r}, no number")
    return values


def refuse_twice(names: Sequence[str], where: str) -> None:
    """Refuse a field or column that is there twice: only one of its values would count.

    Args:
        names: Of the columns.
        where: File, and line if there is one, for the message.

    Raises:
        DataError: If a name is there twice.
    """
    again = next((name for at, name in enumerate(names) if name and name in names[:at]), None)
    if again is not None:
        raise DataError(f"{where}: {_twice(again)}")


def _twice(name: str) -> str:
    return f"the field {name!r} is there twice. Keep one of them"


def _parse_yaml(path: Path) -> object:
    try:
        return yaml.load(read_text(path), Loader=TextLoader)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not readable as YAML: {error}. Correct it there") from error
    except RecursionError:
        raise DataError(f"{path}: not readable as YAML: it is nested too deeply. Write a list of comparisons") from None


def _records(value: object, path: Path) -> pd.DataFrame:
    if isinstance(value, dict):
        value = next((value[name] for name in LISTS if isinstance(value.get(name), list)), value)
    if not isinstance(value, list):
        raise DataError(f"{path}: expected a list of comparisons, or an object with one as {' or '.join(LISTS)}")
    for number, one in enumerate(value, start=1):
        if not isinstance(one, dict):
            raise DataError(f"{path}, comparison {number}: expected fields such as item_a, found {str(one)[:60]!r}")
    return pd.DataFrame(value)
