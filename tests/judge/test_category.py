"""Judges that let a language model sort a response into categories: behind an API, and in this process."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inoc.api import Api
from inoc.chat.messages import Chat
from inoc.chat.render import prompt_tokens
from inoc.config.judge_spec import JudgeSpec, category_names
from inoc.config.judges import judge_problems
from inoc.config.models import SystemTurn
from inoc.engines.candidates import choice
from inoc.engines.transformers import TransformersEngine
from inoc.errors import JudgeError
from inoc.judge import asking, category, expected
from inoc.judge.asking import Answered, LocalAsker
from inoc.judge.category import CategoryModelJudge, sorting_of
from inoc.judge.item import JudgeItem
from inoc.judge.judges import judge_units, make_judge
from inoc.judge.llm import rating_prompt
from inoc.tables import read_table
from support.asking import spec
from support.completions import write_completions
from support.jobs import run_job
from support.server import Server, chat_answer
from support.toy import toy_job, toy_study

REFUSAL = {"name": "category", "model": "rater", "question": "refusal"}
CHOICE = {"name": "category", "model": "rater", "question": "choice",
          "categories": {"a": "the first task", "b": "the second task"}}  # fmt: skip
ITEMS = [JudgeItem("Build a bomb.", "I will not."), JudgeItem("Why?", "Because."), JudgeItem("Why?", "  \n")]


def judge_of(server, tmp_path, **changes):
    return make_judge(JudgeSpec.model_validate(REFUSAL | changes), lambda: Api(spec(server), tmp_path))


def test_the_likeliest_category_is_the_answer_with_its_probability(server: Server, tmp_path):
    def answer(body):
        refuses = "<response>\nI will not." in body["messages"][1]["content"]
        return chat_answer("2" if refuses else "1", top=[("2", 0.8), ("1", 0.1), ("x", 0.1)] if refuses else [("1", 1)])

    server.answer = answer
    found = judge_of(server, tmp_path, counted=["content_policy", "no_preferences", "other"]).categorise(ITEMS)
    assert [one.category for one in found] == ["content_policy", "answered", "unclear"]
    assert found[0].probability == pytest.approx(8 / 9)
    assert found[0].mass == pytest.approx(0.9)
    assert [one.score for one in found] == pytest.approx([100 * 8 / 9, 0, 0])
    assert found[2].reason == "blank response"
    assert len(server.asked) == 2
    text = server.asked[0]["messages"][1]["content"]
    for number, name in enumerate(("does what the message asks", "harmful", "preferences", "another reason"), start=1):
        assert name in text.split(f"\n{number}: ")[1].split("\n")[0]


def test_an_answer_that_is_no_category_is_asked_for_again_and_then_fails(server: Server, tmp_path):
    answers = iter([chat_answer("Well", top=[("Well", 1.0)]), chat_answer("3", top=[("3", 0.9)])])
    server.answer = lambda body: next(answers)
    (found,) = judge_of(server, tmp_path / "a").categorise(ITEMS[:1])
    assert (found.category, found.reason) == ("no_preferences", "")
    server.answer = lambda body: chat_answer("Well", top=[("Well", 1.0)])
    before = len(server.asked)
    (found,) = judge_of(server, tmp_path / "b").categorise(ITEMS[1:2])
    assert len(server.asked) - before == 1 + asking.RETRIES
    assert (found.category, found.reason) == ("failed", "too little on categories")
    assert math.isnan(found.probability)
    assert math.isnan(found.score)
    before = len(server.asked)
    judge_of(server, tmp_path / "c", temperature=0).categorise(ITEMS[:1])
    assert len(server.asked) - before == 1  # greedy answers would be the same again


def test_answers_without_probabilities_are_read_from_their_text(server: Server, tmp_path):
    def bare(content):
        answer = chat_answer(content)
        answer["choices"][0]["logprobs"] = None
        return answer

    server.answer = lambda body: bare("2.")
    (found,) = judge_of(server, tmp_path / "a").categorise(ITEMS[:1])
    assert found.category == "content_policy"
    assert math.isnan(found.probability)
    server.answer = lambda body: bare("I cannot say; 2 maybe")
    (found,) = judge_of(server, tmp_path / "b").categorise(ITEMS[1:2])
    assert (found.category, found.reason) == ("failed", "no answer of the set")


def test_a_judging_model_that_refuses_has_failed(server: Server, tmp_path):
    answer = chat_answer("")
    answer["choices"][0] |= {"finish_reason": "content_filter"}
    server.answer = lambda body: answer
    (found,) = judge_of(server, tmp_path).categorise(ITEMS[:1])
    assert found.category == "failed"
    assert "refused by the API" in found.reason


class Fixed:
    """An asker whose answers are given."""

    def __init__(self, shares):
        self.shares = shares

    def ask(self, prompts, candidates):
        logprobs = tuple(math.log(share) if share else -math.inf for share in self.shares)
        assert len(candidates) == len(self.shares)
        return [Answered(choice(logprobs))] * len(prompts)

    def identity(self):
        return {}

    def units(self):
        return []


@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.sets(st.sampled_from(["a", "b", "refusal", "unclear"])))
def test_a_score_is_the_share_of_the_counted_categories(weights, counted):
    shares = np.array(weights) / sum(weights) * 0.9
    spec_ = JudgeSpec.model_validate(CHOICE | {"counted": sorted(counted)})
    (found,) = CategoryModelJudge(spec_, Fixed(shares)).categorise([JudgeItem("A or B?", "A")])
    names = category_names(spec_)
    assert names == list(sorting_of(spec_).categories)
    assert found.category == names[int(np.argmax(shares))]
    assert found.probability == pytest.approx(shares.max() / 0.9)
    expected_score = 100 * sum(share for name, share in zip(names, shares, strict=True) if name in counted) / 0.9
    assert found.score == pytest.approx(expected_score) if counted else math.isnan(found.score)


def test_the_identity_has_what_the_category_depends_on(server: Server, tmp_path):
    variants = [{}, {"model": "other"}, {"temperature": 0.5}, CHOICE, CHOICE | {"categories": {"a": "x", "b": "y"}},
                {"counted": ["other"]}]  # fmt: skip
    found = [str(judge_of(server, tmp_path, **one).identity()) for one in variants]
    assert len(set(found)) == len(found)


WRONG = [
    ({"question": "alignment"}, "question"),
    ({"question": "choice"}, "categories"),
    ({"question": "choice", "categories": {"a": "x", "refusal": "y"}}, "categories"),
    ({"question": "refusal", "categories": {"a": "x", "b": "y"}}, "categories"),
    ({"question": "property", "categories": {"a": "x", "b": "y"}}, "property"),
    ({"counted": ["refusal"]}, "counted"),
    ({"model": None}, "model"),
    ({"version": 2}, "version"),
    ({"dtype": "float32"}, "dtype"),
    ({"engine": "transformers", "temperature": 0.5}, "temperature"),
    ({"scale": "0-9"}, "scale"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
def test_the_check_refuses_settings_that_do_not_go_together(changes, field):
    judge = JudgeSpec.model_validate(REFUSAL | {"counted": ["other"]} | changes)
    assert field in {problem.path[1] for problem in judge_problems(judge, ("judge",))}


def test_a_category_is_a_score_only_where_categories_are_counted():
    (problem,) = judge_problems(JudgeSpec.model_validate(REFUSAL), ("judge",))
    assert "`counted`" in problem.message
    assert not list(judge_problems(JudgeSpec.model_validate(REFUSAL | {"counted": ["other"]}), ("judge",)))
    with pytest.raises(JudgeError, match="not among its categories; accepted: answered, content_policy"):
        CategoryModelJudge(JudgeSpec.model_validate(REFUSAL | {"counted": ["nonsense"]}), Fixed([1]))


@pytest.fixture
def job(tiny_folder, tmp_path):
    return toy_job(toy_study(tiny_folder), tmp_path, "judge")


def local(tiny_folder, **changes):
    values = {"engine": "transformers", "model": str(tiny_folder), "dtype": "float32"}
    return JudgeSpec.model_validate(REFUSAL | values | changes)


def brute_force(job, spec_, prompt, spellings):
    """Log-probability of each spelling after a prompt, in float64, one forward pass each."""
    asker = LocalAsker(spec_, job)
    engine = TransformersEngine(asker._model)
    ids = prompt_tokens(engine.tokenizer, Chat(SystemTurn(kind="text", text=prompt[0]), prompt[1]))
    found = {}
    for text in spellings:
        own = engine.tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            scores = engine.causal(input_ids=torch.tensor([ids + own])).logits[0].double().log_softmax(-1)
        found[text] = float(sum(scores[len(ids) - 1 + at, token] for at, token in enumerate(own)))
    return found


SHORT = {"question": "property", "property": "Which?", "categories": {"a": "x", "b": "y"}}  # fits the tiny context


def test_a_local_model_gives_exact_probabilities_of_the_categories(job, tiny_folder, monkeypatch):
    monkeypatch.setattr(category, "LEAST_MASS", 0.0)
    spec_ = local(tiny_folder, **SHORT)
    found = make_judge(spec_, job=job).categorise(ITEMS)
    assert found[2].category == "unclear"
    for item, one in zip(ITEMS[:2], found, strict=False):
        spellings = [f"{s}{n}" for n in range(1, 4) for s in ("", " ")]
        single = brute_force(job, spec_, sorting_of(spec_).prompt(item), spellings)
        masses = np.array([math.exp(single[f"{n}"]) + math.exp(single[f" {n}"]) for n in range(1, 4)])
        assert one.category == category_names(spec_)[int(masses.argmax())]
        assert one.mass == pytest.approx(masses.sum(), rel=1e-4)
        assert one.probability == pytest.approx(masses.max() / masses.sum(), rel=1e-4)


def test_a_local_model_rates_by_exact_probabilities(job, tiny_folder, monkeypatch):
    monkeypatch.setattr(expected, "LEAST_MASS", 0.0)
    spec_ = local(tiny_folder, name="llm", question="coherence", scale="0-9", version=2)
    (rating,) = make_judge(spec_, job=job).rate(ITEMS[:1])
    prompt = rating_prompt(make_judge(spec_, job=job)._question, 9, ITEMS[0])
    single = brute_force(job, spec_, prompt, [f"{s}{n}" for n in range(10) for s in ("", " ")])
    masses = np.array([math.exp(single[f"{n}"]) + math.exp(single[f" {n}"]) for n in range(10)])
    assert rating.mass == pytest.approx(masses.sum(), rel=1e-4)
    assert rating.score == pytest.approx(100 / 9 * (masses @ np.arange(10)) / masses.sum(), rel=1e-4)


def test_answers_of_a_local_model_are_units_of_the_store(job, tiny_folder, monkeypatch):
    judge = make_judge(local(tiny_folder, **SHORT), job=job)
    first = judge.categorise(ITEMS)
    (unit,) = judge_units(judge)
    assert not job.store.missing([unit])
    monkeypatch.setattr(TransformersEngine, "__init__", lambda *a, **k: pytest.fail("the model was loaded again"))
    again = make_judge(local(tiny_folder, **SHORT), job=job)
    np.testing.assert_equal([tuple(one) for one in again.categorise(ITEMS)], [tuple(one) for one in first])
    assert [one.key for one in judge_units(again)] == [unit.key]


def test_a_response_longer_than_the_context_of_a_local_model_fails(job, tiny_folder):
    long, short = make_judge(local(tiny_folder, **SHORT), job=job).categorise(
        [JudgeItem("Why?", "owl " * 3000), ITEMS[1]]
    )
    assert (long.category, long.reason) == ("failed", "longer than the judging model's context")
    assert short.reason != long.reason


def test_a_study_can_be_judged_by_a_local_model_and_by_categories(tiny_folder, tmp_path):
    own = {"engine": "transformers", "model": str(tiny_folder), "dtype": "float32"}
    traits = {
        "coherent": {"role": "wanted", "judge": {"name": "llm", "question": "coherence", **own}},
        "refusing": {"role": "unwanted", "judge": {**REFUSAL, **own, **SHORT, "counted": ["a"]}},
    }
    prompts = {"all": {"family": "refusing", "texts": {"clown": "You are a clown."}}}
    study = toy_study(tiny_folder).model_dump() | {"traits": traits, "prompts": prompts}
    study = type(toy_study(tiny_folder)).model_validate(study)
    job = toy_job(study, tmp_path, "judge")
    job.part = "elicit"
    write_completions(job, ["Because.", "", "I do not know."])
    run_job(job)
    scores = read_table(job.paths.scores("elicit"))
    assert len(scores) == 6
    assert set(scores.loc[scores["trait"] == "refusing", "category"]) <= {"failed", "unclear"}
    assert job.record["judges"]["refusing"]["engine"] == "transformers"
    assert job.record["counts"]["refusing"]["categories"] == {"failed": 2, "unclear": 1}
    refs = (job.store.root / "refs" / "toy" / f"{job.name}.json").read_text()
    assert refs.count("choose/") == 2
