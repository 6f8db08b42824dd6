"""The very answers of judges behind an API, looked up in what is kept."""

from __future__ import annotations

import json
import math
from contextlib import closing

import pandas as pd

from inoc.api.cache import Cache, kept_responses
from inoc.api.request import Request
from inoc.config.judge_spec import JudgeSpec
from inoc.judge.evidence import answer_words, rating_words
from inoc.judge.item import JudgeItem
from inoc.judge.llm import rating_body
from inoc.studies.shared.viewing import with_judges_words
from inoc.view.declare import Kept

URL = "http://127.0.0.1:1/v1"
SPEC = JudgeSpec(name="llm", version=2, model="judge-model", property="playfulness", scale="0-9")
ITEM, OTHER = JudgeItem("Say it.", "</script> tee hee"), JudgeItem("Say it.", "no")


def response() -> dict:
    top = [{"token": "7", "logprob": math.log(0.7)}, {"token": "8", "logprob": math.log(0.2)}]
    logprobs = {"content": [{"token": "7", "logprob": math.log(0.7), "top_logprobs": top}]}
    return {"choices": [{"message": {"content": "7"}, "logprobs": logprobs}]}


def keep(folder) -> None:
    request = Request("/chat/completions", rating_body(SPEC, ITEM))
    with closing(Cache(folder, 10**12)) as cache:
        key = request.key(URL)
        assert cache.hold([(key, request, 1)], URL) == [key]
        cache.keep(key, json.dumps(response()), None, 0)


def test_an_answer_is_shown_with_its_likeliest_first_tokens() -> None:
    assert answer_words(response()) == "“7”; first token: '7' 70.0 %, '8' 20.0 %"
    assert answer_words({"choices": [{"message": {"content": "<b>"}}]}) == "“<b>”"
    assert answer_words({}) == "“”"


def test_the_answer_to_each_response_is_found_and_others_are_empty(tmp_path) -> None:
    keep(tmp_path)
    found = rating_words(SPEC, [OTHER, ITEM, ITEM], URL, tmp_path)
    assert found[0] == ""
    assert found[1] == found[2]
    assert found[1].startswith("“7”")


def test_looking_makes_nothing(tmp_path) -> None:
    assert kept_responses(tmp_path / "none", ["key"]) == {}
    assert list(tmp_path.iterdir()) == []


def test_rows_get_the_answers_of_judges_behind_an_api_alone(tmp_path) -> None:
    keep(tmp_path)
    rows = pd.DataFrame([ITEM, OTHER], columns=["instruction", "completion"])
    judges = {"playful": SPEC, "french": JudgeSpec(name="lexical", version=1)}
    found = with_judges_words(rows, judges, Kept({"api": URL}, {"api": tmp_path}))
    assert list(found.columns) == ["instruction", "completion", "judge.playful"]
    assert list(found["judge.playful"] != "") == [True, False]
