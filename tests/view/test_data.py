"""Tables of the site: what a value becomes, how texts are cut into chunks, and how scripts carry them."""

from __future__ import annotations

import base64
import io
import json
import math
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.view.data import CHUNK_BYTES, CHUNK_ROWS, Written, chunk_starts, chunks, column_array, script_json


def test_a_failed_measurement_stays_nan_and_one_that_was_not_made_is_null() -> None:
    made = column_array(pd.Series([1.5, float("nan"), None], dtype=object))
    assert made[0].as_py() == 1.5
    assert math.isnan(made[1].as_py())
    assert made[2].as_py() is None
    plain = column_array(pd.Series([0.5, float("nan")]))
    assert plain.null_count == 0
    assert math.isnan(plain[1].as_py())


def test_texts_that_are_missing_are_empty() -> None:
    assert column_array(pd.Series(["a", None, float("nan")], dtype=object)).to_pylist() == ["a", "", ""]


def test_whole_numbers_are_kept_as_such() -> None:
    assert str(column_array(pd.Series([1, 2, -1])).type) == "int32"
    assert column_array(pd.Series([2.0**40])).to_pylist() == [2.0**40]


@given(st.lists(st.integers(0, 3 * CHUNK_BYTES), max_size=50))
def test_every_row_is_in_one_chunk_which_is_small_unless_it_is_one_row(lengths: list[int]) -> None:
    starts = chunk_starts(lengths)
    assert starts[:1] == ([0] if lengths else [])
    assert starts == sorted(set(starts))
    for start, stop in zip(starts, [*starts[1:], len(lengths)][: len(starts)], strict=True):
        assert stop - start <= CHUNK_ROWS
        assert stop - start == 1 or sum(lengths[start:stop]) <= CHUNK_BYTES


def test_chunks_hold_all_texts_in_their_order() -> None:
    frame = pd.DataFrame({"a": [f"text {n}" for n in range(5_000)], "b": ""})
    found = [(start, table.to_pandas()) for start, table in chunks(frame)]
    assert [start for start, _ in found] == [0, 2_000, 4_000]
    pd.testing.assert_frame_equal(pd.concat([one for _, one in found], ignore_index=True), frame, check_dtype=False)
    assert list(chunks(frame.iloc[:0])) == []


@pytest.mark.parametrize("form", ["scripts", "files"])
def test_a_table_can_be_read_back_from_its_file(tmp_path, form) -> None:
    table = next(chunks(pd.DataFrame({"text": ["</script>", "\u0000\u2028", "é"]})))[1]
    size = Written(tmp_path, form).write("texts-0", table)
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    assert len(data) == size
    if form == "scripts":
        found = re.fullmatch(rb'inocData\("texts-0","([A-Za-z0-9+/=]+)"\);\n', data)
        assert found is not None
        data = base64.b64decode(found[1])
    assert pq.read_table(io.BytesIO(data))["text"].to_pylist() == ["</script>", "\u0000\u2028", "é"]


@given(st.text(max_size=50))
def test_json_in_a_script_cannot_end_it_and_says_the_same(text: str) -> None:
    made = script_json({"text": text})
    assert "<" not in made
    assert made.isascii()
    assert json.loads(made) == {"text": text}


def test_json_for_the_page_has_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json({"x": float(np.nan)})
