"""A dataset folder for Hugging Face `datasets`: Parquet files, with a card that names them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.export.csv import plain
from inoc.python.results import Results


def write(results: Results, folder: Path) -> None:
    """Write a Parquet file per table, those of completions and transcripts, and the card `README.md`.

    Each is a configuration of the dataset with one split, `train`, as `datasets` names a split that has no other
    name. A table without rows is left out, as `datasets` cannot tell its types.

    Args:
        results: The study.
        folder: Where.
    """
    makers: dict[str, Callable[[], pd.DataFrame]] = {}
    if results.has_completions():
        makers = {"transcripts": results.transcripts, "completions": results.completions}
    makers |= {name.replace("/", "."): partial(results.table, name) for name in results.tables()}
    configs = []
    (folder / "data").mkdir()
    for name, make in makers.items():
        frame = make()
        if frame.empty:
            continue
        path = folder / "data" / f"{name}.parquet"
        pq.write_table(_arrow(frame), path, compression="zstd")
        configs.append({"config_name": name, "data_files": f"data/{path.name}"})
    (folder / "README.md").write_text(_card(results, configs), encoding="utf-8")


def _arrow(frame: pd.DataFrame) -> pa.Table:
    """A table in the types that `datasets` knows: a dictionary becomes a list of its keys and values."""
    columns = {}
    for name in frame:
        values = [_pairs(plain(one)) for one in frame[name].tolist()]
        columns[str(name)] = pa.array(values, from_pandas=False)
    return pa.table(columns)


def _pairs(value: object) -> object:
    return [{"key": key, "value": one} for key, one in value.items()] if isinstance(value, dict) else value


def _card(results: Results, configs: list[dict[str, str]]) -> str:
    # JSON is YAML too.
    head = json.dumps({"configs": configs}, ensure_ascii=False, indent=1) + "\n"
    name = configs[0]["config_name"] if configs else ""
    return (
        f"---\n{head}---\n\n# {results.study.title}\n\n"
        f"Results of the study `{results.name}` (kind `{results.kind}`), written by `inoc export --format hf`. Each "
        f'table is a configuration: `datasets.load_dataset(FOLDER, "{name}", split="train")`. NaN is a measurement '
        "that failed; null is a column that the row's table does not have. Texts of models are as they were written.\n"
    )
