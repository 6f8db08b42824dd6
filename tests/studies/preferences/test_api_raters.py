"""Raters behind an API that misbehaves, in every form of answer: what is sent, and what becomes of what comes back."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from inoc.config.workflow import Price
from inoc.jobs.paths import Paths
from inoc.store import Store
from inoc.tables import read_table
from support.asking import KEY, spec
from support.jobs import StudyJob, run_job
from support.preferences import study_of
from support.server import FAULTS, chat_answer, serving

TEXTS = {f"t{at}": f"Do thing {at}." for at in range(4)}
ANCHORS = {
    "good": [{"task": f"Good {at}?", "completion": "Gladly."} for at in range(2)],
    "bad": [{"task": f"Bad {at}?", "completion": "Reluctantly."} for at in range(2)],
}
PAIRS = {"pairs": {"design": "all"}}
INSTRUMENTS = {
    "plain": {"template": "stated_1_5"},
    "xml": {"template": "qualitative_ternary", "format": "xml"},
    "tool": {"template": "stated_1_5", "format": "tool"},
    "reasoned": {"template": "stated_1_5", "format": "reasoned"},
    "begin": {"template": "completion_preference", "format": "completion", "when": "before", **PAIRS},
    "pairs": {"template": "simple_preference", "format": "xml", **PAIRS},
    "order": {"template": "rank_preference", "ranking": {"size": 3, "appearances": 3}},
    "words": {"template": "describe_feeling"},
}
# Answers in each form with what they mean: a value, what is chosen, or a category.
SAID = {
    "plain": [
        ("4", 4.0), ("<think>5?</think>\n4", 4.0), ("7", "failed"), ("I can't rate that.", "refused"),
        ("<think>Perhaps 4", "failed"), ("It was not a 4.", "unclear"),
    ],
    "xml": [
        ("<answer>good</answer>", 1.0), ("I liked it.", "unclear"), ("<answer>not bad</answer>", "unclear"),
        ("<answer></answer>", "unclear"),
    ],
    "tool": [
        ('{"answer": 2}', 2.0), ('record({"answer": "2"})', 2.0), ('{"answer": 9}', "failed"),
        ('{"rating": 2}', "unclear"), ("As an AI, I don't have preferences.", "refused"),
    ],
    "reasoned": [
        ("It was fine. <answer>3</answer>", 3.0), ("It was 3 of 5 fine.", "unclear"),
        ("<answer>3.5</answer>", "failed"),
    ],
    "begin": [
        ("Task A\n\nA poem", "a"), ("A poem about spring", "unclear"), ("I'm sorry, but I can't help.", "refused"),
        ("Task B: 4", "b"),
    ],
    "pairs": [
        ("<answer>A</answer>", "a"), ("<answer>Task B</answer>", "b"), ("<answer>Both A and B</answer>", "unclear"),
        ("", "failed"),
    ],
    "order": [("B, A, C", "answered"), ("A, B", "unclear"), ("I can't do that.", "refused")],
}  # fmt: skip
CATEGORIES = ("failed", "refused", "unclear")


def form_of(question: str) -> str:
    if "Call the function" in question:
        return "tool"
    if "Give your reason" in question:
        return "reasoned"
    if "Begin your answer with" in question:
        return "begin"
    if "with commas between them" in question:
        return "order"
    if "<answer>" in question:
        return "pairs" if "A or B" in question else "xml"
    return "plain" if "nothing else" in question else ""


class Rater:
    """Answers in turn, and remembers what each model said in each form."""

    def __init__(self) -> None:
        self.said: dict[tuple[str, str], list[object]] = {}

    def __call__(self, body: dict) -> dict:
        form = form_of(body["messages"][-1]["content"])
        if not form:
            return chat_answer(f"{body['model']} did it.")
        known = self.said.setdefault((body["model"], form), [])
        text, meant = SAID[form][len(known) % len(SAID[form])]
        known.append(meant)
        return chat_answer(text)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, serving() as server:
        patch.setenv("TEST_KEY", KEY)
        yield prepared(server, tmp_path_factory.mktemp("api"))


def prepared(server, tmp_path):
    server.answer = Rater()
    server.faults.extend(FAULTS[name] for name in ("500", "429 with retry-after-ms", "cut body", "connection closed"))
    study = study_of(
        tasks={"origins": {"own": {"texts": TEXTS}}},
        models={"one": {"api": "rater"}, "two": {"api": "pupil", "system": {"kind": "text", "text": "Be brief."}}},
        instruments=INSTRUMENTS,
        completions={"sampling": {"max_tokens": 4}},
        polarity={"anchors": ANCHORS},
        reliability={"min_tasks": 3},
        fit={"models": ["case_v"], "bias": "reduced"},
        parsing={"tone": {"name": "llm", "model": "rater", "property": "gladness"}},
    )
    prices = {name: Price(input=1, output=2) for name in ("rater", "pupil")}
    api = spec(server, prices=prices)
    paths = Paths(tmp_path / "results", study.name)
    return study, paths, Store(tmp_path / "store"), api, server


def run(made, stage: str, part: str = "") -> None:
    study, paths, store, api, _ = made
    job = StudyJob(study.name, paths, store, stage, part=part, of=study)
    run_job(replace(job, api_spec=api) if part.startswith("api") or stage == "judge" else job)


@pytest.fixture(scope="module")
def tables(asked):
    """Name → table of the analysis."""
    for stage, part in (("sample", "api_completions"), ("sample", "api_answers"), ("sample", "api_open")):
        run(asked, stage, part)
    run(asked, "judge", "open")
    run(asked, "analyse")
    folder = asked[1].stage("analyse")
    return {path.stem: read_table(path) for path in folder.glob("*.parquet")}


def of(table: pd.DataFrame, rater: str, instrument: str) -> pd.DataFrame:
    return table[(table["rater"] == rater) & (table["instrument"] == instrument)]


def test_every_form_of_answer_of_an_api_is_read_as_what_it_says_or_is_a_category(asked, tables):
    server = asked[-1]
    for model, name in (("one", "rater"), ("two", "pupil")):
        for key in ("plain", "xml", "tool", "reasoned"):
            said = server.answer.said[name, key]
            own = of(tables["ratings"], model, key)
            assert len(own) == len(said) - 4 == 4 * 2  # four of what was said is of anchors
            assert own["value"].isna().equals(own["category"] != "answered")
            assert set(own["value"].dropna()) <= {one for one in said if isinstance(one, float)}
            assert set(own["category"]) <= {"answered", *(one for one in said if isinstance(one, str))}
        for key in ("begin", "pairs"):
            own = of(tables["comparisons"], model, key)
            assert len(own) == (6 if key == "begin" else 12) * 2
            assert set(own["choice"]) == {"a", "b", ""}
            assert (own["choice"] == "").equals(own["category"] != "answered")
            assert set(own["category"]) == {"answered", *(one for _, one in SAID[key] if one in CATEGORIES)}
            assert own["p_a"].isna().all()
        assert set(of(tables["rankings"], model, "order")["category"]) <= {"answered", "unclear", "refused"}


def test_the_chats_show_the_tasks_with_the_completions_of_the_completer_and_the_rater_s_own_turn(asked, tables):
    sent = {json.dumps(body["messages"]): body for body in asked[-1].asked}
    by_form: dict[str, list[dict]] = {}
    for body in sent.values():
        by_form.setdefault(form_of(body["messages"][-1]["content"]), []).append(body)
    for form, count in (("plain", 1), ("xml", 1), ("begin", 0), ("pairs", 2), ("order", 3)):
        for body in by_form[form]:
            turns = [turn for turn in body["messages"] if turn["role"] != "system"]
            assert len(turns) == 2 * count + 1
            assert (len(turns) < len(body["messages"])) == (body["model"] == "pupil")
            assert all(turn["content"].startswith(("Do thing", "Good", "Bad")) for turn in turns[:-1:2])
    cells = {
        (body["model"], body["messages"][-2]["content"])
        for body in by_form["plain"]
        if "did it" in body["messages"][-2]["content"]
    }
    assert cells == {
        (rater, f"{completer} did it.") for rater in ("rater", "pupil") for completer in ("rater", "pupil")
    }
    assert all("Do thing" in body["messages"][-1]["content"] for body in by_form["begin"] if "Good" not in str(body))


def test_raters_and_completers_are_a_matrix(tables):
    cells = tables["ratings"].groupby(["rater", "completer"]).size()
    assert set(cells.index) == {(one, other) for one in ("one", "two") for other in ("one", "two")}
    # Utilities are fitted in each cell apart, but for instruments that rate the anchors the wrong way round.
    pairs = tables["comparisons"].query("instrument == 'pairs'")
    assert set(pairs.groupby(["rater", "completer"]).groups) == set(cells.index)
    words = tables["ratings"].query("instrument == 'words'")
    assert words["value"].between(-1, 1).all()
