from __future__ import annotations

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from inoc.chat.messages import Chat, Turn
from inoc.choose.api import ApiPlan, body, choice_of_answer
from inoc.choose.step import run
from inoc.config.models import SystemTurn
from inoc.engines.candidates import Candidate, candidate, scale


def answer(*positions):
    """A chat's choice: the sampled token and the likeliest ones at each position."""
    content = [
        {
            "token": token,
            "top_logprobs": [{"token": one, "logprob": math.log(p)} for one, p in likeliest.items()],
        }
        for token, likeliest in positions
    ]
    return {"logprobs": {"content": content}}


def test_spellings_are_summed_and_white_space_does_not_matter():
    found = choice_of_answer(
        answer(("A", {"A": 0.5, " A": 0.1, "a": 0.05, "B": 0.2, "I": 0.1})), [candidate("A"), candidate("B")]
    )
    assert [math.exp(value) for value in found.logprobs] == pytest.approx([0.65, 0.2])
    assert found.mass == pytest.approx(0.85)


def test_an_answer_that_goes_on_to_a_longer_candidate_is_taken_off_the_shorter_one():
    found = choice_of_answer(
        answer(("1", {"1": 0.6, "2": 0.3}), ("0", {"0": 0.7, ".": 0.3})), [*scale(1, 2), *scale(10, 10)]
    )
    assert [math.exp(value) for value in found.logprobs] == pytest.approx([0.6 * 0.3, 0.3, 0.6 * 0.7])


def test_an_answer_of_several_tokens_is_followed_along_what_was_sampled():
    found = choice_of_answer(
        answer(("\n", {"\n": 0.9, "No": 0.05}), ("Ye", {"Ye": 0.8, "No": 0.2}), ("s", {"s": 1.0})),
        [candidate("Yes"), candidate("No")],
    )
    assert [math.exp(value) for value in found.logprobs] == pytest.approx([0.72, 0.05 + 0.18])


def test_what_follows_the_answer_does_not_count():
    found = choice_of_answer(answer(("B", {"B": 0.9}), ("A", {"A": 1.0})), [candidate("A"), candidate("B")])
    assert found.mass == pytest.approx(0.9)
    assert found.logprobs[0] == -math.inf


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "no logprobs"),
        ({"logprobs": {"content": []}}, "no logprobs"),
        (
            {"logprobs": {"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": 3.0}]}]}},
            "wrong logprobs",
        ),
        ({"logprobs": {"content": [{"token": "A"}]}}, "wrong logprobs"),
    ],
)
def test_an_answer_without_usable_probabilities_is_nan_with_the_reason(given, reason):
    found = choice_of_answer(given, [Candidate("A", ("A",))])
    assert math.isnan(found.mass)
    assert found.reason == reason
    assert found.best() == -1


def test_an_api_is_asked_each_question_and_the_tables_are_those_of_the_stage(tmp_path):
    replies = [
        SimpleNamespace(refusal="", choice=answer(("A", {"A": 0.6, "B": 0.3}))),
        SimpleNamespace(refusal="content policy", choice={}),
    ]
    asked = []

    def chat(bodies, doing):
        asked.extend(bodies)
        return replies

    job = SimpleNamespace(api=SimpleNamespace(chat=chat), record={})
    turns = [Chat(SystemTurn(kind="text", text="Be brief."), "A or B?"), Chat(SystemTurn(), "B or A?")]
    letters = (candidate("A", 0.0), candidate("B", 1.0))
    said = run(job, ApiPlan("some-model", ["q0", "q1"], turns, [letters, letters], tmp_path))
    assert [[turn["role"] for turn in one["messages"]] for one in asked] == [["system", "user"], ["user"]]
    assert all(one["logprobs"] and one["top_logprobs"] == 20 for one in asked)
    first, second = pd.read_parquet(tmp_path / "choices.parquet").to_dict("records")
    assert first["best"] == "A"
    assert first["mass"] == pytest.approx(0.9)
    assert first["expectation"] == pytest.approx(1 / 3)
    assert math.isnan(second["mass"])
    assert second["reason"] == "refused by the API (content policy)"
    assert "1 NaN" in said
    assert job.record["counts"] == {"questions": 2, "NaN": 1}


def test_earlier_turns_are_sent_in_their_order(tmp_path):
    chat = Chat(SystemTurn(kind="text", text="S"), "B or A?", earlier=(Turn("A or B?", "A"), Turn("Sure?", "Yes")))
    sent = body(ApiPlan("some-model", ["q"], [chat], [(candidate("A"),)], tmp_path), chat)["messages"]
    assert [(turn["role"], turn["content"]) for turn in sent] == [
        ("system", "S"), ("user", "A or B?"), ("assistant", "A"), ("user", "Sure?"), ("assistant", "Yes"),
        ("user", "B or A?"),
    ]  # fmt: skip
