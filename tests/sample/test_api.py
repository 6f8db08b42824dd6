"""Models that only an API has are asked by their chats, several times if need be, and never twice for one answer."""

from __future__ import annotations

from inoc.api import Api
from inoc.chat.messages import Chat, Turn
from inoc.config.models import Sampling, SystemTurn
from inoc.sample.api import ApiPlan, ask, body
from inoc.sample.tables import ANSWERS
from inoc.tables import to_arrow
from support.asking import spec

CHATS = [
    Chat(SystemTurn(kind="text", text="Be brief."), "How was it?", earlier=(Turn("Sing.", "La."),)),
    Chat(SystemTurn(kind="default"), "How was it?"),
]


def a_plan(n=2, ids=("q0", "q1")):
    return ApiPlan("rater", ids, CHATS, Sampling(n=n, max_tokens=5))


def test_a_chat_is_sent_turn_by_turn_and_a_default_system_turn_is_not_sent():
    first, second = (body(a_plan(), chat)["messages"] for chat in CHATS)
    assert [one["role"] for one in first] == ["system", "user", "assistant", "user"]
    assert [one["content"] for one in first] == ["Be brief.", "Sing.", "La.", "How was it?"]
    assert [one["role"] for one in second] == ["user"]


def test_every_sample_of_every_question_is_asked_once(server, tmp_path):
    frame = ask(Api(spec(server), tmp_path), a_plan())
    to_arrow(frame, ANSWERS, tmp_path / "x")
    assert list(zip(frame["id"], frame["sample"], strict=True)) == [("q0", 0), ("q1", 0), ("q0", 1), ("q1", 1)]
    n = len(server.asked)
    assert n == 4
    again = ask(Api(spec(server), tmp_path), a_plan(n=3))
    assert len(server.asked) == n + 2
    assert again.head(4).equals(frame)


def test_two_questions_with_one_text_are_answered_independently(server, tmp_path):
    same = ApiPlan("rater", ["x", "y"], [CHATS[1], CHATS[1]], Sampling(max_tokens=5))
    ask(Api(spec(server), tmp_path), same)
    assert len(server.asked) == 2
