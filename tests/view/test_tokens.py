"""Values of tokens on the site."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.errors import DataError
from inoc.studies.shared.viewing import cut
from inoc.view.declare import TokenRows
from inoc.view.tokens import SCALE, block_table


def rows(values: list[list[float]]) -> pd.DataFrame:
    names = [f"answer {at}" for at in range(len(values))]
    return pd.DataFrame({"answer": names, "condition": "", "logprobs": [np.array(one) for one in values]})


@given(st.lists(st.lists(st.floats(-200, 0) | st.just(float("nan")), max_size=6), max_size=5))
def test_values_come_back_to_half_a_thousandth_of_a_nat(values: list[list[float]]) -> None:
    table = block_table(TokenRows(rows(values), {}))
    for found, wanted in zip(table["logprobs"].to_pylist(), values, strict=True):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert (one is None) == np.isnan(other)
            assert one is None or abs(one / SCALE - other) <= 0.5 / SCALE + 1e-9


def test_texts_of_tokens_stand_once_for_each_answer() -> None:
    frame = pd.concat([rows([[-1.0]]), rows([[-2.0]]).assign(condition="clown (fixed)")], ignore_index=True)
    table = block_table(TokenRows(frame, {"answer 0": ["a"]}))
    assert table["pieces"].to_pylist() == [["a"], None]


def test_a_log_probability_above_zero_is_refused() -> None:
    with pytest.raises(DataError, match="above 0"):
        block_table(TokenRows(rows([[0.5]]), {}))


@given(st.text(max_size=20), st.data())
def test_pieces_put_together_are_the_text(text: str, data: st.DataObject) -> None:
    stops = data.draw(st.lists(st.integers(0, len(text)), min_size=1, max_size=6))
    pieces = cut(text, stops)
    assert "".join(pieces) == text
    assert len(pieces) == len(stops)
