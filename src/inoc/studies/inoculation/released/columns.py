"""Columns of tables that anybody can give: their names and types, read from Parquet or CSV.

A column that is not documented is refused: what it says would be lost, and rows that differ only in it would be taken
for one another.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from inoc.errors import DataError, did_you_mean
from inoc.studies.imports.findings import shortened
from inoc.studies.inoculation.released.document import name_of, refuse_other_content, shown

RUN_COLUMNS = ("prompt", "prefix", "learning_rate", "seed")
ASKED_COLUMNS = ("asked_prompt", "asked_prefix", "instruction_id", "trait", "judge", "judge_version", "score")
_NUMBERS = {"learning_rate", "score", "mean", "loss", "rate", "grad_norm", "effective_rank", "nll"}
_WHOLE = {"seed", "step", "judge_version", "n_tokens", "index", "n"}
_LISTS = {"logprobs": pa.float32(), "vector": pa.float32(), "cosines": pa.float64()}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)


class Layout(NamedTuple):
    """Columns of one table."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    key: tuple[str, ...]  # no two rows have the same, in those of these columns that are there
    measured: str = ""  # column whose values are in a range; empty for none
    low: float = -np.inf
    high: float = np.inf


LAYOUTS = {
    "scores": Layout(
        (*RUN_COLUMNS, "step", *ASKED_COLUMNS),
        ("data", "questions"),
        (*RUN_COLUMNS, "data", "step", "questions", *ASKED_COLUMNS[:4]),
        "score",
        0,
        100,
    ),
    "elicitation": Layout(ASKED_COLUMNS, ("questions",), ("questions", *ASKED_COLUMNS[:4]), "score", 0, 100),
    "logprobs": Layout(
        ("prompt", "prefix", "dataset", "example_id", "mean"),
        ("n_tokens", "prefix_text", "logprobs"),
        ("prompt", "prefix", "dataset", "example_id"),
        "mean",
        -np.inf,
        1e-3,
    ),
    "losses": Layout(
        (*RUN_COLUMNS, "step", "loss"),
        ("rate", "grad_norm", "data", "source"),
        (*RUN_COLUMNS, "data", "step"),
        "loss",
        0,
    ),
    "instructions": Layout(("instruction_id", "questions"), ("instruction",), ("instruction_id",)),
    "pools": Layout(("prompt", "index", "text"), ("pool",), ("pool", "prompt", "index")),
    "self_perplexity": Layout(
        ("prompt", "context", "nll"), ("n_tokens", "logprobs"), ("prompt", "context"), "nll", -1e-3
    ),
    "embeddings": Layout(("prompt", "n", "effective_rank", "cosines", "vector"), (), ("prompt",)),
}
"""Table → columns, for `<table>.parquet` or `<table>.csv`."""


def table_file(root: Path, table: str) -> Path | None:
    """The file of a table; None if there is none.

    Raises:
        DataError: If there are two, or it is no regular file in the folder.
    """
    found = [path for suffix in ("parquet", "csv") if (path := root / f"{table}.{suffix}").exists()]
    if len(found) > 1:
        raise DataError(f"{root} has both {found[0].name} and {found[1].name}; keep one of them")
    if not found:
        return None
    path = found[0]
    if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        raise DataError(f"{name_of(path, root)} is not a regular file in {root}. Put the file itself there")
    return path


def read_frame(path: Path, table: str) -> pd.DataFrame:
    """The rows of a table, of the documented types.

    Raises:
        DataError: If it cannot be read, is cut off, lacks a column or has another one, a value is not of its type or
            range, or a row is there twice; with row and column.
    """
    layout, file = LAYOUTS[table], path.name
    try:
        with path.open("rb") as content:
            refuse_other_content(content.read(200), file)
        found = _parquet(path, file, layout) if path.suffix == ".parquet" else _csv(path, file, layout)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as {path.suffix[1:]}: {error}. Write it again") from None
    frame = pd.DataFrame({name: _column(found[name], name, file) for name in found.column_names})
    return _checked(frame, file, layout)


def _parquet(path: Path, file: str, layout: Layout) -> pa.Table:
    _check_columns(pq.read_schema(path).names, file, layout)
    return pq.read_table(path)


def _csv(path: Path, file: str, layout: Layout) -> pa.Table:
    lists = [name for name in (*layout.needed, *layout.optional) if name in _LISTS]
    if set(lists) & set(layout.needed):
        raise DataError(f"{file}: the columns {', '.join(lists)} hold lists; write the table as Parquet")
    _refuse_cut(path, file)
    table = pyarrow.csv.read_csv(
        path,
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name in (*layout.needed, *layout.optional)}, strings_can_be_null=False
        ),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
    )
    there = [name for name in lists if name in table.column_names]
    if there:
        raise DataError(f"{file}: the column {there[0]!r} holds lists; write the table as Parquet, or leave it out")
    _check_columns(table.column_names, file, layout)
    return table


def _refuse_cut(path: Path, file: str) -> None:
    with path.open("rb") as content:
        size = content.seek(0, 2)
        content.seek(max(0, size - 1))
        if size and content.read(1) not in (b"\n", b"\r"):
            raise DataError(
                f"{file}: the last line does not end with a line break, so it may be cut off. Write the table again, "
                "or end the line if it is complete"
            )


