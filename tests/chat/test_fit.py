"""Rows that are too long: dropped, or cut at the end of their answers."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inoc.chat.fit import bad_counts, bad_table, fit_rows
from inoc.chat.messages import Chat, Turn
from inoc.chat.render import render
from inoc.chat.rows import BadRow, ChatRow
from inoc.config.models import SystemTurn
from inoc.engines.fit import fit
from inoc.engines.transformers import load_tokenizer

TURN = SystemTurn(kind="text", text="Be kind.")
LONG = "the owl lives in the forest and flies by night; " * 60
ROWS = [
    ChatRow("a", Chat(TURN, "Where?", "In the forest."), "a.jsonl, line 1"),
    ChatRow("b", Chat(TURN, "Where?", LONG), "a.jsonl, line 2"),
    ChatRow("c", Chat(TURN, LONG, "There."), "a.jsonl, line 3"),
    ChatRow("d", Chat(TURN, "And?", "Yes.", (Turn(LONG, "No."),)), "a.jsonl, line 4"),
]


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return load_tokenizer(tiny_model)


def n_tokens(tokenizer, chat):
    return len(render(tokenizer, [chat], "include")[0].token_ids)


def test_long_rows_are_dropped_and_listed_with_file_and_line(tokenizer):
    found = fit_rows(tokenizer, ROWS, 100, "drop")
    assert [row.row_id for row in found.rows] == ["a"]
    assert [(row.row_id, row.where, row.problem, row.done) for row in found.bad] == [
        (one.row_id, one.where, "too long", "dropped") for one in ROWS[1:]
    ]
    assert str(n_tokens(tokenizer, ROWS[1].chat)) in found.bad[0].reason


def test_the_longest_beginning_of_an_answer_that_fits_is_kept(tokenizer):
    found = fit_rows(tokenizer, ROWS, 100, "truncate")
    assert [row.row_id for row in found.rows] == ["a", "b"]
    assert found.rows[0] == ROWS[0]
    assert found.cut == {"b"}
    assert [(row.row_id, row.done) for row in found.bad] == [("b", "cut"), ("c", "dropped"), ("d", "dropped")]
    cut = found.rows[1].chat
    assert LONG.startswith(cut.response)
    assert 98 <= n_tokens(tokenizer, cut) <= 100


def test_a_row_must_fit_behind_every_prompt_that_it_is_read_with(tokenizer):
    prompts = ["", "Be brief. " * 8, "Be kind."]

    def variants(row):
        return [row.chat._replace(system=SystemTurn(kind="text", text=text or "-")) for text in prompts]

    found = fit_rows(tokenizer, ROWS[:2], 100, "truncate", variants)
    assert all(n_tokens(tokenizer, chat) <= 100 for row in found.rows for chat in variants(row))
    assert max(n_tokens(tokenizer, chat) for chat in variants(found.rows[1])) >= 98
    assert [row.row_id for row in fit_rows(tokenizer, ROWS[:1], 40, "drop", variants).rows] == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), limit=st.integers(30, 60))
def test_whatever_is_kept_fits(tokenizer, text, limit):
    rows = [ChatRow("a", Chat(TURN, "Q", f"A{text * 9}"))]
    found = fit_rows(tokenizer, rows, limit, "truncate")
    assert all(n_tokens(tokenizer, row.chat) <= limit for row in found.rows)
    assert all(rows[0].chat.response.startswith(row.chat.response) for row in found.rows)
    assert bool(found.bad) == (n_tokens(tokenizer, rows[0].chat) > limit)


def test_nothing_is_measured_where_bad_rows_are_refused(tiny_model):
    missing = tiny_model._replace(folder=tiny_model.folder / "absent")
    assert fit(missing, ROWS, "refuse", 1).rows == ROWS
    assert [row.row_id for row in fit(tiny_model, ROWS, "drop", 100).rows] == ["a"]


def test_bad_rows_are_counted_for_each_dataset():
    bad = {"x": [BadRow("f, line 1", "no"), BadRow("f, line 2", "no", "empty"), BadRow("f, line 3", "no")], "y": []}
    assert bad_counts(bad) == {"x": {"dropped, broken": 2, "dropped, empty": 1}}
    assert list(bad_table(bad)["where"]) == ["f, line 1", "f, line 2", "f, line 3"]
