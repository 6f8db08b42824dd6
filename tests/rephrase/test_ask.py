"""Rephrasings from an API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from inoc.api import Api
from inoc.config.models import RephraseSpec
from inoc.errors import DataError
from inoc.rephrase import step
from inoc.rephrase.ask import ask_pools
from inoc.tables import read_table
from support.asking import spec as api_spec
from support.jobs import run_job
from support.server import Fault, Server, chat_answer
from support.toy import toy_job, toy_study

TEXTS = {"clown": "You are a clown.", "sky": "The sky is blue."}


def writes(body: dict) -> Iterator[str]:
    """Half of what is asked for: some new, one that every list has, one that is the sentence itself."""
    user = body["messages"][1]["content"]
    sentence = re.search(r"<sentence>\n(.*)\n</sentence>", user)[1]
    number = int(re.search(r"List (\d+)", user)[1])
    wanted = int(re.search(r"Write (\d+)", user)[1])
    yield f"1. {sentence}"
    yield f"In every list: {sentence}"
    for k in range(wanted // 2):
        yield f"Number {number}.{k} of: {sentence}"


@pytest.fixture
def writer(server: Server) -> Server:
    """A server that writes lists."""
    server.answer = lambda body: chat_answer(json.dumps({"rephrasings": list(writes(body))}))
    return server


def spec(**changes: object) -> RephraseSpec:
    values = {"source": "api", "model": "rater", "n": 20, "per_request": 10, "max_tokens": 100}
    return RephraseSpec.model_validate(values | changes)


def test_more_is_asked_for_until_there_are_enough(writer: Server, tmp_path: Path) -> None:
    pools = ask_pools(TEXTS, spec(), Api(api_spec(writer), tmp_path))
    for key, text in TEXTS.items():
        assert len(pools[key].texts) >= 20
        assert len(set(pools[key].texts)) == len(pools[key].texts)
        assert text not in pools[key].texts
        assert pools[key].dropped["original"] >= 1
        assert pools[key].dropped["duplicate"] >= 1
    assert len(writer.asked) > 2 * 3  # a first round of three lists of five was too little


def test_no_more_is_asked_for_than_allowed(writer: Server, tmp_path: Path) -> None:
    pools = ask_pools(TEXTS, spec(max_requests=2), Api(api_spec(writer), tmp_path))
    assert len(writer.asked) == 4
    with pytest.raises(DataError, match=r"11 usable rephrasings, and 20 are wanted .* raise `rephrase\.max_requests`"):
        step.make_pool("clown", TEXTS["clown"], spec(max_requests=2), pools["clown"])


def test_a_pool_depends_on_its_own_prompt_and_the_seed_alone(writer: Server, tmp_path: Path) -> None:
    api = Api(api_spec(writer), tmp_path)
    both = ask_pools(TEXTS, spec(), api)
    n = len(writer.asked)
    assert ask_pools({"other": TEXTS["sky"]}, spec(), api)["other"] == both["sky"]
    assert len(writer.asked) == n
    ask_pools({"sky": TEXTS["sky"]}, spec(seed=7), api)
    assert len(writer.asked) > n


def test_close_rephrasings_keep_their_length(writer: Server, tmp_path: Path) -> None:
    writer.answer = lambda body: chat_answer(
        json.dumps(["Be a clown.", "Clown!", "Be one of those funny people in a circus tent who wear a red nose."])
    )
    api = Api(api_spec(writer), tmp_path)
    for closeness in ("close", "surface"):
        pool = ask_pools({"clown": TEXTS["clown"]}, spec(closeness=closeness, max_requests=1, n=9), api)["clown"]
        assert pool.texts == ["Be a clown."]
        assert pool.dropped == {"length": 2}
    free = ask_pools({"clown": TEXTS["clown"]}, spec(max_requests=1, n=9), api)["clown"]
    assert len(free.texts) == 3
    wishes = {body["messages"][1]["content"] for body in writer.asked}
    assert len(wishes) == 3


def test_a_list_that_is_refused_costs_only_itself(writer: Server, tmp_path: Path) -> None:
    writer.faults.extend([Fault(), Fault("status", 400)])
    pools = ask_pools(TEXTS, spec(), Api(api_spec(writer, concurrency=1), tmp_path))
    assert all(len(pool.texts) >= 20 for pool in pools.values())


def test_the_stage_writes_pools_and_says_what_they_cost(writer: Server, tmp_path: Path) -> None:
    rephrase = spec().model_dump(mode="json")
    job = toy_job(toy_study(tmp_path, rephrase=rephrase), tmp_path, "rephrase")
    job.api_spec = api_spec(writer)
    run_job(job)
    table = read_table(job.paths.pools)
    assert table.groupby("prompt")["text"].nunique().to_dict() == {"clown": 20, "sky": 20}
    assert job.record["api"]["dollars"] > 0
    first = job.paths.pools.read_bytes()
    run_job(job)
    assert job.paths.pools.read_bytes() == first