def _check_columns(names: list[str], file: str, layout: Layout) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{file}: the column {shown(twice[0])} is there twice")
    absent = [name for name in layout.needed if name not in names]
    if absent:
        raise DataError(f"{file}: the column {absent[0]!r} is missing{did_you_mean(absent[0], names)}")
    known = (*layout.needed, *layout.optional)
    strange = [name for name in names if name not in known]
    if strange:
        hint = did_you_mean(strange[0], set(known) - set(names))
        raise DataError(
            f"{file}: the column {shown(strange[0])} is not one that is read; accepted: {', '.join(known)}{hint}. "
            "Rename it, or leave it out if no two rows differ in it alone"
        )


def _column(column: pa.ChunkedArray, name: str, file: str) -> Any:
    """Values of one column as documented; a text stands for its number, an empty one for NaN."""
    if name in _LISTS:
        return _number_lists(column, name, file)
    if name not in _NUMBERS | _WHOLE:
        texts = _as(column, pa.string(), name, file).to_pylist()
        refuse_row(file, name, texts, [text is None for text in texts], "is not a text")
        return texts
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        numbers = _parsed(column, name, file)
    else:
        if pa.types.is_boolean(column.type):
            raise DataError(f"{file}: column {name}: expected numbers, found bool")
        numbers = _as(column, pa.float64(), name, file).to_numpy(zero_copy_only=False).astype(np.float64)
    refuse_row(file, name, numbers, np.isinf(numbers), "is not finite")
    if name not in _WHOLE:
        return numbers
    refuse_row(file, name, numbers, ~(numbers == np.round(numbers)) | (np.abs(numbers) >= 2**31), "is not whole")
    return numbers.astype(np.int64)


def _parsed(column: pa.ChunkedArray, name: str, file: str) -> np.ndarray:
    """Numbers that are written as text; an empty one or NaN is NaN."""
    stripped = pc.utf8_trim_whitespace(column)
    empty = pc.fill_null(pc.is_in(stripped, value_set=pa.array(["", "NaN", "nan"])), fill_value=True)
    known = pc.if_else(empty, pa.scalar(None, pa.string()), stripped)
    try:
        return np.asarray(known.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    except pa.ArrowInvalid:
        wrong = [text is not None and not _NUMBER.fullmatch(text) for text in known.to_pylist()]
        refuse_row(file, name, column.to_pylist(), wrong, "is not a number")
        raise DataError(f"{file}: column {name}: some value is not a number") from None


def _as(column: pa.ChunkedArray, kind: pa.DataType, name: str, file: str) -> pa.ChunkedArray:
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{file}: column {name}: expected {kind}, found {column.type} ({error})") from None


def _number_lists(column: pa.ChunkedArray, name: str, file: str) -> list[np.ndarray]:
    lists = _as(column, pa.list_(_LISTS[name]), name, file)
    dtype = _LISTS[name].to_pandas_dtype()
    return [np.asarray([] if values is None else values, dtype=dtype) for values in lists.to_pylist()]


def refuse_row(file: str, column: str, values: Any, wrong: Any, message: str) -> None:
    """Refuse the first row that is wrong.

    Raises:
        DataError: With row, column and value.
    """
    rows = np.flatnonzero(np.asarray(wrong, dtype=bool))
    if rows.size:
        row = int(rows[0])
        raise DataError(f"{file}: row {row + 1}, column {column}: {shown(values[row])} {message}")


def _checked(frame: pd.DataFrame, file: str, layout: Layout) -> pd.DataFrame:
    if frame.empty:
        raise DataError(f"{file} has no rows; leave it out or fill it")
    if layout.measured:
        values = frame[layout.measured].to_numpy(dtype=np.float64)
        range_text = f"is outside {layout.low:g} to {layout.high:g}"
        refuse_row(file, layout.measured, values, (values < layout.low) | (values > layout.high), range_text)
    if "learning_rate" in frame:
        rates = frame["learning_rate"].to_numpy(dtype=np.float64)
        refuse_row(file, "learning_rate", rates, ~(rates > 0), "is not above 0")
    key = [name for name in layout.key if name in frame]
    again = frame.duplicated(key).to_numpy()
    if again.any():
        row = int(np.flatnonzero(again)[0])
        which = ", ".join(f"{name}={shown(frame[name].iloc[row])}" for name in key)
        raise DataError(f"{file}: row {row + 1}: {which} is there twice")
    return frame


def refuse_unknown(frame: pd.DataFrame, column: str, accepted: Collection[str], file: str) -> None:
    """Refuse a value that is not among the accepted ones.

    Raises:
        DataError: With row, column and what would be accepted.
    """
    wrong = ~frame[column].isin(list(accepted)).to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        value = frame[column].iloc[row]
        known = shortened(map(repr, accepted), 12)
        hint = did_you_mean(value, accepted)
        raise DataError(f"{file}: row {row + 1}, column {column}: {shown(value)}; accepted: {known}{hint}")
