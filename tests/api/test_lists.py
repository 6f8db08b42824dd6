"""Reading lists."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.api.lists import parse

TEXTS = st.lists(st.text('ab é☃"\\\n[]{},:', min_size=1, max_size=9).filter(str.strip), max_size=8)


@given(TEXTS)
def test_what_was_written_as_json_is_read_back(texts: list[str]) -> None:
    assert parse(json.dumps({"rephrasings": texts})) == texts
    assert parse(f"Here you are:\n```json\n{json.dumps(texts, indent=1, ensure_ascii=False)}\n```") == texts


@given(TEXTS.filter(bool), st.data())
def test_of_an_answer_that_was_cut_the_whole_texts_are_read(texts: list[str], data: st.DataObject) -> None:
    whole = json.dumps({"rephrasings": texts})
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    found = parse(cut)
    assert found == texts[: len(found)]


@pytest.mark.parametrize(
    "content", ["", "I'm sorry, I can't help with that.", "{}", "[]", '{"rephrasings": []}', "[1]"]
)
def test_an_answer_without_a_list_has_no_texts(content: str) -> None:
    assert parse(content) == []
