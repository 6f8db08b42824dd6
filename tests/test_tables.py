from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc import tables
from inoc.errors import DataError
from inoc.tables import read_table, write_row_groups, write_table

SCHEMAS = {name: value for name, value in vars(tables).items() if isinstance(value, pa.Schema)}
SAMPLE = {pa.string(): "text", pa.int32(): 3, pa.float64(): float("nan"), pa.bool_(): True}


def sample(kind: pa.DataType) -> object:
    if pa.types.is_map(kind):
        return [("trait", float("nan"))]
    if pa.types.is_dictionary(kind):
        return "text"
    if pa.types.is_list(kind):
        return [float("nan"), -1.0]
    return SAMPLE[kind]


@pytest.mark.parametrize("name", SCHEMAS)
def test_nan_survives_every_table_and_is_not_null(name, tmp_path):
    schema = SCHEMAS[name]
    frame = pd.DataFrame({field.name: [sample(field.type)] * 2 for field in schema})
    write_table(frame, schema, tmp_path / "t.parquet", csv=True)
    raw = pq.read_table(tmp_path / "t.parquet")
    assert raw.schema.names == schema.names
    for field in schema:
        if field.type == pa.float64():
            assert raw[field.name].null_count == 0
            assert all(math.isnan(value) for value in raw[field.name].to_pylist())
            assert read_table(tmp_path / "t.parquet")[field.name].isna().all()
            assert pd.read_csv(tmp_path / "t.csv")[field.name].isna().all()


@given(st.lists(st.floats(width=64), min_size=1, max_size=20))
def test_numbers_come_back_as_they_were(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    schema = pa.schema([("x", pa.float64())])
    write_table(pd.DataFrame({"x": values}), schema, path)
    back = list(read_table(path)["x"])
    assert [(math.isnan(a) and math.isnan(b)) or a == b for a, b in zip(values, back, strict=True)] == [True] * len(
        values
    )


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(DataError, match="columns \\['y'\\] are missing"):
        write_table(pd.DataFrame({"x": [1.0]}), pa.schema([("x", pa.float64()), ("y", pa.float64())]), tmp_path / "t")


def test_a_column_of_the_wrong_type_is_named_and_nothing_is_written(tmp_path):
    with pytest.raises(DataError, match="column x does not hold int32"):
        write_table(pd.DataFrame({"x": ["a"]}), pa.schema([("x", pa.int32())]), tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_an_absent_or_broken_table_is_named_with_what_to_do(tmp_path):
    with pytest.raises(DataError, match="Run the stage"):
        read_table(tmp_path / "score" / "absent.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="Delete it and run its stage again"):
        read_table(tmp_path / "broken.parquet")


def test_columns_beyond_the_schema_are_kept_after_it(tmp_path):
    write_table(pd.DataFrame({"more": [2], "x": [1.0]}), pa.schema([("x", pa.float64())]), tmp_path / "t.parquet")
    assert list(read_table(tmp_path / "t.parquet").columns) == ["x", "more"]


def test_a_column_with_a_default_need_not_be_there(tmp_path):
    """Tables of an import, and those written before there was such a column."""
    path = tmp_path / "t.parquet"
    rows = pd.DataFrame({"prompt": ["clown"], "index": [0], "text": ["Be a clown."]})
    write_table(rows, tables.POOLS, path)
    assert list(read_table(path)["pool"]) == ["mix"]
    pq.write_table(pa.Table.from_pandas(rows), path)
    assert read_table(path, tables.POOLS.names).to_dict("list") == {**rows.to_dict("list"), "pool": ["mix"]}


def test_log_probabilities_have_small_pages_and_no_dictionary_so_that_hundreds_can_be_read_at_once(tmp_path):
    values = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    lists = pa.ListArray.from_arrays(pa.array(np.arange(0, 200_001, 200, dtype=np.int32)), pa.array(values))
    schema = pa.schema([("key", pa.string()), ("logprobs", pa.list_(pa.float32()))])
    table = pa.table([pa.array(["a"] * 1_000), lists], schema=schema)
    write_row_groups([table, table], schema, tmp_path / "long.parquet")
    group = pq.ParquetFile(tmp_path / "long.parquet").metadata.row_group(1)
    assert "RLE_DICTIONARY" in group.column(0).encodings
    assert "RLE_DICTIONARY" not in group.column(1).encodings
    assert pq.read_table(tmp_path / "long.parquet").slice(1_000).combine_chunks().equals(table)


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("results/mine/sample/datasets/0/answers.parquet", "sample datasets"),
        ("results/mine/analyse/cells.parquet", "analyse"),
        ("results/score/score/logprobs-0.parquet", "score"),
    ],
)
def test_a_missing_table_names_the_stage_and_part_that_make_it(tmp_path, path, stage):
    with pytest.raises(DataError, match=rf"makes it: {stage}$"):
        read_table(tmp_path / path)
