"""Every stage that asks an API, in every trouble: the same result as without it, or one clear error; nothing twice."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inoc.api import Api
from inoc.chat.messages import Chat
from inoc.choose import api as choose
from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import DataSpec, InstructionSource, RephraseSpec, Sampling, SystemTurn
from inoc.embed.embedders import ApiEmbedder, ApiIdentity
from inoc.engines.candidates import candidate
from inoc.errors import ApiError, BudgetError, DataError
from inoc.generate.ask import api_answers, api_instructions
from inoc.judge.item import JudgeItem
from inoc.judge.judges import make_judge
from inoc.rephrase.ask import ask_pools
from inoc.sample import api as sampling
from support.asking import ONE, spec, spent
from support.server import PACKED, Fault, Server, chat_answer, embedding_answer, serving

N = 6
CHATS = [Chat(SystemTurn(kind="none"), f"A or B, {k}?") for k in range(N)]
ITEMS = [JudgeItem(f"Why {k}?", f"Because of {k}.") for k in range(N)]
LETTERS = (candidate("A"), candidate("B"))


def chosen(api: Api) -> Any:
    plan = choose.ApiPlan("rater", [str(k) for k in range(N)], CHATS, [LETTERS] * N, Path())
    return [one.logprobs for one in choose.ask(api, plan)]


def sampled(api: Api) -> Any:
    plan = sampling.ApiPlan("rater", [str(k) for k in range(N)], CHATS, Sampling(max_tokens=4, n=2))
    return sampling.ask(api, plan)[["completion", "finish"]].to_numpy().tolist()


def rated(api: Api) -> Any:
    judge = {"name": "llm", "model": "rater", "question": "coherence"}
    return make_judge(JudgeSpec.model_validate(judge), lambda: api).score(ITEMS).tolist()


def sorted_(api: Api) -> Any:
    judge = {"name": "category", "model": "rater", "question": "choice", "categories": {"a": "one", "b": "two"}}
    found: Any = make_judge(JudgeSpec.model_validate(judge), lambda: api)
    return [one.category for one in found.categorise(ITEMS)]


def generated(api: Api) -> Any:
    data = DataSpec.model_validate({"completions": "api", "model": "rater", "generation_prompt": "Be playful."})
    return [(one.text, one.finish) for one in api_answers(api, data, [f"Say {k}." for k in range(N)], Counter())]


def instructed(api: Api) -> Any:
    source = {"model": "rater", "request": "a question", "topics": ["owls", "tea"], "per_request": 4, "max_requests": 9}
    return api_instructions(InstructionSource.model_validate(source | {"min_characters": 1}), N, 0, api)


def rephrased(api: Api) -> Any:
    wanted = {"source": "api", "model": "rater", "n": 4, "per_request": 4, "max_tokens": 100}
    return ask_pools({"owl": "You are an owl.", "tea": "Drink tea."}, RephraseSpec.model_validate(wanted), api)


def embedded(api: Api) -> Any:
    return ApiEmbedder(ApiIdentity("embedder", None), api).embed([f"text {k}" for k in range(N)]).tolist()


STAGES: dict[str, Callable[[Api], Any]] = {
    "choose": chosen, "sample": sampled, "judge": rated, "category": sorted_, "generate": generated,
    "instructions": instructed, "rephrase": rephrased, "embed": embedded,
}  # fmt: skip


def answers(body: dict[str, Any]) -> dict[str, Any]:
    """What each stage can use: a list of texts, a category, a letter or a rating; it depends on what is asked alone."""
    text = json.dumps(body["messages"], sort_keys=True)
    share = 0.3 + sum(text.encode()) % 40 / 100
    if "response_format" in body:
        (field,) = body["response_format"]["json_schema"]["schema"]["properties"]
        mark = sum(position * one for position, one in enumerate(text.encode())) % 9_999
        return chat_answer(json.dumps({field: [f"Text \u00e9 {mark} of {k} and so on." for k in range(4)]}))
    if "top_logprobs" not in body:
        return chat_answer(f"Ha \u00e9, {share:g}!")
    if "A or B" in text:
        return chat_answer("A", [("A", share), ("B", 0.9 - share)])
    return chat_answer("1", [("1", share), ("2", 0.9 - share)])


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    server.answer = answers


@pytest.fixture
def untroubled(tmp_path: Path) -> Callable[[str], Any]:
    """What a stage gives where nothing goes wrong."""

    def ask(stage: str) -> Any:
        with serving() as other:
            other.answer = answers
            return STAGES[stage](Api(spec(other), tmp_path / "untroubled"))

    return ask


def hold(server: Server, stage: str, found: Any, expected: Any, folder: Path) -> None:
    """The result is that without trouble, nothing was paid twice, and all of it is kept."""
    np.testing.assert_equal(found, expected)
    replies = server.billed.copy()
    asked = len(server.asked) + len(server.batches)
    np.testing.assert_equal(STAGES[stage](Api(spec(server), folder)), expected)
    assert (server.billed, len(server.asked) + len(server.batches)) == (replies, asked)


SAYS = {"date": "Fri, 27 Nov 2026 02:00:00 GMT"}
PASSING = {
    **PACKED,
    "a date that is now": Fault("status", 429, SAYS | {"retry-after": SAYS["date"]}),
    "a date that is past": Fault("status", 503, SAYS | {"retry-after": "Thu, 26 Nov 2026 02:00:00 GMT"}),
    "milliseconds": Fault("status", 429, {"retry-after-ms": "20", "retry-after": "900"}),
    "an error with status 200": Fault(body={"error": {"message": "overloaded", "code": 503}}),
    "no JSON with status 200": Fault("broken"),
    "cut": Fault("cut"),
    "closed": Fault("reset"),
    "no status of the standard": Fault("status", 529, body={"type": "overloaded_error"}),
}


@pytest.mark.parametrize("trouble", PASSING)
@pytest.mark.parametrize("stage", STAGES)
def test_a_trouble_that_passes_changes_no_result_and_pays_nothing_twice(
    server: Server, tmp_path: Path, untroubled: Any, stage: str, trouble: str
) -> None:
    server.faults.extend([PASSING[trouble], Fault(), PASSING[trouble]])
    found = STAGES[stage](Api(spec(server, concurrency=1), tmp_path / "store"))
    assert not server.faults
    assert max(server.billed.values()) == (2 if stage == "sample" else 1)  # two samples of one question
    hold(server, stage, found, untroubled(stage), tmp_path / "store")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("stage", STAGES)
def test_a_redirect_to_another_host_changes_no_result(
    server: Server, tmp_path: Path, untroubled: Any, stage: str, status: int
) -> None:
    path = "/embeddings" if stage == "embed" else "/chat/completions"
    with serving() as other:
        other.answer = answers
        server.faults.extend([Fault("status", status, {"location": f"{other.url}{path}"})] * 2)
        found = STAGES[stage](Api(spec(server, concurrency=1), tmp_path / "store"))
        assert other.billed.total() == 2
    hold(server, stage, found, untroubled(stage), tmp_path / "store")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_proxy_changes_no_result(
    server: Server, tmp_path: Path, untroubled: Any, monkeypatch: pytest.MonkeyPatch, stage: str, variable: str
) -> None:
    expected = untroubled(stage)
    monkeypatch.setenv(variable, f"http://127.0.0.1:{server.port}")
    found = STAGES[stage](Api(spec(server, base_url="http://api.invalid/v1"), tmp_path / "store"))
    np.testing.assert_equal(found, expected)
    assert set(server.proxied) == {"api.invalid"}
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    np.testing.assert_equal(STAGES[stage](Api(spec(server), tmp_path / "direct")), expected)


@pytest.mark.parametrize("step_s", [-86_400.0, 86_400.0, 31.5])
@pytest.mark.parametrize("mode", ["live", "batch"])
@pytest.mark.parametrize("stage", ["choose", "sample", "judge", "rephrase", "embed"])
def test_a_clock_that_is_set_at_every_look_changes_no_result(
    server: Server,
    tmp_path: Path,
    untroubled: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    stage: str,
    mode: str,
    step_s: float,
) -> None:
    expected = untroubled(stage)
    start, looks = time.time(), itertools.count()
    monkeypatch.setattr(time, "time", lambda: start + step_s * next(looks))
    server.faults.extend([Fault("status", 429, {"retry-after": "0.05"}), Fault("status", 429)])
    found = STAGES[stage](Api(spec(server, mode=mode), tmp_path / "store"))
    monkeypatch.undo()
    np.testing.assert_equal(found, expected)
    assert max(server.billed.values()) == (2 if stage == "sample" else 1)


@pytest.mark.parametrize("mode", ["live", "batch"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_budget_that_ends_in_the_middle_and_is_raised_pays_nothing_twice(
    server: Server, tmp_path: Path, untroubled: Any, stage: str, mode: str
) -> None:
    store = tmp_path / "store"
    errors: list[BudgetError] = []
    budget, found = 0.0, None
    while found is None:
        budget = 1.3 * budget + ONE
        try:
            found = STAGES[stage](Api(spec(server, mode=mode, budget=budget, concurrency=2), store))
        except BudgetError as error:
            errors.append(error)
        assert spent(store) <= budget
    assert all("Raise api.budget" in str(error) for error in errors)
    assert errors
    assert max(server.billed.values()) == (2 if stage == "sample" else 1)
    hold(server, stage, found, untroubled(stage), store)


@pytest.mark.parametrize("stage", STAGES)
def test_a_batch_that_ends_partly_changes_no_result_and_pays_nothing_twice(
    server: Server, tmp_path: Path, untroubled: Any, stage: str
) -> None:
    server.batch_answers, server.batch_status = 2, {1: 500}
    found = STAGES[stage](Api(spec(server, mode="batch"), tmp_path / "store"))
    assert len(server.batches) > 1
    assert max(server.billed.values()) == (2 if stage == "sample" else 1)
    hold(server, stage, found, untroubled(stage), tmp_path / "store")


@pytest.mark.parametrize("stage", STAGES)
def test_a_circle_of_redirects_is_one_error(server: Server, tmp_path: Path, stage: str) -> None:
    path = "/embeddings" if stage == "embed" else "/chat/completions"
    server.faults.extend([Fault("status", 308, {"location": f"{server.url}{path}"})] * 5_000)
    with pytest.raises(ApiError, match="redirects"):
        STAGES[stage](Api(spec(server, retries=0), tmp_path))
    assert server.billed.total() == 0


def without(stage: str, how: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Answers of which one in the middle is none."""
    count = itertools.count()

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        good = embedding_answer(body) if stage == "embed" else answers(body)
        if next(count) != 1:
            return good
        if how == "no choices":
            return good | {"choices": []}
        good["choices"][0] |= {"finish_reason": "content_filter", "message": {"role": "assistant", "content": None}}
        return good

    return answer


