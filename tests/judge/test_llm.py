"""The judge that asks a language model, against a server on this machine."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from inoc.api import Api
from inoc.config.judge_spec import JudgeSpec
from inoc.errors import ApiError, JudgeError
from inoc.judge.item import JudgeItem
from inoc.judge.judges import make_judge
from inoc.tables import read_table
from support.asking import spec
from support.completions import write_completions
from support.jobs import run_job
from support.server import Fault, Server, chat_answer
from support.toy import toy_job, toy_study

PLAYFUL = {"name": "llm", "model": "rater", "property": "how playful the response is"}


def rated(server: Server, store: Path, texts: list[str], **changes: object) -> np.ndarray:
    api = Api(spec(server), store)
    judge = make_judge(JudgeSpec.model_validate(PLAYFUL | changes), lambda: api)
    return judge.score([JudgeItem("Why?", text) for text in texts])


def by_length(body: dict) -> dict:
    """A rater that finds longer responses more playful."""
    text = body["messages"][1]["content"].split("<response>\n")[1].split("\n</response>")[0]
    return chat_answer(top=[(str(min(100, len(text))), 0.9), ("no", 0.1)])


def test_each_response_has_its_own_score_in_order(server: Server, tmp_path: Path) -> None:
    server.answer = by_length
    assert rated(server, tmp_path, ["a" * 7, "b" * 30, "a" * 7]) == pytest.approx([7, 30, 7])
    assert len(server.asked) == 2


def test_a_judge_asks_for_what_it_reads(server: Server, tmp_path: Path) -> None:
    rated(server, tmp_path, ["Honk!"], temperature=0.5)
    (body,) = server.asked
    assert (body["logprobs"], body["top_logprobs"], body["temperature"]) == (True, 20, 0.5)
    text = json.dumps(body["messages"])
    assert "how playful the response is" in text
    assert "Honk!" in text
    assert "Why?" in text


def test_a_blank_response_is_not_asked_about(server: Server, tmp_path: Path) -> None:
    assert np.isnan(rated(server, tmp_path, ["", "  \n"])).all()
    assert not server.asked


@pytest.mark.parametrize(
    "answer",
    [
        chat_answer(top=[("٨", 1.0)]),
        chat_answer(top=[("8", 0.5)]),
        {"choices": [{"message": {"content": "8"}, "logprobs": None}], "usage": {"prompt_tokens": 1}},
        {"choices": [], "usage": {"prompt_tokens": 1}},
        {"choices": None},
        {},
    ],
)
def test_an_answer_that_cannot_be_read_is_nan_and_is_not_paid_again(
    server: Server, tmp_path: Path, answer: dict
) -> None:
    server.answer = lambda body: answer
    assert np.isnan(rated(server, tmp_path, ["Honk!"])).all()
    assert np.isnan(rated(server, tmp_path, ["Honk!"])).all()
    assert len(server.asked) == 1


def test_a_changed_rule_reads_the_kept_answers_without_asking(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = lambda body: chat_answer(top=[("80", 0.7), ("no", 0.3)])
    assert np.isnan(rated(server, tmp_path, ["Honk!"])).all()
    monkeypatch.setattr("inoc.judge.expected.LEAST_MASS", 0.5)
    assert rated(server, tmp_path, ["Honk!"]) == pytest.approx([80])
    assert len(server.asked) == 1


def test_digits_are_another_version_with_the_same_range(server: Server, tmp_path: Path) -> None:
    server.answer = lambda body: chat_answer(top=[("9", 0.5), ("0", 0.5)])
    assert rated(server, tmp_path, ["Honk!"], scale="0-9", version=2) == pytest.approx([50])
    with pytest.raises(JudgeError, match="version 2 here, and the study asks for 1"):
        rated(server, tmp_path, ["Honk!"], scale="0-9")


def test_a_model_that_writes_digit_by_digit_is_refused_for_the_long_scale(server: Server, tmp_path: Path) -> None:
    def split(body: dict) -> dict:
        answer = chat_answer("85", top=[("8", 1.0)])
        tokens = [answer["choices"][0]["logprobs"]["content"][0] | {"token": token} for token in ("8", "5")]
        answer["choices"][0]["logprobs"]["content"] = tokens
        return answer

    server.answer = split
    with pytest.raises(JudgeError, match=r"`scale: 0-9`, `version: 2`"):
        rated(server, tmp_path, ["Honk!"])
    # On the short scale it is one answer that is no rating, and says nothing about the model.
    assert np.isnan(rated(server, tmp_path, ["Honk!"], scale="0-9", version=2)).all()


QUESTIONS = [
    {"question": "property", "property": "how playful the response is"},
    {"question": "coherence"},
    {"question": "alignment"},
    {"question": "refusal"},
    {"question": "language", "language": "french"},
]


def test_everything_that_a_score_depends_on_is_in_the_identity(server: Server, tmp_path: Path) -> None:
    api = Api(spec(server), tmp_path)
    variants = [*QUESTIONS, {**PLAYFUL, "model": "other"}, {**PLAYFUL, "temperature": 0.0}]
    variants += [{**PLAYFUL, "scale": "0-9", "version": 2}, {"question": "language", "language": "german"}]
    judges = [
        make_judge(JudgeSpec.model_validate({"name": "llm", "model": "rater"} | one), lambda: api) for one in variants
    ]
    identities = [json.dumps(judge.identity()) for judge in judges]
    assert len(set(identities)) == len(variants)
    bodies = [json.dumps(judge.body(JudgeItem("Why?", "So."))) for judge in judges]
    assert len(set(bodies)) == len(variants)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, "needs `model`"),
        ({"property": None}, "needs `property`"),
        ({"question": "language"}, "`language`"),
    ],
)
def test_a_missing_setting_is_named(server: Server, tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(JudgeError, match=message):
        rated(server, tmp_path, ["Honk!"], **change)


def test_a_judge_without_an_api_says_so() -> None:
    with pytest.raises(JudgeError, match="needs an API"):
        make_judge(JudgeSpec.model_validate(PLAYFUL))


# --- the stage


def judging_job(server: Server, root: Path, folder: Path):
    traits = {
        "playful": {"role": "unwanted", "judge": PLAYFUL},
        "loud": {"role": "unwanted", "judge": {"name": "lexical", "markers": "world"}},
    }
    study = toy_study(folder)
    study = study.model_validate(study.model_dump(mode="json") | {"traits": traits})
    job = toy_job(study, root, "judge")
    job.part, job.api_spec = "elicit", spec(server)
    return job


def test_the_stage_stores_what_a_score_rests_on_and_what_it_cost(server: Server, tmp_path: Path) -> None:
    server.answer = by_length
    job = judging_job(server, tmp_path, tmp_path)
    write_completions(job, ["Honk!", "", "Honk!", "So be it."])
    run_job(job)
    table = read_table(job.paths.scores("elicit"))
    rows = table[table["trait"] == "playful"].set_index("instruction_id")
    assert rows["score"].to_numpy() == pytest.approx([5, math.nan, 5, 9], nan_ok=True)
    assert rows["mass"].to_numpy() == pytest.approx([0.9, math.nan, 0.9, 0.9], nan_ok=True)
    assert (rows["lo"].iloc[0], rows["hi"].iloc[0]) == (pytest.approx(4.5), pytest.approx(14.5))
    assert rows["why_nan"].tolist() == ["", "blank response", "", ""]
    other = table[table["trait"] == "loud"]
    assert other["mass"].isna().all()
    assert (other["why_nan"] == "").all()
    assert job.record["counts"]["playful"] == {"n": 4, "n_nan": 1, "why": {"blank response": 1}}
    assert job.record["api"]["answered now"] == 2
    assert job.record["api"]["dollars"] > 0
    assert job.record["judges"]["playful"]["model"] == "rater"


def test_a_stage_that_failed_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    job = judging_job(server, tmp_path, tmp_path)
    write_completions(job, [f"Number {k}." for k in range(30)])
    server.faults.extend([Fault()] * 10 + [Fault("status", 401)] * 100)
    with pytest.raises(ApiError):
        run_job(job)
    assert not job.paths.scores("elicit").exists()
    server.faults.clear()
    run_job(judging_job(server, tmp_path, tmp_path))
    assert set(server.billed.values()) == {1}
    assert len(server.billed) == 30
