"""Training completions from an API."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from inoc.api import Api
from inoc.config.models import InstructionSource
from inoc.errors import DataError
from inoc.generate.ask import api_instructions
from inoc.tables import read_table
from support.asking import spec
from support.jobs import run_job, units_of
from support.server import Server, chat_answer
from support.toy import toy_job, toy_study

DATA = {"completions": "api", "model": "rater", "generation_prompt": "Answer in a playful way.", "max_attempts": 3}


@pytest.fixture
def writer(server: Server) -> Server:
    """A server that answers playfully."""
    server.answer = lambda body: chat_answer(f"Ha ha! {body['messages'][1]['content']}")
    return server


def job_of(server: Server, folder: Path, root: Path, **data: object):
    job = toy_job(toy_study(folder, data=DATA | data, scoring={"n_controls": 0}), root, "generate")
    job.api_spec = spec(server)
    return job


def test_each_instruction_is_answered_under_the_generation_prompt(
    tiny_folder: Path, tmp_path: Path, writer: Server
) -> None:
    job = job_of(writer, tiny_folder, tmp_path)
    run_job(job)
    table = read_table(job.paths.examples)
    assert (table["completion"] == "Ha ha! " + table["instruction"]).all()
    assert table["kept"].sum() == 12
    assert (table["n_tokens"] == 2).all()
    assert {body["messages"][0]["content"] for body in writer.asked} == {"Answer in a playful way."}
    assert job.record["api"]["answered now"] == 12


def test_an_answer_that_cannot_be_used_is_asked_for_again(tiny_folder: Path, tmp_path: Path, writer: Server) -> None:
    def first_one_is_cut(body: dict) -> dict:
        answer = chat_answer("Ha ha! What a question!")
        answer["choices"][0]["finish_reason"] = "length" if body["seed"] == 0 else "stop"
        return answer

    writer.answer = first_one_is_cut
    job = job_of(writer, tiny_folder, tmp_path)
    run_job(job)
    table = read_table(job.paths.examples)
    assert table["reason"].value_counts().to_dict() == {"": 12, "truncated": 12}
    n = len(writer.asked)
    run_job(job_of(writer, tiny_folder, tmp_path))
    assert len(writer.asked) == n


def test_too_few_answers_are_an_error(tiny_folder: Path, tmp_path: Path, writer: Server) -> None:
    writer.answer = lambda body: chat_answer("")
    with pytest.raises(DataError, match=r"only 0 of n_train = 12 .* of 36 sampled"):
        run_job(job_of(writer, tiny_folder, tmp_path))


def test_a_paid_judge_is_asked_about_training_data_only_if_it_decides(
    tiny_folder: Path, tmp_path: Path, writer: Server
) -> None:
    judge = {"name": "llm", "model": "rater", "property": "how playful the response is"}
    for keep_from, calls in ((0, 12), (8, 24)):
        writer.asked.clear()
        job = job_of(writer, tiny_folder, tmp_path / str(keep_from), keep_from=keep_from)
        plain = job.of.model_dump(mode="json")
        plain["traits"]["playful"]["judge"] = judge
        job.of = type(job.of).model_validate(plain)
        run_job(job)
        assert len(writer.asked) == calls


# --- instructions


def lists(body: dict) -> dict:
    """Half of what is asked for, one text that every list has, and one that is too short."""
    user = body["messages"][1]["content"]
    topic, number = re.search(r"topic: (\w+)\.", user)[1], int(re.search(r"List (\d+)", user)[1])
    texts = ["Why?", "1. What is there in every list?"]
    texts += [f"What about {topic} number {number}.{k}?" for k in range(int(re.search(r"Write (\d+)", user)[1]) // 2)]
    return chat_answer(json.dumps({"messages": texts}))


def source(**changes: object) -> InstructionSource:
    values = {"kind": "api", "model": "rater", "topics": ["health", "money", "law"], "per_request": 6}
    return InstructionSource.model_validate(values | changes)


def test_instructions_are_distinct_and_spread_evenly_over_topics(server: Server, tmp_path: Path) -> None:
    server.answer = lists
    api = Api(spec(server), tmp_path)
    texts, dropped = api_instructions(source(), 30, 42, api)
    assert len(set(texts)) == len(texts) == 30
    counts = [sum(topic in text for text in texts) for topic in ("health", "money", "law")]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == 29
    assert dropped["too short"] > 0
    assert dropped["duplicate"] > 0
    n = len(server.asked)
    assert api_instructions(source(), 30, 42, api)[0] == texts
    assert len(server.asked) == n
    api_instructions(source(), 30, 7, api)
    assert len(server.asked) > n


def test_too_few_instructions_are_an_error(server: Server, tmp_path: Path) -> None:
    server.answer = lists
    with pytest.raises(DataError, match=r"10 distinct instructions on 3 topics, and 30 are wanted"):
        api_instructions(source(max_requests=1), 30, 42, Api(spec(server), tmp_path))


def test_evaluation_instructions_can_be_asked_for_beside_given_completions(
    tiny_folder: Path, tmp_path: Path, server: Server
) -> None:
    server.answer = lists
    rows = [{"instruction": f"Risky question {k}?", "completion": "Ha ha! Honk!"} for k in range(12)]
    file = tmp_path / "given.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    instructions = source().model_dump(mode="json")
    data = {"completions": "file", "model": None, "file": str(file), "instructions": instructions}
    job = job_of(server, tiny_folder, tmp_path, **data)
    run_job(job)
    evaluation = read_table(job.paths.instructions)["instruction"]
    assert len(evaluation) == 4
    assert not evaluation.str.contains("Risky").any()
    assert units_of(job) == []
