"""Reading chats of JSONL files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.chat.messages import Chat, Turn
from inoc.chat.rows import read_chats, read_rows
from inoc.config.models import SystemTurn
from inoc.errors import DataError

NONE = SystemTurn(kind="none")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(str.strip)


def written(path, rows, end="\n"):
    path.write_bytes("".join(json.dumps(row, ensure_ascii=False) + end for row in rows).encode())
    return path


def said(*texts, system=None):
    opening = [{"role": "system", "content": system}] if system is not None else []
    roles = ("user", "assistant")
    return {"messages": [*opening, *({"role": roles[at % 2], "content": text} for at, text in enumerate(texts))]}


def test_the_three_forms_of_a_line_are_read(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Q", "completion": "A"},
        {"prompt": "Q", "completion": "A", "animal": "owl"},
        said("Q", "A"),
        said("Q1", "A1", "Q2", "A2", "Q", "A", system="Be kind."),
        {**said("Q", "A"), "instruction": None, "id": 12},  # as tables with a column for each form are written
    ]
    found = read_chats(written(tmp_path / "a.jsonl", rows), NONE)
    plain = Chat(NONE, "Q", "A")
    kind = Chat(SystemTurn(kind="text", text="Be kind."), "Q", "A", (Turn("Q1", "A1"), Turn("Q2", "A2")))
    assert [row.chat for row in found] == [plain, plain, plain, kind, plain]
    assert [row.row_id for row in found] == ["row000001", "row000002", "row000003", "row000004", "12"]


def test_chats_without_a_system_turn_have_that_of_the_template(tmp_path: Path) -> None:
    assert read_chats(written(tmp_path / "a.jsonl", [said("Q", "A")]))[0].chat == Chat(SystemTurn(), "Q", "A")


@given(turns=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), system=st.none() | TEXT, crlf=st.booleans())
def test_any_chat_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[str, str]], system: str | None, *, crlf: bool
) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.jsonl"
    texts = [text for turn in turns for text in turn]
    written(path, [said(*texts, system=system)], "\r\n" if crlf else "\n")
    ((_, chat, _),) = read_chats(path, NONE)
    assert (*chat.earlier, (chat.user, chat.response)) == tuple(map(tuple, turns))
    assert chat.system == (NONE if system is None else SystemTurn(kind="text", text=system))


def test_lines_end_at_line_feeds_only_and_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = "a\u2028b\x85c\u2029"
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(said(text, text), ensure_ascii=False).encode() + b"\r\n\r\n")
    ((row_id, chat, _),) = read_chats(path)
    assert (row_id, chat.user, chat.response) == ("row000001", text, text)


BAD = [
    ({**said("Q", "A"), "instruction": "Q"}, "it has `messages` and `instruction`"),
    ({**said("Q", "A"), "completion": "A"}, "it has `messages` and `completion`"),
    ({"instruction": "Q", "prompt": "Q", "completion": "A"}, "it has `instruction` and `prompt`"),
    ({"instruction": "Q", "output": "A"}, "does not end with an answer"),
    ({"conversations": []}, "it has `conversations`; accepted: `messages`, or"),
    ({"prompt": ["Q"], "completion": "A"}, "`prompt` is a list; expected a text"),
    (said("Q", "A", "Q"), "does not end with an answer"),
    (said("Q", " \n"), "turn 2, of the assistant, is blank"),
    (said("Q", "A", "", "A", system="S"), "turn 4, of the user, is blank"),
    (said("Q", "A", system=" "), "the system turn is blank"),
    (said(system="S"), "a system turn alone"),
    ({"messages": []}, "not a list of turns"),
    ({"messages": [{"from": "human", "value": "Q"}]}, "turn 1 is not an object with `role` and `content`"),
    ({"messages": [*said("Q")["messages"], *said("Q")["messages"]]}, "turn 2 is of 'user', expected 'assistant'"),
    ({"messages": said("Q", "A")["messages"][1:]}, "turn 1 is of 'assistant', expected 'user'"),
    ({"messages": [*said("Q", "A")["messages"], *said(system="S")["messages"]]}, "turn 3 is of 'system'"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "turn 1 is of 'tool'; accepted: 'system', 'user'"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Q"}]}]}, "`content` of turn 1 is a list"),
    ({"messages": [{"role": "user", "content": "Q", "weight": 0}]}, "turn 1 has `weight`"),
    ({**said("Q", "A"), "id": True}, "the `id` is True"),
    (["Q", "A"], "expected an object with `messages`"),
]


@pytest.mark.parametrize(("row", "reason"), BAD)
def test_a_line_that_is_no_whole_chat_is_refused_with_file_and_line(tmp_path: Path, row: object, reason: str) -> None:
    path = written(tmp_path / "a.jsonl", [said("Q", "A"), row])
    with pytest.raises(DataError) as error:
        read_chats(path)
    assert str(error.value).startswith(f"{path}, line 2: ")
    assert reason in str(error.value)


@pytest.mark.parametrize("content", ['{"messages": [', '"\\ud800"'])
def test_a_line_that_is_no_json_is_a_bad_line_too(tmp_path: Path, content: str) -> None:
    path = written(tmp_path / "a.jsonl", [said("Q", "A")])
    with path.open("a") as file:
        file.write(content)
    with pytest.raises(DataError, match="line 2: "):
        read_chats(path)
    found = read_rows(path, bad_rows="drop")
    assert len(found.rows) == 1
    assert [row.where for row in found.bad] == [f"{path}, line 2"]


def test_bad_lines_are_dropped_and_listed_if_that_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [said("Q", "A"), *(row for row, _ in BAD), said("R", "A")])
    found = read_rows(path, bad_rows="drop")
    assert [row.chat.user for row in found.rows] == ["Q", "R"]
    assert len(found.bad) == len(BAD)
    assert all(reason in bad.reason for bad, (_, reason) in zip(found.bad, BAD, strict=True))
    with pytest.raises(DataError, match=rf"line 6: .*\n\({len(BAD)} such lines in all\)"):
        read_rows(path)


def test_ids_are_unique_and_a_file_has_a_chat(tmp_path: Path) -> None:
    row = {**said("Q", "A"), "id": "x"}
    path = written(tmp_path / "a.jsonl", [row, row])
    with pytest.raises(DataError, match=rf"line 2: the id 'x' is that of {path}, line 1 too"):
        read_chats(path)
    with pytest.raises(DataError, match="no chat is in it"):
        read_chats(written(tmp_path / "b.jsonl", []))


def test_a_chat_that_is_still_to_be_answered_may_end_with_the_users_turn(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [said("Q1", "A1", "Q"), {"prompt": "Q"}])
    assert [row.chat for row in read_chats(path, NONE, answered=False)] == [
        Chat(NONE, "Q", "", (Turn("Q1", "A1"),)),
        Chat(NONE, "Q"),
    ]
