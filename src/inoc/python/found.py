"""Finds the tables of a study, and reads those of several jobs as one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.config.models import BaseStudy
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_count
from inoc.stages import kind_named, stage_named
from inoc.tables import read_table

IMPORTS = "imports"
"""Folder of what an import wrote besides the results of stages."""


class Piece(NamedTuple):
    """A file of a table."""

    path: Path
    shard: int | None  # of the job that wrote it; None if the table is in one file


def find_tables(study: BaseStudy, paths: Paths, shards: Shards) -> dict[str, list[Piece]]:
    """Name of each table that is computed → its files, in the order of the stages and shards.

    A name is `<stage>/<table>`, or `<stage>/<part>/<table>` for a stage with parts. Files of shards that the study is
    no longer split into are left out.
    """
    found: dict[str, list[Piece]] = {}
    for stage in (*kind_named(study.kind).passes, IMPORTS):
        folder = paths.stage(stage)
        n = 1 if stage == IMPORTS else shard_count(stage_named(stage), shards)
        for path in sorted(folder.rglob("*.parquet"), key=_in_order):
            name, shard = table_name(path.relative_to(folder))
            if shard is None or shard < n:
                found.setdefault(f"{stage}/{name}", []).append(Piece(path, shard))
    return found


def table_name(path: Path) -> tuple[str, int | None]:
    """Name of a table and its shard, of a path below the folder of the stage.

    The shard is a folder, as in `own/0/answers.parquet`, or the end of the name, as in `completions-0.parquet`.
    """
    *folders, last = path.with_suffix("").parts
    numbered = re.fullmatch(r"(.+)-(\d+)", last)
    shard: int | None = None
    if numbered:
        last, shard = numbered[1], int(numbered[2])
    elif folders and folders[-1].isdecimal():
        shard = int(folders.pop())
    return "/".join([*folders, last]), shard


def _in_order(path: Path) -> list[tuple[int, str]]:
    """Sorts names with numbers by the numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.as_posix())]


def read_pieces(pieces: Sequence[Piece]) -> pd.DataFrame:
    """All rows of a table; one that several jobs write has a column `shard`."""
    parts = [_read(piece) for piece in pieces]
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def _read(piece: Piece) -> pd.DataFrame:
    """A file, with its maps as dictionaries."""
    frame = read_table(piece.path)
    for field in pq.read_schema(piece.path):
        if pa.types.is_map(field.type):
            frame[field.name] = pd.Series([dict(value) for value in frame[field.name]], frame.index, dtype=object)
    return frame if piece.shard is None else frame.assign(shard=piece.shard)


def scored_sources(names: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Pairs of a table of completions and the table of their scores, where both are there."""
    for name in names:
        stage, _, rest = name.partition("/")
        part = rest.removesuffix("/answers") if stage == "sample" else stage
        if name in (f"{stage}/completions", f"sample/{part}/answers") and f"judge/{part}" in names:
            yield name, f"judge/{part}"
