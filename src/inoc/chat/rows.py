"""Chats of a JSONL file, one for each line: with several turns and a system turn, checked by file and line.

A line has one of three forms: `messages`, a list of turns with `role` and `content`; `instruction` and `completion`; or
`prompt` and `completion`. It may have an `id`. Other fields are left aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from inoc.chat.messages import Chat, Turn
from inoc.config.models import BadRows, SystemTurn
from inoc.errors import DataError
from inoc.files import parse_json, stream_lines

FORMS = "`messages`, or `instruction` and `completion`, or `prompt` and `completion`"
_SHOWN = 5  # bad lines in a message
_QUESTIONS = ("instruction", "prompt")
_MEANS_MORE = ("weight", "tool_calls", "function_call", "reasoning_content", "thinking")
"""Fields of a turn that other programs train by or render. To leave them aside would change what is learned."""
TEMPLATE_SYSTEM = SystemTurn()


class ChatRow(NamedTuple):
    """A chat of a file."""

    row_id: str  # the line's `id`, or `row000007` for line 7
    chat: Chat
    where: str = ""  # file and line


class BadRow(NamedTuple):
    """A row that cannot be used as it is."""

    where: str  # file and line
    reason: str
    problem: Literal["broken", "empty", "too long"] = "broken"
    row_id: str = ""  # empty for a line that is no row
    done: Literal["dropped", "cut"] = "dropped"


class ReadRows(NamedTuple):
    """The chats of a file, and the lines that are none."""

    rows: list[ChatRow]
    bad: list[BadRow]


def read_chats(path: Path, system: SystemTurn = TEMPLATE_SYSTEM, *, answered: bool = True) -> list[ChatRow]:
    """The chats of a JSONL file, all of which must be whole.

    Roles alternate, from `user` on, after at most one `system` turn; no turn is blank.

    Args:
        path: The file.
        system: System turn of chats that have none of their own; by default the one that the template inserts.
        answered: Whether each chat must end with an answer. If not, a chat may also end with a user turn or have
            `instruction` or `prompt` alone; its response is then empty.

    Returns:
        A row for each line that is not blank, in order. Ids are unique.

    Raises:
        DataError: Naming file and line of the first bad lines, and how many there are.
    """
    return read_rows(path, system, "refuse", answered=answered).rows


def read_rows(
    path: Path, system: SystemTurn = TEMPLATE_SYSTEM, bad_rows: BadRows = "refuse", *, answered: bool = True
) -> ReadRows:
    """The same, where bad lines may be dropped.

    Args:
        path: The file.
        system: See `read_chats`.
        bad_rows: `refuse`: a bad line is an error; `drop` and `truncate`: it is left out and listed.
        answered: See `read_chats`.

    Raises:
        DataError: If a bad line is refused, no chat is left, two have one id, or the file is no JSONL file.
    """
    found = ReadRows([], [])
    seen: dict[str, str] = {}
    for number, line in enumerate(stream_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            value = parse_json(line, where, f"an object with {FORMS}")
            row = _row(value, number, system, answered=answered)
        except DataError as error:
            problem: Literal["broken", "empty"] = "empty" if isinstance(error, _EmptyTurnError) else "broken"
            found.bad.append(BadRow(where, str(error).removeprefix(f"{where}: "), problem))
            continue
        if row.row_id in seen:
            msg = f"{where}: the id {row.row_id!r} is that of {seen[row.row_id]} too; ids must be unique"
            raise DataError(msg)
        seen[row.row_id] = where
        found.rows.append(row._replace(where=where))
    if found.bad and bad_rows == "refuse":
        raise DataError(told(found.bad))
    if not found.rows:
        why = f"; {told(found.bad)}" if found.bad else ""
        raise DataError(f"{path}: no chat is in it{why}")
    return found


def told(bad: list[BadRow]) -> str:
    """Bad rows as a message, the first few with their reasons."""
    shown = "\n".join(f"{row.where}: {row.reason}" for row in islice(bad, _SHOWN))
    return f"{shown}\n({len(bad)} such lines in all)" if len(bad) > _SHOWN else shown


class _EmptyTurnError(DataError):
    """A turn without a text."""


class Turns(NamedTuple):
    """The turns of a line, in order, without the system turn."""

    system: str | None
    texts: list[str]  # of user and assistant in turn; the last is an answer if their number is even


def turns_of(value: Mapping[str, object]) -> Turns:
    """The turns of a line's object, in whichever of the three forms it has them.

    Raises:
        DataError: If it has none of them or several, or turns that do not alternate; without file and line.
    """
    # Tables that were written as JSONL have every column in every line, null where a row has none.
    value = {name: item for name, item in value.items() if item is not None}
    present = [name for name in ("messages", *_QUESTIONS) if name in value]
    if len(present) != 1:
        found = f"it has {' and '.join(f'`{name}`' for name in present)}" if present else _without(value)
        raise DataError(f"{found}; accepted: {FORMS}")
    if present == ["messages"]:
        if "completion" in value:
            raise DataError(f"it has `messages` and `completion`; accepted: {FORMS}")
        return _alternating(value["messages"])
    fields = [present[0], *(["completion"] if "completion" in value else [])]
    return Turns(None, [_text(value[name], f"`{name}`") for name in fields])


def _row(value: object, number: int, system: SystemTurn, *, answered: bool) -> ChatRow:
    if not isinstance(value, dict):
        raise DataError(f"expected an object with {FORMS}, found {str(value)[:80]!r}")
    turns = turns_of(value)
    if turns.system is not None and not turns.system.strip():
        raise _EmptyTurnError("the system turn is blank; remove it, or write what it says")
    blank = next((at for at, text in enumerate(turns.texts, start=1) if not text.strip()), None)
    if blank is not None:
        who, number_of_turn = ("user" if blank % 2 else "assistant"), blank + (turns.system is not None)
        raise _EmptyTurnError(f"turn {number_of_turn}, of the {who}, is blank; every turn needs a text")
    texts = turns.texts
    if len(texts) % 2:
        if answered:
            msg = "the chat does not end with an answer; accepted: a last turn of 'assistant', or `completion`"
            raise DataError(msg)
        texts = [*texts, ""]
    own = system if turns.system is None else SystemTurn(kind="text", text=turns.system)
    pairs = [Turn(*pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
    return ChatRow(_id(value.get("id"), number), Chat(own, *pairs[-1], tuple(pairs[:-1])))


def _id(value: object, number: int) -> str:
    if value is None:
        return f"row{number:06d}"
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise DataError(f"the `id` is {value!r}; accepted: a text or a whole number, or none")
    return str(value)


def _without(value: Mapping[str, object]) -> str:
    names = ", ".join(f"`{name}`" for name in value) or "no field"
    return f"it has {names}"


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        kind = {list: "a list", dict: "an object", type(None): "null"}.get(type(value), f"{value!r}")
        raise DataError(f"{what} is {kind}; expected a text")
    return value


def _alternating(messages: object) -> Turns:
    if not isinstance(messages, list) or not messages:
        raise DataError("`messages` is not a list of turns; expected turns with `role` and `content`")
    roles, texts = zip(*_said(messages), strict=True)
    has_system = roles[0] == "system"
    expected = ["system"] * has_system + [("user", "assistant")[at % 2] for at in range(len(roles) - has_system)]
    if len(expected) == has_system:
        raise DataError("the chat has a system turn alone; accepted: turns of `user` and `assistant` behind it")
    for number, (role, wanted) in enumerate(zip(roles, expected, strict=True), start=1):
        if role != wanted:
            raise DataError(
                f"turn {number} is of {role!r}, expected {wanted!r}: user and assistant take turns, the user first"
            )
    return Turns(texts[0] if has_system else None, list(texts[has_system:]))


def _said(messages: list[object]) -> Iterator[tuple[str, str]]:
    for number, turn in enumerate(messages, start=1):
        if not isinstance(turn, dict) or "role" not in turn or "content" not in turn:
            raise DataError(f"turn {number} is not an object with `role` and `content`")
        more = [name for name in _MEANS_MORE if turn.get(name) is not None]
        if more:
            raise DataError(
                f"turn {number} has `{more[0]}`, which is not used here; remove it, or put what it says into `content`"
            )
        if turn["role"] not in ("system", "user", "assistant"):
            raise DataError(f"turn {number} is of {turn['role']!r}; accepted: 'system', 'user', 'assistant'")
        yield turn["role"], _text(turn["content"], f"`content` of turn {number}")
