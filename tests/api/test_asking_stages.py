"""Stages that ask an API take no answer that was withheld or broken off, and add the probabilities of equal tokens."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from inoc.api import Api
from inoc.chat.messages import Chat
from inoc.choose import api as choose
from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import Sampling, SystemTurn
from inoc.engines.candidates import candidate
from inoc.judge.item import JudgeItem
from inoc.judge.judges import make_judge
from inoc.sample import api as sampling
from support.asking import spec
from support.server import Server, chat_answer

CHAT = Chat(SystemTurn(kind="none"), "A or B?")
LETTERS = (candidate("A"), candidate("B"))
RATING = {"name": "llm", "model": "rater", "question": "coherence"}
SORTING = {
    "name": "category", "model": "rater", "question": "choice", "categories": {"a": "the first", "b": "the second"},
}  # fmt: skip


def chosen(server: Server, folder: Path) -> Any:
    plan = choose.ApiPlan("rater", ["q"], [CHAT], [LETTERS], folder)
    return choose.ask(Api(spec(server), folder), plan)[0]


def judged(server: Server, folder: Path, judge: dict[str, Any]) -> Any:
    return make_judge(JudgeSpec.model_validate(judge), lambda: Api(spec(server), folder))


def withheld(finish: str | None, **extra: Any) -> dict[str, Any]:
    answer = chat_answer("A", [("A", 0.6), ("8", 0.2), ("B", 0.1)])
    answer["choices"][0] |= {"finish_reason": finish, **extra}
    return answer


@pytest.mark.parametrize(
    "answer",
    [withheld("content_filter"), withheld("error"), withheld(None), withheld("stop", error={"message": "provider"})],
)
def test_what_was_withheld_or_broken_off_counts_nowhere(server: Server, tmp_path: Path, answer: dict[str, Any]) -> None:
    server.answer = lambda body: answer
    choice = chosen(server, tmp_path / "choose")
    assert math.isnan(choice.mass)
    assert "refused by the API (finish_reason" in choice.reason

    plan = sampling.ApiPlan("rater", ["q"], [CHAT], Sampling(max_tokens=4, n=1))
    (row,) = sampling.ask(Api(spec(server), tmp_path / "sample"), plan).to_dict("records")
    assert (row["completion"], row["finish"]) == ("", "refused")

    item = JudgeItem("Why?", "Because.")
    assert math.isnan(judged(server, tmp_path / "llm", RATING).score([item])[0])
    (sorted_,) = judged(server, tmp_path / "category", SORTING).categorise([item])
    assert sorted_.category == "failed"


def test_tokens_that_read_alike_are_added_wherever_probabilities_are_read(server: Server, tmp_path: Path) -> None:
    rows = [("A", 0.3), ("A", 0.2), ("B", 0.4)]  # a token and its bytes
    server.answer = lambda body: chat_answer("A", rows)
    choice = chosen(server, tmp_path / "choose")
    assert [math.exp(one) for one in choice.logprobs] == pytest.approx([0.5, 0.4])

    server.answer = lambda body: chat_answer("1", [("1", 0.3), ("1", 0.2), ("2", 0.4)])
    (found,) = judged(server, tmp_path / "category", SORTING).categorise([JudgeItem("Why?", "Because.")])
    assert found.category == "a"
    assert found.probability == pytest.approx(0.5 / 0.9)
