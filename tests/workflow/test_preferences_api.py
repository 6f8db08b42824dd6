"""A study whose models are all behind an API: no GPU, no torch, and no answer is paid for twice."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pandas as pd
import pytest
from ruamel.yaml import YAML

from support.asking import KEY, ONE
from support.running import INOC, Checkout
from support.server import FAULTS, Server, chat_answer, serving

SHORT = {"max_tokens": 8}
TASKS = {f"t{at}": f"Do thing number {at}." for at in range(6)}
STUDY = {
    "kind": "preferences",
    "name": "asked",
    "title": "Asked",
    "model": {"path": "nobody/nothing"},
    "tasks": {"origins": {"own": {"texts": TASKS}}},
    "models": {"one": {"api": "rater"}, "two": {"api": "rater", "system": {"kind": "text", "text": "Hurry."}}},
    "completions": {"sampling": SHORT},
    "instruments": {
        "stars": {"template": "stated_1_5", "sampling": SHORT},
        "exact": {"template": "stated_1_5", "when": "before", "method": "choose", "raters": ["one"]},
        "wish": {
            "template": "simple_preference",
            "when": "before",
            "pairs": {"design": "active", "degree": 2},
            "sampling": SHORT,
            "raters": ["one"],
        },
        "order": {"template": "rank_preference", "when": "before", "ranking": {"size": 3, "appearances": 2}},
        "words": {"template": "describe_feeling", "when": "before", "raters": ["two"], "sampling": SHORT},
    },
    "parsing": {"judge": "rater", "tone": {"name": "regex", "pattern": "fine"}},
    "fit": {"models": ["case_v"]},
    "selection": {"batch": 3, "max_rounds": 3, "reliability": 1.0},
    "statistics": {"resamples": 100},
}
KILLED = (
    ("sample", "api_completions", 2),
    ("sample", "api_selected", 3),
    ("sample", "api_selected", 4),
    ("choose", "api_answers", 5),
)
PARTS = (*(("sample", f"api_{part}") for part in ("completions", "answers", "open", "selected")), ("choose", "parsed"))
TABLES = ("ratings", "comparisons", "rankings")


def answered(body: dict) -> dict:
    """What the server says: right answers for the most part, and now and then some that only a judge can read."""
    asked = body["messages"][-1]["content"]
    number = sum(map(ord, asked))
    if "Somebody was asked" in asked:
        return chat_answer("unclear", [("unclear", 0.9), ("refused", 0.1)])
    if "letters" in asked:
        return chat_answer("B, A, C")
    if "A or B" in asked:
        return chat_answer("A" if number % 3 else "Both, in their way.")
    if "whole number" in asked:
        digit = str(1 + number % 5)
        return chat_answer(digit, [(digit, 0.8), ("3", 0.1)])
    # The two models complete a task differently, or they would ask the same question twice.
    return chat_answer("That was fine, and quick." if body["messages"][0]["role"] == "system" else "That was fine.")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        one.answer = answered
        yield one


@pytest.fixture
def checkout(tmp_path, server, monkeypatch) -> Checkout:
    """A checkout with the study, on a machine where torch and transformers cannot be imported."""
    made = Checkout(tmp_path / "checkout", study="asked")
    api = {
        "base_url": server.url,
        "key_variable": "TEST_KEY",
        "prices": {"rater": {"input": 1, "output": 2}},
        "requests_per_minute": 1e6,
        "tokens_per_minute": 1e9,
        "timeout_s": 60.0,
        "retries": 6,
    }
    yaml = YAML(typ="safe", pure=True)
    for name, value in (("config.yaml", {"studies": ["asked"], "api": api}), ("studies/asked.yaml", STUDY)):
        with (made.folder / "config" / name).open("w", encoding="utf-8") as stream:
            yaml.dump(value, stream)
    absent = tmp_path / "absent"
    absent.mkdir()
    for name in ("torch", "transformers"):
        (absent / f"{name}.py").write_text(f"raise ImportError('{name} is not for this study')\n")
    monkeypatch.setenv("PYTHONPATH", f"{absent}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("TEST_KEY", KEY)
    return made


def killed(checkout: Checkout, server: Server, stage: str, part: str, after: int) -> bool:
    """Run a part of a stage and kill it when the server was asked some questions; whether it was still running then."""
    process = subprocess.Popen(
        [INOC, stage, "asked", part], cwd=checkout.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = len(server.asked) + after
    server.holds = lambda: len(server.asked) >= until  # so that it cannot end before it is killed
    while process.poll() is None and len(server.asked) < until:
        time.sleep(0.005)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.holds = lambda: False
    return running


def questions(server: Server) -> int:
    return sum(server.billed.values())


def test_no_job_needs_a_gpu_and_those_that_ask_run_here(checkout):
    jobs = checkout.dry_jobs()
    assert (jobs.pop("sample_by_api"), jobs.pop("choose_by_api"), jobs.pop("judge_completions")) == (4, 2, 1)
    assert set(jobs) == {"analyse_asked", "draw_figures_asked", "write_report", "list_results", "default"}
    for stage in ("sample", "choose"):
        rule = (checkout.folder / "workflow" / "rules" / f"{stage}.smk").read_text().partition(f" as {stage}_by_api")[2]
        assert "localrule: True" in rule
        assert "gpu=0" in rule


@pytest.mark.long
def test_a_crash_pays_nothing_twice_and_nothing_of_torch_is_loaded(checkout, server):
    checked = checkout.inoc("config", "check", "asked")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    planned = checkout.inoc("plan", "asked", "--json")
    assert planned.returncode == 0, planned.stderr
    server.faults.extend(FAULTS[name] for name in ("500", "429 with retry-after-ms", "cut body", "503"))
    server.delay_s = 0.05
    for one in KILLED:
        assert killed(checkout, server, *one), one
        if one[1] == "api_completions":
            assert checkout.inoc("sample", "asked", one[1]).returncode == 0
    checkout.run()
    once = questions(server)
    twice = [text for text, times in server.billed.items() if times > 1]
    assert not twice, twice
    for stage, part in PARTS:
        again = checkout.inoc(stage, "asked", part)
        assert again.returncode == 0, again.stderr
    assert questions(server) == once  # nothing more is asked when all is there
    tables = {name: pd.read_parquet(checkout.results / "analyse" / f"{name}.parquet") for name in TABLES}
    assert (tables["ratings"].query("instrument != 'exact'")["category"] == "answered").all()
    assert set(tables["comparisons"]["category"]) == {"answered", "unclear"}
    assert set(tables["comparisons"]["order"]) == {"ab", "ba"}
    assert (tables["rankings"]["category"] == "answered").all()
    assert tables["ratings"].groupby("instrument")["expectation"].count()["exact"] > 0
    spent = [one["api"]["dollars spent with this database"] for one in checkout.manifests().values() if "api" in one]
    assert max(spent) >= once * ONE  # what killed processes were asking counts as spent, at its most
