"""Tables of the site as Parquet: plain files for a server, and scripts that carry them for a page from a folder.

A page that was opened from a folder may load scripts but read no other file. So each Parquet file can be written as a
script that hands its bytes to the page.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.digest import Json

Form = Literal["scripts", "files"]
CHUNK_ROWS = 2_000
CHUNK_BYTES = 1_000_000
"""A chunk of texts ends after so many rows or bytes, whichever comes first; a longer row is a chunk by itself."""
_LEVEL = 15  # of zstd: sites are written once and copied often


class Written(NamedTuple):
    """A folder for data, and the form of its files."""

    folder: Path
    form: Form

    def write(self, name: str, table: pa.Table) -> int:
        """Write a table; the number of bytes of its file."""
        data = parquet_bytes(table)
        if self.form == "files":
            path = self.folder / f"{name}.parquet"
        else:
            path = self.folder / f"{name}.js"
            data = f'inocData("{name}","{base64.b64encode(data).decode()}");\n'.encode()
        path.write_bytes(data)
        return len(data)


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as Parquet in one row group, compressed by zstd, without what only Arrow reads."""
    buffer = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(None),
        buffer,
        compression="zstd",
        compression_level=_LEVEL,
        write_statistics=False,
        store_schema=False,
        row_group_size=max(1, table.num_rows),
    )
    return buffer.getvalue()


def column_array(values: pd.Series) -> pa.Array:
    """A column for the page: text, or numbers in which null is a value that was never measured.

    Args:
        values: Texts, numbers or flags. NaN of a column of numbers stays NaN; None and NA become null.
    """
    if values.dtype == bool:
        return pa.array(values.to_numpy())
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_extension_array_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64)
        whole = np.isfinite(numbers).all() and (numbers == np.round(numbers)).all() and (abs(numbers) < 2**31).all()
        return pa.array(numbers.astype(np.int32) if whole else numbers, from_pandas=False)
    listed = [None if value is None or value is pd.NA else value for value in values.tolist()]
    known = [value for value in listed if value is not None]
    if known and all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in known):
        return pa.array([None if value is None else float(value) for value in listed], pa.float64(), from_pandas=False)
    return pa.array([_text(value) for value in listed], pa.string())


def _text(value: object) -> str:
    """A text; of what is missing, the empty one."""
    return "" if value is None or value != value else str(value)


def chunk_starts(lengths: Sequence[int]) -> list[int]:
    """Numbers of the rows that begin a chunk.

    Args:
        lengths: Bytes of the texts of each row.
    """
    starts, rows, size = [], CHUNK_ROWS, 0
    for at, length in enumerate(lengths):
        if rows >= CHUNK_ROWS or (rows and size + length > CHUNK_BYTES):
            starts.append(at)
            rows = size = 0
        rows += 1
        size += length
    return starts


def chunks(frame: pd.DataFrame) -> Iterator[tuple[int, pa.Table]]:
    """Tables of texts, each with the number of its first row.

    Args:
        frame: Columns of texts.
    """
    lengths = sum((frame[name].str.len() for name in frame), start=pd.Series(0, index=frame.index))
    starts = chunk_starts(lengths.tolist())
    for start, stop in zip(starts, [*starts[1:], len(frame)][: len(starts)], strict=True):
        part = frame.iloc[start:stop]
        arrays = [pa.array(part[name].tolist(), pa.string()) for name in part]
        yield start, pa.Table.from_arrays(arrays, names=list(part))


def script_json(value: Json) -> str:
    """JSON that may stand in a script, in a file or in a page: it has no `<`, and no character beyond ASCII."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