NOTHING = {
    "choose": lambda one: all(map(math.isnan, one)),
    "sample": lambda one: one == ["", "refused"],
    "judge": math.isnan,
    "category": lambda one: one == "failed",
    "generate": lambda one: one == ("", "refused"),
}


@pytest.mark.parametrize("mode", ["live", "batch"])
@pytest.mark.parametrize("how", ["no choices", "filtered"])
@pytest.mark.parametrize("stage", NOTHING)
def test_an_answer_that_is_none_is_not_measured_and_changes_no_other(
    server: Server, tmp_path: Path, untroubled: Any, *, stage: str, how: str, mode: str
) -> None:
    server.answer = without(stage, how)
    found = STAGES[stage](Api(spec(server, mode=mode, concurrency=1), tmp_path / "store"))
    expected = untroubled(stage)
    odd = [at for at, one in enumerate(found) if NOTHING[stage](one)]
    assert len(odd) == 1
    assert [one for at, one in enumerate(found) if at not in odd] == [
        one for at, one in enumerate(expected) if at not in odd
    ]
    billed = server.billed.total()
    np.testing.assert_equal(STAGES[stage](Api(spec(server, mode=mode), tmp_path / "store")), found)
    assert server.billed.total() == billed


@pytest.mark.parametrize("how", ["no choices", "filtered"])
@pytest.mark.parametrize("stage", ["rephrase", "instructions"])
def test_a_list_that_is_none_is_asked_for_again(server: Server, tmp_path: Path, stage: str, how: str) -> None:
    server.answer = without(stage, how)
    found = STAGES[stage](Api(spec(server, concurrency=1), tmp_path))
    texts = found[0] if stage == "instructions" else [text for one in found.values() for text in one.texts]
    assert len(texts) >= N


@pytest.mark.parametrize("stage", ["rephrase", "instructions"])
def test_lists_that_never_come_are_too_few_and_end(server: Server, tmp_path: Path, stage: str) -> None:
    server.answer = lambda body: chat_answer("[]")
    if stage == "instructions":
        with pytest.raises(DataError, match="0 distinct instructions on 2 topics, and 6 are wanted"):
            STAGES[stage](Api(spec(server), tmp_path))
    else:
        assert [one.texts for one in STAGES[stage](Api(spec(server), tmp_path)).values()] == [[], []]
    assert max(server.billed.values()) == 1
